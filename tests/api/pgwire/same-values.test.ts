/** The same queries by PostgreSQL's protocol, in text and in binary, and by HTTP: the same values. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type pg from "pg";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";
import { sqlQueries } from "../../support/tables/sql-queries.ts";

let server: PgwireCase;
let client: pg.Client;
const rows = Array.from(
  { length: 300 },
  (_, id) =>
    `${id},job ${id},${(id * 1.25).toFixed(2)},2024-01-${String(1 + (id % 28)).padStart(2, "0")},${id % 2 === 0}`,
);
beforeAll(async () => {
  server = await startPgwire();
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
