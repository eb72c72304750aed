/** An agent's session on the running product: from a question in words to rows, hits and what worked. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { workerColumns, workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { buildCorpus } from "../../../scripts/smoke-memory/matrix-requests.ts";
import { lakeAt } from "../../../scripts/smoke-product/product.ts";
import { type Session, startSession } from "../../support/clients/mcp-session.ts";
import { rfc4180 } from "../../support/clients/rfc4180.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";

const rowCount = 3000;
const csv = new Blob([...workersPieces({ rows: rowCount, seed: 21 })] as BlobPart[]);
const token = "the-agents-token";
let product: Product;
let session: Session;
let truth: Record<string, string | null>[];

beforeAll(async () => {
  product = await startProduct();
  const [, ...rows] = rfc4180(await csv.text());
  truth = rows.map((row) => Object.fromEntries(workerColumns.map((name, at) => [name, row[at] ?? null])));
  session = await startSession({ gateway: product.url, env: { AUTH_TOKEN: token } });
});
afterAll(async () => {
  await session.close();
  await product.end();
});

test("there is nothing yet; the upload is heard of and listed", async () => {
  expect((await session.call("list_datasets")).data.datasets).toEqual([]);
  expect((await ingest(product.url, "name=workers", csv)).status).toBe(200);
  const { data } = await session.call("list_datasets");
  expect(data.datasets).toMatchObject([{ name: "workers", row_count: rowCount, columns: 18 }]);
});

test("its columns are told, and the SQL written from them answers exactly", async () => {
  const { data } = await session.call("get_manifest", { name: "workers" });
  const columns = (data.columns as { name: string }[]).map(({ name }) => name);
  expect(columns).toEqual([...workerColumns]);
  const answer = await session.call("query_sql", {
    sql: "SELECT state, count(*) AS n FROM workers WHERE role = $role GROUP BY state ORDER BY n DESC, state LIMIT 5",
    params: { role: "Welder" },
  });
  const counts = new Map<string, number>();
  for (const { role, state } of truth)
    if (role === "Welder") counts.set(state ?? "", (counts.get(state ?? "") ?? 0) + 1);
  const wanted = [...counts]
    .map(([state, n]) => ({ state, n }))
    .sort((a, b) => b.n - a.n || (a.state < b.state ? -1 : 1));
  expect(wanted.length).toBeGreaterThan(5);
  expect(answer.data.rows).toEqual(wanted.slice(0, 5));
});

test("a mistake is told so that the next try succeeds", async () => {
  const { isError, text } = await session.call("query_sql", { sql: "SELECT nmae FROM workers LIMIT 1" });
  expect(isError).toBe(true);
  expect(text).toContain("name");
  expect((await session.call("query_sql", { sql: "SELECT name FROM workers LIMIT 1" })).isError).toBe(false);
});

test("every row can be paged through, once each", async () => {
  const found: string[] = [];
  let answer = await session.call("query_sql", {
    sql: "SELECT worker_id FROM workers ORDER BY worker_id",
    page_size: 1000,
  });
  for (;;) {
    found.push(...(answer.data.rows as { worker_id: unknown }[]).map(({ worker_id }) => String(worker_id)));
    if (answer.data.next_cursor === undefined) break;
    answer = await session.call("query_sql", { cursor: answer.data.next_cursor });
  }
  expect(found).toHaveLength(rowCount);
  expect(found.sort()).toEqual(truth.map(({ worker_id }) => worker_id ?? "").sort());
});

test("texts become vectors, and an index made of them is searched by text", async () => {
  const lake = lakeAt(product.url);
  const some = truth
    .slice(0, 8)
    .map(({ worker_id, role, notes }) => ({ id: worker_id ?? "", text: `${role}. ${notes}` }));
  const { data } = await session.call("embed_text", { texts: some.map(({ text }) => text) });
  const json = (path: string, body: object) =>
    lake.send(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const index = { name: "notes", dimension: data.dimension, embedding_model: data.model };
  expect((await json("/v1/vectors/index", index)).status).toBe(201);
  const items = some.map(({ id }, at) => ({ id, vector: (data.vectors as number[][])[at] }));
  expect((await json("/v1/vectors/index/notes/add", { items })).status).toBe(200);
  for (const { id, text } of some) {
    const { data: found } = await session.call("search_vectors", { name: "notes", text, k: 1 });
    const [hit] = found.results as { id: string; score: number }[];
    expect(hit?.id).toBe(id);
    expect(hit?.score).toBeCloseTo(1, 3);
  }
});

test("the right people are found by words under a SQL predicate, and what worked is remembered", async () => {
  await buildCorpus(lakeAt(product.url), {
    name: "staff",
    sql: "SELECT worker_id, role, city, state, skills, availability FROM workers WHERE worker_id <= 600",
    ...{
      id_column: "worker_id",
      text_columns: ["role", "skills", "city"],
      metadata_columns: ["role", "city", "state"],
    },
  });
  const asked = { query_text: "forklift operator", corpora: ["staff"], k: 5, sql_filter: "state = 'IL'" };
  const { data } = await session.call("search_matrix", asked);
  const hits = data.hits as { id: string; metadata: { state: string } }[];
  expect(hits.length).toBeGreaterThan(0);
  for (const { id, metadata } of hits) {
    expect(metadata.state).toBe("IL");
    expect(truth.find(({ worker_id }) => worker_id === id)?.state).toBe("IL");
  }
  const chosen = hits.at(-1)?.id ?? "";
  const recorded = await session.call("record_playbook", {
    query_text: asked.query_text,
    answer_id: chosen,
    corpus: "staff",
    score: 1,
  });
  expect(recorded.isError).toBe(false);
  const after = await session.call("search_matrix", { ...asked, use_playbook: true });
  expect((after.data.hits as { id: string }[])[0]?.id).toBe(chosen);
});

test("the product saw each call of the session, and nobody the token", async () => {
  await session.close();
  const stats = (await lakeAt(product.url).send("/v1/observer/stats")).body as {
    by_source: Record<string, number>;
  };
  expect(stats.by_source.mcp).toBeGreaterThanOrEqual(20);
  expect(session.log() + product.log()).not.toContain(token);
});
