/**
 * A staffing co-pilot on the running product: people found by what is said of them, restricted by SQL, and an answer
 * that worked remembered. LAKEHOUSE_ROWS sets the size of the data.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { workersCsv } from "../../../scripts/sample-data/make-workers.ts";
import { report } from "../../support/campaigns/measure.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";

const rows = Number(process.env.LAKEHOUSE_ROWS ?? 14_000);
const asked = "forklift operator with OSHA-10 near Chicago";
/** The same need in other words. */
const reworded = "near Chicago, a fork lift operator who has his OSHA 10";
const predicate = "state = 'IL' AND availability > 0.5";

interface Hit {
  id: string;
  score: number;
  parts: Record<string, number>;
  metadata: Record<string, unknown>;
  text?: string;
  playbooks?: { playbook_id: string; boost: number; because: string }[];
}

let product: Product;
const post = async (path: string, body: object = {}) => {
  const response = await fetch(`${product.url}/v1/matrix/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return JSON.parse(text);
};
const search = async (body: object): Promise<Hit[]> => {
  const { hits, errors } = await post("search", { corpora: ["workers"], sql_filter: predicate, ...body });
  expect(errors).toEqual([]);
  return hits;
};

beforeAll(async () => {
  product = await startProduct();
  const file = new Response(workersCsv({ rows, seed: 1 }));
  expect((await ingest(product.url, "name=workers", await file.blob())).status).toBe(200);
  const { job_id } = await post("corpora", {
    name: "workers",
    dataset: "workers",
    id_column: "worker_id",
    text_columns: ["role", "city", "state", "certifications", "skills", "shift", "notes"],
    metadata_columns: ["role", "city", "state", "availability", "certifications"],
  });
  const events = await (await fetch(`${product.url}/v1/matrix/jobs/${job_id}/events`)).text();
  const last = JSON.parse(/data: (.*)\n+$/.exec(events)?.[1] ?? "{}");
  expect(last).toMatchObject({ state: "done", embedded: rows });
});
afterAll(() => product?.end());

/** What SQL says of the ids. */
const facts = async (ids: readonly string[]) =>
  sql<{ worker_id: string; holds: boolean; role: string; text: string }>(
    product.url,
    `SELECT CAST(worker_id AS VARCHAR) AS worker_id, (${predicate}) AS holds, role,
       concat_ws(' ', role, certifications, skills, notes) AS text
     FROM workers WHERE CAST(worker_id AS VARCHAR) IN (${ids.map((id) => `'${id}'`).join(", ")})`,
  );

/**
 * Of 20 hits. Someone with the card in the city may stand before a forklift operator elsewhere, once nobody is left
 * who has everything.
 */
const aboutMin = { vector: 15, lexical: 18, hybrid: 14 };

for (const mode of ["vector", "lexical", "hybrid"] as const) {
  test(`${mode}: every hit fits the predicate, and is about forklifts`, async () => {
    const hits = await search({ query_text: asked, mode, k: 20 });
    expect(hits.length).toBe(20);
    const known = await facts(hits.map(({ id }) => id));
    expect(known.length).toBe(20);
    expect(known.filter(({ holds }) => !holds)).toEqual([]);
    const about = known.filter(({ text }) => /forklift/i.test(text)).length;
    expect(about).toBeGreaterThanOrEqual(aboutMin[mode]);
  });
}

test("reranking brings those first who have everything", async () => {
  const everything = ({ metadata }: Hit) =>
    metadata.role === "Forklift Operator" &&
    metadata.city === "Chicago" &&
    String(metadata.certifications).includes("OSHA-10");
  const [plain, again] = [
    await search({ query_text: asked, k: 10 }),
    await search({ query_text: asked, k: 10, rerank: true }),
  ];
  report("co-pilot: of the first ten, those with role, card and city", {
    hybrid: plain.filter(everything).length,
    reranked: again.filter(everything).length,
  });
  expect(everything(again[0] as Hit)).toBe(true);
  expect(again.filter(everything).length).toBeGreaterThanOrEqual(plain.filter(everything).length);
});

test("an answer that worked is lifted for other words, and harm undoes that", async () => {
  const deep = { query_text: reworded, k: 200, use_playbook: true };
  const rankOf = (hits: readonly Hit[], id: string) => hits.findIndex((hit) => hit.id === id) + 1;
  const before = await search(deep);
  const answer = before[29];
  if (!answer) throw new Error(`expected 30 hits, got ${before.length}`);
  const { playbook } = await post("playbooks/record", {
    query_text: asked,
    answer_id: answer.id,
    corpus: "workers",
    score: 1,
  });
  const lifted = await search(deep);
  const hit = lifted.find(({ id }) => id === answer.id);
  const plain = await search({ ...deep, use_playbook: false });
  for (let voice = 0; voice < 3; voice++) await post(`playbooks/${playbook.playbook_id}/harmful`);
  const undone = await search(deep);
  report(`co-pilot, ${rows} workers: rank of a recorded answer for other words`, {
    before: rankOf(before, answer.id),
    recorded: rankOf(lifted, answer.id),
    "without playbooks": rankOf(plain, answer.id),
    "after harmful feedback": rankOf(undone, answer.id),
  });
  expect(rankOf(before, answer.id)).toBe(30);
  expect(rankOf(lifted, answer.id)).toBeLessThanOrEqual(5);
  expect(hit?.parts.playbook).toBeGreaterThan(0);
  expect(hit?.playbooks?.[0]).toMatchObject({ playbook_id: playbook.playbook_id });
  expect(rankOf(plain, answer.id)).toBe(30);
  expect(rankOf(undone, answer.id)).toBe(30);
});

test("an answer that no list has is brought in, unless the predicate forbids it", async () => {
  const [other] = await sql<{ id: string }>(
    product.url,
    `SELECT CAST(worker_id AS VARCHAR) AS id FROM workers WHERE ${predicate} AND role = 'RN' LIMIT 1`,
  );
  const [outside] = await sql<{ id: string }>(
    product.url,
    `SELECT CAST(worker_id AS VARCHAR) AS id FROM workers WHERE NOT (${predicate}) AND role = 'RN' LIMIT 1`,
  );
  for (const found of [other, outside])
    await post("playbooks/record", {
      query_text: reworded,
      answer_id: found?.id,
      corpus: "workers",
      score: 1,
    });
  const hits = await search({ query_text: reworded, k: 10, use_playbook: true });
  const brought = hits.find(({ id }) => id === other?.id);
  expect(brought?.playbooks).toMatchObject([{ injected: true }]);
  expect(hits.some(({ id }) => id === outside?.id)).toBe(false);
});
