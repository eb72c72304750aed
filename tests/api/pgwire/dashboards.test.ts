/** What dashboards and drivers ask of the catalog, in the forms that they ask it in: PostgreSQL's own SQL. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type pg from "pg";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";

let server: PgwireCase;
let client: pg.Client;
beforeAll(async () => {
  server = await startPgwire();
  await server.register("jobs", "id,title,price,posted\n1,a,1.50,2024-01-02\n");
  client = await server.connect();
});
afterAll(() => server?.end());

const inSearchPath = `quote_ident(table_schema) IN (SELECT CASE WHEN trim(p[i]) = '"$user"' THEN user ELSE trim(p[i]) END
  FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
    array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i, string_to_array(current_setting('search_path'), ',') p)`;
const columns = ["id", "title", "price", "posted"].map((name) => [name]);

const questions: [what: string, sql: string, rows: unknown[][]][] = [
  ["version as a number", "SELECT current_setting('server_version_num')::int / 10000 AS version", [[18]]],
  ["an extension that is not there", "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'", []],
  [
    "tables in the search path",
    `SELECT quote_ident(table_name) FROM information_schema.tables WHERE ${inSearchPath}`,
    [["jobs"]],
  ],
  [
    "columns of a name that may have a schema",
    `SELECT quote_ident(column_name) FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('main.jobs'), 1) = 2
      THEN quote_ident(table_schema) = (parse_ident('main.jobs'))[1] AND quote_ident(table_name) = (parse_ident('main.jobs'))[2] END
      ORDER BY ordinal_position`,
    columns,
  ],
  [
    "what may be read",
    `SELECT tablename, pg_catalog.has_table_privilege(current_user, '"' || schemaname || '"."' || tablename || '"', 'SELECT')
      OR pg_catalog.has_any_column_privilege(current_user, '"' || schemaname || '"."' || tablename || '"', 'SELECT')
      FROM (SELECT schemaname, tablename FROM pg_catalog.pg_tables UNION SELECT schemaname, viewname FROM pg_views UNION
      SELECT schemaname, matviewname FROM pg_matviews) t WHERE schemaname !~ '^(pg_|information_schema)'`,
    [["jobs", true]],
  ],
  [
    "types, keys and comments of columns",
    `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum), pk.conname IS NOT NULL
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_constraint pk ON pk.conrelid = c.oid AND pk.contype = 'p'
      AND a.attnum = ANY(pk.conkey) WHERE c.oid = 'main.jobs'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [
      ["id", "bigint", null, false],
      ["title", "text", null, false],
      ["price", "numeric(18,2)", null, false],
      ["posted", "date", null, false],
    ],
  ],
  ["schemas", "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'", [["main"]]],
  ["databases", "SELECT datname FROM pg_database WHERE NOT datistemplate", [["lakehouse"]]],
  ["enums", "SELECT typname, enumlabel FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid", []],
];
test.each(questions)("%s", async (_, text, rows) => {
  expect((await client.query({ text, rowMode: "array" })).rows).toEqual(rows);
});

test("a dataset that comes, changes and goes", async () => {
  const tables = async () =>
    (
      await client.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY 1",
      )
    ).rows.map(({ table_name }) => table_name);
  await server.register("people", "id\n1\n");
  expect(await tables()).toEqual(["jobs", "people"]);
  await fetch(`${server.product.url}/v1/catalog/manifest/people`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${server.token}` },
  });
  expect(await tables()).toEqual(["jobs"]);
});
