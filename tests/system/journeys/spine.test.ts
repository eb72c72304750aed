/** The product's first main job on the running product: a file goes in at the gateway, SQL answers over it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { workerColumns, workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { rfc4180 } from "../../support/clients/rfc4180.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rowCount = 20_000;
const csv = new Blob([...workersPieces({ rows: rowCount, seed: 7 })] as BlobPart[]);
const home = temporaryDirectory("spine");
let product: Product;
let truth: (string | null)[][];

beforeAll(async () => {
  product = await startProduct({ dataDir: home.path });
  const [, ...rows] = rfc4180(await csv.text());
  truth = rows;
});
afterAll(async () => {
  await product.end();
  home.remove();
});

interface Answer {
  manifest: { dataset_id: string; version: number };
  rows_in: number;
  rows_loaded: number;
  rows_rejected: number;
  unchanged: boolean;
}
let first: Answer;

test("a file of 20,000 rows becomes a dataset that answers at once", async () => {
  const response = await ingest(product.url, "name=workers", csv);
  expect(response.status).toBe(200);
  first = await response.json();
  expect(first).toMatchObject({
    rows_in: rowCount,
    rows_loaded: rowCount,
    rows_rejected: 0,
    unchanged: false,
  });
  const answer = await fetch(`${product.url}/v1/sql`, {
    method: "POST",
    body: JSON.stringify({ sql: "SELECT count(*) FROM workers" }),
    headers: { "content-type": "application/json" },
  });
  expect(await answer.text()).toBe(`[{"count_star()":${rowCount}}]`);
});

test("group-by results equal a count made without the product", async () => {
  for (const column of ["state", "role", "shift", "active"]) {
    const at = workerColumns.indexOf(column as (typeof workerColumns)[number]);
    const counts = new Map<string, number>();
    for (const row of truth) counts.set(row[at] ?? "", (counts.get(row[at] ?? "") ?? 0) + 1);
    const rows = await sql<{ value: string; n: number }>(
      product.url,
      `SELECT CAST(${column} AS VARCHAR) AS value, count(*) AS n FROM workers GROUP BY ALL`,
    );
    expect(Object.fromEntries(rows.map(({ value, n }) => [value, n]))).toEqual(Object.fromEntries(counts));
  }
});

test("every column read back as CSV equals the file's text", async () => {
  const answer = await fetch(`${product.url}/v1/sql`, {
    method: "POST",
    body: JSON.stringify({ sql: "SELECT * FROM workers ORDER BY worker_id" }),
    headers: { "content-type": "application/json", accept: "text/csv" },
  });
  const [header, ...rows] = rfc4180(await answer.text());
  expect(header).toEqual([...workerColumns]);
  expect(rows.length).toBe(truth.length);
  const differing = rows.flatMap((row, at) =>
    workerColumns.flatMap((name, column) =>
      row[column] === truth[at]?.[column]
        ? []
        : [`row ${at}: ${name}: ${row[column]} is not ${truth[at]?.[column]}`],
    ),
  );
  expect(differing.slice(0, 5)).toEqual([]);
  const [zips] = await sql<{ n: number }>(
    product.url,
    "SELECT count(*) AS n FROM workers WHERE zip LIKE '0%'",
  );
  expect(zips?.n).toBe(truth.filter((row) => row[workerColumns.indexOf("zip")]?.startsWith("0")).length);
  expect(zips?.n).toBeGreaterThan(0);
});

test("the same file again changes nothing; the same header again is a new version of the same dataset", async () => {
  const again: Answer = await (await ingest(product.url, "name=workers", csv)).json();
  expect(again).toMatchObject({
    unchanged: true,
    manifest: { dataset_id: first.manifest.dataset_id, version: first.manifest.version },
  });
  const smaller = new Blob([...workersPieces({ rows: 100, seed: 8 })] as BlobPart[]);
  const next: Answer = await (await ingest(product.url, "name=workers", smaller)).json();
  expect(next.manifest).toMatchObject({
    dataset_id: first.manifest.dataset_id,
    version: first.manifest.version + 1,
  });
  expect(await sql(product.url, "SELECT count(*) AS n FROM workers")).toEqual([{ n: 100 }]);
});

test("another header is a 409 that names the columns, and changes nothing", async () => {
  const response = await ingest(product.url, "name=workers", "worker_id,nickname\n1,Ann\n");
  expect(response.status).toBe(409);
  const { error } = (await response.json()) as { error: { type: string; message: string } };
  expect(error.type).toBe("schema_drift");
  expect(error.message).toContain("added: nickname; removed: name, email, ");
  // Its values were not looked at: a column of the same name is not said to have another type.
  expect(error.message).not.toContain("retyped");
  expect(await sql(product.url, "SELECT count(*) AS n FROM workers")).toEqual([{ n: 100 }]);
});

test("20 ingests of different names and 5 of one name at once all end right", async () => {
  const different = Array.from({ length: 20 }, (_, at) =>
    ingest(product.url, `name=batch_${at}`, `id,value\n${at},a\n${at + 1},b\n`),
  );
  const same = Array.from({ length: 5 }, (_, at) =>
    ingest(product.url, "name=one_name", `id,value\n${at},${"x".repeat(at + 1)}\n`),
  );
  const statuses = await Promise.all([...different, ...same].map(async (answer) => (await answer).status));
  expect(statuses).toEqual(Array(25).fill(200));
  for (let at = 0; at < 20; at++)
    expect(await sql(product.url, `SELECT CAST(sum(id) AS BIGINT) AS s FROM batch_${at}`)).toEqual([
      { s: 2 * at + 1 },
    ]);
  const manifest = (await (await fetch(`${product.url}/v1/catalog/manifest/one_name`)).json()) as {
    version: number;
  };
  expect(manifest.version).toBe(5);
  const [row] = await sql<{ id: number; value: string }>(product.url, "SELECT id, value FROM one_name");
  expect(row?.value.length).toBe((row?.id ?? -1) + 1);
});

test("kill -9 right after the answer loses nothing", async () => {
  for (let round = 0; round < 2; round++) {
    const answer = await ingest(product.url, `name=survivor_${round}`, `id,zip\n1,0213${round}\n`);
    expect(answer.status).toBe(200);
    await answer.body?.cancel();
    expect(await product.end("SIGKILL")).toBe("SIGKILL");
    product = await startProduct({ dataDir: home.path });
    expect(await sql(product.url, `SELECT zip FROM survivor_${round}`)).toEqual([{ zip: `0213${round}` }]);
  }
  expect(await sql(product.url, "SELECT count(*) AS n FROM workers")).toEqual([{ n: 100 }]);
});

test("a second product on the same data is refused with a clear message", async () => {
  const second = startProduct({ dataDir: home.path });
  expect(second).rejects.toThrow("is Lakehouse already running on it?");
  await second.catch(() => {});
});

test("SIGTERM drains: a running upload ends right, then the process ends with 0", async () => {
  const [head, ...rest] = [...workersPieces({ rows: 5000, seed: 9 })];
  const started = Promise.withResolvers<void>();
  const body = new ReadableStream({
    start: async (controller) => {
      controller.enqueue(head);
      await started.promise;
      for (const piece of rest) controller.enqueue(piece);
      controller.close();
    },
  });
  const upload = fetch(`${product.url}/v1/ingest?name=drained&format=csv`, {
    method: "POST",
    body,
    headers: { "content-type": "text/csv" },
    duplex: "half",
  } as RequestInit);
  const jobs = async () =>
    ((await (await fetch(`${product.url}/v1/ingest/jobs`)).json()) as { jobs: { name: string }[] }).jobs;
  while (!(await jobs()).some(({ name }) => name === "drained")) await Bun.sleep(2);
  const ended = product.end("SIGTERM");
  started.resolve();
  const answer = await upload.catch((error: Error) => error);
  expect(await ended).toBe(0);
  product = await startProduct({ dataDir: home.path });
  const { datasets } = (await (await fetch(`${product.url}/v1/catalog/list`)).json()) as {
    datasets: { name: string }[];
  };
  const registered = datasets.some(({ name }) => name === "drained");
  // Either it was answered and is there, or it was cut and is not: never one without the other.
  expect(registered).toBe(answer instanceof Response && answer.status === 200);
  const staged = readdirSync(join(home.path, "data"), { recursive: true }).filter((path) =>
    String(path).includes("staging/"),
  );
  expect(staged).toEqual([]);
});
