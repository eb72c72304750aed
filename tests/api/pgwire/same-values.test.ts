/** The same queries by PostgreSQL's protocol, in text and in binary, and by HTTP: the same values. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type pg from "pg";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";
import { recordedRequests } from "../../support/clients/recorded-requests.ts";
import { sqlQueries } from "../../support/tables/sql-queries.ts";

let server: PgwireCase;
let client: pg.Client;
const rows = Array.from(
  { length: 300 },
  (_, id) =>
    `${id},job ${id},${(id * 1.25).toFixed(2)},2024-01-${String(1 + (id % 28)).padStart(2, "0")},${id % 2 === 0}`,
);
beforeAll(async () => {
  server = await startPgwire({ LH_GATEWAY_TOKEN_IN_QUERY: "true" });
  await server.register("jobs", `id,title,price,posted,active\n${rows.join("\n")}\n`);
  client = await server.connect();
});
afterAll(() => server?.end());

/** Texts as they come, so that the client changes nothing. */
const asText = { getTypeParser: () => (text: unknown) => text };

/** A value of JSON as PostgreSQL writes the same in text, by the column's type. */
function inText(value: unknown, oid: number): string | null {
  if (value === null) return null;
  if (Array.isArray(value)) return `{${value.map((one) => item(one)).join(",")}}`;
  if (typeof value === "boolean") return value ? "t" : "f";
  if (typeof value === "object") return JSON.stringify(value);
  const text = String(value);
  if (oid === oids.timestamp || oid === oids.timestamptz) return instant(text, oid === oids.timestamptz);
  if (oid === oids.interval) return text.replace(/\bmonth/, "mon");
  return oid === oids.float8 || oid === oids.float4 ? String(Number(text)) : text;
}
const oids = { float4: 700, float8: 701, timestamp: 1114, timestamptz: 1184, interval: 1186 };
const item = (one: unknown): string =>
  one === null ? "NULL" : /[\s,"{}\\]/.test(String(one)) ? JSON.stringify(one) : String(one);
const instant = (text: string, isZoned: boolean): string =>
  text
    .replace("T", " ")
    .replace(/(\.\d*?)0*Z$/, "$1Z")
    .replace("Z", isZoned ? "+00" : "");

/** Numbers of a result's text, where the client's and JavaScript's ways to write the same double differ. */
const normal = (text: string | null, oid: number): string | null =>
  text !== null && (oid === oids.float8 || oid === oids.float4) ? String(Number(text)) : text;

/** Of ASCII, for fields and records: no value here has them. */
const [field, record] = ["\u001f", "\u001e"];

/** What psql prints for each statement, NULL as `∅`; one process for all. */
async function byPsql(statements: readonly string[]): Promise<string[][][]> {
  const { host, port } = server.options;
  const plain = ["-X", "-q", "-A", "-t", "-F", field, "-R", record, "-P", "null=∅"];
  const psql = Bun.spawn(
    ["psql", ...plain, "-h", host, "-p", String(port), "-U", "reader", "-d", "lakehouse"],
    {
      stdin: new Blob([statements.map((sql) => `\\echo -n --next--\n${sql}\n;\n`).join("")]),
      env: { ...process.env, PGPASSWORD: server.token, PGCLIENTENCODING: "UTF8" },
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const [, ...printed] = (await new Response(psql.stdout).text()).split("--next--");
  return printed.map((text) =>
    text === ""
      ? []
      : text
          .replace(/\n$/, "")
          .split(record)
          .map((line) => line.split(field)),
  );
}

test.skipIf(Bun.which("psql") === null)("psql prints what node's client has", async () => {
  const printed = await byPsql(sqlQueries);
  expect(printed.length).toBe(sqlQueries.length);
  for (const [at, text] of sqlQueries.entries()) {
    const { rows: found } = await client.query<unknown[]>({ text, rowMode: "array", types: asText } as never);
    const expected = found.map((row) => row.map((value) => (value === null ? "∅" : String(value))));
    expect([text, printed[at]]).toEqual([text, expected]);
  }
});

test("there are sixty", () => expect(sqlQueries.length).toBe(60));

for (const sql of sqlQueries)
  test(sql, async () => {
    const http = await server.http(sql);
    const asked = { text: sql, rowMode: "array", types: asText } as never;
    const found = (await client.query(asked)) as unknown as {
      rows: (string | null)[][];
      fields: pg.FieldDef[];
    };
    const types = found.fields.map(({ dataTypeID }) => dataTypeID);
    const expected = http.map((row) => Object.values(row).map((value, at) => inText(value, types[at] ?? 0)));
    expect(found.rows.map((row) => row.map((text, at) => normal(text, types[at] ?? 0)))).toEqual(expected);
  });

test("where the operator lets it be, what reads takes its token in the URL, and nobody logs it", async () => {
  const { product, token } = server;
  const get = (query: string, init?: RequestInit) =>
    fetch(`${product.url}/v1/datasets/jobs.csv?limit=1&columns=id${query}`, init);
  const answer = await get(`&token=${token}`);
  expect([answer.status, await answer.text()]).toEqual([200, "id\n0\n"]);
  expect((await get("")).status).toBe(401);
  expect((await get("&token=wrong")).status).toBe(401);
  const post = await fetch(`${product.url}/v1/sql?token=${token}`, { method: "POST", body: "{}" });
  expect(post.status).toBe(401);
  const missing = await fetch(`${product.url}/v1/datasets/nope.csv?token=${token}&stray=1`);
  expect([missing.status, await missing.text()]).toEqual([400, expect.not.stringContaining(token)]);
  expect(product.log()).not.toContain(token);
});

test("spreadsheets and dashboards are answered as they ask", async () => {
  const { product, token } = server;
  const saved = await fetch(`${product.url}/v1/queries/first_jobs`, {
    method: "PUT",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      sql: "SELECT id, title FROM jobs WHERE posted >= $since ORDER BY id LIMIT $most",
      parameters: { most: { type: "integer" }, since: { type: "timestamp", default: "2024-01-01" } },
    }),
  });
  expect(saved.status).toBe(200);
  for (const { client, path, method = "GET", headers, body, answer } of recordedRequests(token)) {
    const found = await fetch(product.url + path, { method, headers, ...(body && { body }) });
    expect([client, found.status, await found.text()]).toEqual([client, 200, answer]);
  }
  // What the JSON API asks to see whether the address is right, and Excel before it was given a password.
  const base = await fetch(`${product.url}/v1/queries`, { headers: { authorization: `Bearer ${token}` } });
  expect(base.status).toBe(200);
  expect((await fetch(`${product.url}/v1/queries/first_jobs.csv?most=2`)).status).toBe(401);
});

test("a whole dataset as Parquet is its file, and spans of it", async () => {
  const headers = { authorization: `Bearer ${server.token}` };
  const get = (more: Record<string, string> = {}) =>
    fetch(`${server.product.url}/v1/datasets/jobs.parquet`, { headers: { ...headers, ...more } });
  const whole = await get();
  const bytes = await whole.bytes();
  const etag = whole.headers.get("etag") ?? "";
  expect([whole.headers.get("accept-ranges"), etag.length]).toEqual(["bytes", 34]);
  const tail = await get({ range: "bytes=-8", "if-range": etag });
  expect([tail.status, await tail.bytes()]).toEqual([206, bytes.slice(-8)]);
  expect(tail.headers.get("content-range")).toBe(
    `bytes ${bytes.length - 8}-${bytes.length - 1}/${bytes.length}`,
  );
  const other = await get({ range: "bytes=-8", "if-range": '"other"' });
  expect([other.status, (await other.bytes()).length]).toEqual([200, bytes.length]);
  expect((await get({ range: "bytes=99999999-" })).status).toBe(416);
  expect((await get({ "if-none-match": etag })).status).toBe(304);
  const some = await fetch(`${server.product.url}/v1/datasets/jobs.parquet?limit=1`, { headers });
  expect([some.status, some.headers.get("accept-ranges")]).toEqual([200, null]);
});

test("a view is a table with its columns, until it is dropped", async () => {
  const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" };
  const body = JSON.stringify({ name: "active_jobs", sql: "SELECT id, title FROM jobs WHERE active" });
  const url = `${server.product.url}/v1/catalog/views`;
  expect((await fetch(url, { method: "POST", headers, body })).status).toBe(200);
  expect((await client.query("SELECT count(*) AS n FROM active_jobs")).rows).toEqual([{ n: "150" }]);
  const columns =
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'active_jobs' ORDER BY ordinal_position";
  expect((await client.query(columns)).rows).toEqual([{ column_name: "id" }, { column_name: "title" }]);
  expect((await fetch(`${url}/active_jobs`, { method: "DELETE", headers })).status).toBe(200);
  expect((await client.query(columns)).rows).toEqual([]);
});
