/** The tools over a running product with staffing data, under the official client of either protocol. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { workerColumns, workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { type Session, startSession } from "../../support/clients/mcp-session.ts";
import { rfc4180 } from "../../support/clients/rfc4180.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { schema } from "../../support/tables/open-tables.ts";

const rowCount = 2000;
const csv = new Blob([...workersPieces({ rows: rowCount, seed: 5 })] as BlobPart[]);
let product: Product;
let session: Session;
let truth: Record<string, string | null>[];

const post = (path: string, body: unknown): Promise<Response> =>
  fetch(`${product.url}/v1${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

const profiles = {
  welder: "Certified TIG welder with ten years in pipe fabrication, weekend shifts",
  nurse: "Registered nurse, intensive care, night shifts, state licence",
  forklift: "Forklift operator, warehouse and loading dock, OSHA certified",
};

beforeAll(async () => {
  product = await startProduct();
  expect((await ingest(product.url, "name=workers", csv)).status).toBe(200);
  const [, ...rows] = rfc4180(await csv.text());
  truth = rows.map((row) => Object.fromEntries(workerColumns.map((name, at) => [name, row[at] ?? null])));
  session = await startSession({ gateway: product.url });
});
afterAll(async () => {
  await session.close();
  await product.end();
});

test("the server says who it is, what it can do, and how to use it", () => {
  const { client } = session;
  expect(client.getServerVersion()).toMatchObject({ name: "lakehouse", title: "Lakehouse" });
  expect(client.getServerCapabilities()).toEqual({
    ...{ tools: {}, prompts: {}, logging: {}, completions: {} },
    resources: { listChanged: true, subscribe: true },
  });
  expect(client.getInstructions()).toContain("list_datasets");
});

test("list_datasets gives what the catalog gives", async () => {
  const answer = await session.call("list_datasets");
  const direct = await (await fetch(`${product.url}/v1/catalog/list`)).json();
  expect(answer.data).toEqual(direct);
  expect(answer.text).toStartWith("workers: 2000 rows, 18 columns, version 1 of ");
});

test("get_manifest gives the manifest, whole when it fits", async () => {
  const answer = await session.call("get_manifest", { name: "workers" });
  const direct = await (await fetch(`${product.url}/v1/catalog/manifest/workers`)).json();
  expect(answer.data).toEqual(direct);
  const text = answer.text;
  for (const column of workerColumns) expect(text).toContain(`\n  ${column} `);
  expect(text).toContain("zip VARCHAR");
});

test("dataset_versions lists what get_manifest and query_sql can read", async () => {
  const answer = await session.call("dataset_versions", { name: "workers" });
  expect(answer.data).toEqual(await (await fetch(`${product.url}/v1/catalog/versions/workers`)).json());
  expect(answer.text).toMatch(/^workers@1 of \S+: replace by ingestd, 2000 rows, 18 columns$/m);
  const { data } = await session.call("get_manifest", { name: "workers", version: 1 });
  expect(data.version).toBe(1);
  const sql = 'SELECT count(*)::INT AS n FROM "workers@1"';
  expect((await session.call("query_sql", { sql })).data.rows).toEqual([{ n: 2000 }]);
  expect((await session.call("query_sql", { sql, as_of: data.created_at })).data.rows).toEqual([{ n: 2000 }]);
});

describe("query_sql", () => {
  test("rows are those of the file, to the character", async () => {
    const { data } = await session.call("query_sql", {
      // The file has reliability in its shortest form, 0.9; SQL writes all digits of its type.
      sql: "SELECT CAST(COLUMNS(* EXCLUDE reliability) AS VARCHAR), rtrim(rtrim(CAST(reliability AS VARCHAR), '0'), '.') AS reliability FROM workers ORDER BY CAST(worker_id AS BIGINT) LIMIT 20",
    });
    expect(data.rows).toEqual(truth.slice(0, 20));
  });

  test("counts by parameters equal a count made without the product", async () => {
    const answer = await session.call("query_sql", {
      sql: "SELECT role, count(*) AS n FROM workers WHERE state = $1 GROUP BY ALL ORDER BY n DESC, role",
      params: ["IL"],
    });
    const counts = new Map<string, number>();
    for (const { state, role } of truth)
      if (state === "IL") counts.set(role ?? "", (counts.get(role ?? "") ?? 0) + 1);
    const wanted = [...counts]
      .map(([role, n]) => ({ role, n }))
      .sort((a, b) => b.n - a.n || (a.role < b.role ? -1 : 1));
    expect(answer.data.rows).toEqual(wanted);
    for (const { role, n } of wanted) expect(answer.text).toContain(`| ${role} | ${n} |`);
  });

  test("values that JSON has no form for are exact", async () => {
    const statement =
      "SELECT 9007199254740993::BIGINT AS big, 170141183460469231731687303715884105727::HUGEINT AS huge, 0.1::DECIMAL(38,37) AS dec, " +
      "TIMESTAMP '2025-01-02 03:04:05.678901' AS at, 'NaN'::DOUBLE AS nan, NULL AS none, [1, NULL] AS list, {'a': 'x'} AS nested, '\\x01'::BLOB AS blob";
    const { data } = await session.call("query_sql", { sql: statement });
    const exact = {
      big: "9007199254740993",
      huge: "170141183460469231731687303715884105727",
      dec: `0.1${"0".repeat(36)}`,
    };
    const [row] = await sql<Record<string, unknown>>(product.url, statement);
    expect(data.rows).toEqual([{ ...row, ...exact }]);
    expect(data.rows).toMatchObject([{ none: null, nan: "NaN" }]);
    expect((data.columns as { type: string }[])[1]).toMatchObject({ type: "HUGEINT" });
  });

  test("named parameters, no rows, and a statement that describes", async () => {
    const named = await session.call("query_sql", {
      sql: "SELECT $a::INT + $b::INT AS n",
      params: { a: 1, b: 2 },
    });
    expect(named.data.rows).toEqual([{ n: 3 }]);
    const none = await session.call("query_sql", { sql: "SELECT * FROM workers WHERE false" });
    expect(none.data).toMatchObject({ rows: [], row_count: 0, rows_taken: 0, truncated: false });
    expect(none.text).toContain("no rows");
    const described = await session.call("query_sql", { sql: "DESCRIBE workers" });
    expect(described.data.row_count).toBe(18);
  });
});

test("embed_text gives the vectors that embedd gives, in the texts' order", async () => {
  const texts = Object.values(profiles);
  const { data } = await session.call("embed_text", { texts });
  const direct = await (await post("/embed", { texts })).json();
  expect(data.vectors).toEqual(direct.vectors);
  const one = await session.call("embed_text", { text: profiles.nurse, model: "local" });
  expect(one.data.vectors).toEqual([direct.vectors[1]]);
  expect(one.text.length).toBeLessThan(500);
});

describe("search_vectors", () => {
  beforeAll(async () => {
    const { dimension, vectors } = await (await post("/embed", { texts: Object.values(profiles) })).json();
    expect(
      (await post("/vectors/index", { name: "profiles", dimension, embedding_model: "local" })).status,
    ).toBe(201);
    const items = Object.keys(profiles).map((id, at) => ({ id, vector: vectors[at], metadata: { id, at } }));
    expect((await post("/vectors/index/profiles/add", { items })).status).toBe(200);
  });

  test("by text: the nearest item first, with its metadata", async () => {
    const answer = await session.call("search_vectors", {
      name: "profiles",
      text: "nurses for intensive care",
      k: 2,
    });
    const results = answer.data.results as { id: string; score: number; metadata: object }[];
    expect(results.map(({ id }) => id)[0]).toBe("nurse");
    expect(results[0]?.metadata).toEqual({ id: "nurse", at: 1 });
    expect(results).toHaveLength(2);
    expect(answer.text).toStartWith("1. nurse score ");
  });

  test("by vector the same hits as by text, and those the product gives", async () => {
    const text = "pipe welding on weekends";
    const { vectors } = await (await post("/embed", { text })).json();
    const byVector = await session.call("search_vectors", { name: "profiles", vector: vectors[0], k: 3 });
    const byText = await session.call("search_vectors", { name: "profiles", text, k: 3 });
    const direct = await (
      await post("/vectors/index/profiles/search", { vector: vectors[0], k: 3, include: ["metadata"] })
    ).json();
    expect(byVector.data).toEqual(direct);
    expect(byText.data).toEqual(direct);
  });

  test("a filter narrows, also to nothing", async () => {
    const some = await session.call("search_vectors", {
      name: "profiles",
      text: "nurse",
      filter: { at: { gte: 2 } },
    });
    expect((some.data.results as { id: string }[]).map(({ id }) => id)).toEqual(["forklift"]);
    const none = await session.call("search_vectors", {
      name: "profiles",
      text: "nurse",
      filter: { at: 99 },
    });
    expect(none.data).toEqual({ results: [] });
    expect(none.text).toBe("No item matches.");
  });
});

describe("resources", () => {
  test("each dataset is one, with what it holds", async () => {
    const { resources } = await session.client.listResources();
    expect(resources).toMatchObject([
      { uri: "lakehouse://datasets/workers", name: "workers", mimeType: "application/json" },
    ]);
    expect(resources[0]?.description).toContain("2000 rows, 18 columns");
  });
  test("reading one gives the manifest and its first rows", async () => {
    const { contents } = await session.client.readResource({ uri: "lakehouse://datasets/workers" });
    const [content] = contents as { uri: string; text: string }[];
    const { manifest, sample_rows } = JSON.parse(content?.text ?? "");
    expect(manifest).toEqual(await (await fetch(`${product.url}/v1/catalog/manifest/workers`)).json());
    expect(sample_rows).toHaveLength(20);
    expect(sample_rows).toEqual(await sql(product.url, "SELECT * FROM workers LIMIT 20"));
  });
  test("the template names them, and completes their names", async () => {
    const { resourceTemplates } = await session.client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(["lakehouse://datasets/{name}"]);
    const ref = { type: "ref/resource", uri: "lakehouse://datasets/{name}" } as const;
    const complete = (value: string) => session.client.complete({ ref, argument: { name: "name", value } });
    expect((await complete("wor")).completion.values).toEqual(["workers"]);
    expect((await complete("x")).completion.values).toEqual([]);
  });
  test.each([
    "lakehouse://datasets/nope",
    "lakehouse://datasets/",
    "lakehouse://other/workers",
    "file:///etc/passwd",
    "lakehouse://datasets/a%2Fb",
  ])("%s is not found", async (uri) => {
    await expect(session.client.readResource({ uri })).rejects.toThrow(/not found/i);
  });
});

describe.each([
  { protocol: "of 2025", client: {} },
  { protocol: "of 2026", client: { versionNegotiation: { mode: { pin: "2026-07-28" } } } },
])("a client $protocol", ({ client }) => {
  test("has the same tools and answers, and hears of a new dataset", async () => {
    const heard = Promise.withResolvers<string[]>();
    const name = `heard_${crypto.randomUUID().slice(0, 8)}`;
    const own = await startSession({
      gateway: product.url,
      client: {
        ...client,
        listChanged: {
          resources: {
            debounceMs: 0,
            onChanged: (error, resources) => {
              if (error) heard.reject(error);
              else if (resources?.some((one) => one.name === name))
                heard.resolve(resources.map((one) => one.name));
            },
          },
        },
      },
    });
    try {
      expect((await own.client.listTools()).tools).toEqual((await session.client.listTools()).tools);
      const { data } = await own.call("query_sql", { sql: "SELECT count(*) AS n FROM workers" });
      expect(data.rows).toEqual([{ n: rowCount }]);
      expect((await ingest(product.url, `name=${name}`, "id\n1\n")).status).toBe(200);
      expect(await heard.promise).toContain("workers");
    } finally {
      await own.close();
      await fetch(`${product.url}/v1/catalog/manifest/${name}`, { method: "DELETE" });
    }
  });
});

test("an open table is read by the tools as a dataset is, under the name that SQL has for it", async () => {
  const iceberg = (path: string, body: unknown) =>
    fetch(`${product.url}/iceberg/v1/main${path}`, { method: "POST", body: JSON.stringify(body) });
  await iceberg("/namespaces", { namespace: ["open"] });
  expect((await iceberg("/namespaces/open/tables", { name: "jobs", schema })).status).toBe(200);
  expect((await ingest(product.url, "name=open.jobs&mode=append", "id,name\n1,Ann\n")).status).toBe(200);
  const { contents } = await session.client.readResource({ uri: "lakehouse://datasets/open.jobs" });
  const [content] = contents as { text: string }[];
  expect(JSON.parse(content?.text ?? "").sample_rows).toEqual([{ id: 1, name: "Ann" }]);
  const versions = await session.call("dataset_versions", { name: "open.jobs" });
  const [line = ""] = versions.text.split("\n");
  const [named = ""] = line.split(" of ");
  expect(named).toBe('"open"."jobs@2"');
  const read = await session.call("query_sql", { sql: `SELECT id FROM ${named}` });
  expect(read.data).toMatchObject({ rows: [{ id: 1 }] });
  const { text } = await session.call("get_manifest", { name: "open.jobs" });
  expect(text).toContain("an open table, whose files Iceberg's metadata names");
});
