/** What dashboards and drivers ask of the catalog, in the forms that they ask it in, PostgreSQL's own SQL; and clients that say nothing, or take nothing. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import type pg from "pg";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";
import { queryMessage, takeSocket } from "../../support/clients/pgwire-raw.ts";
import { startCollector } from "../../support/clients/span-collector.ts";

let server: PgwireCase;
let client: pg.Client;
const collector = startCollector();
beforeAll(async () => {
  server = await startPgwire({
    LH_PGWIRE_STARTUP_TIMEOUT_MS: "5000",
    LH_PGWIRE_WRITE_TIMEOUT_MS: "2000",
    LH_TELEMETRY_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}/v1/traces`,
    LH_TELEMETRY_OTLP_INTERVAL_MS: "20",
  });
  await server.register("jobs", "id,title,price,posted\n1,a,1.50,2024-01-02\n");
  client = await server.connect();
});
afterAll(async () => {
  await server?.end();
  await collector.stop(true);
});

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
  [
    "databases and collations by columns that PostgreSQL 17 renamed, as psql before it asks",
    "SELECT d.datname, d.daticulocale, (SELECT max(c.colliculocale) FROM pg_collation c WHERE c.collname = 'C') FROM pg_catalog.pg_database d WHERE d.datname = 'lakehouse'",
    [["lakehouse", null, null]],
  ],
  ["databases", "SELECT datname FROM pg_database WHERE NOT datistemplate", [["lakehouse"]]],
  [
    "tables with comments and counts",
    `SELECT n.nspname, c.relname, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE NULL END, d.description
      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
      LEFT JOIN pg_catalog.pg_description AS d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
      LEFT JOIN pg_stat_user_tables AS s ON n.nspname = s.schemaname AND c.relname = s.relname
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'f', 'm') ORDER BY 1, 2`,
    [["main", "jobs", "TABLE", null]],
  ],
  [
    "columns with their keys, comments and defaults, by names of the standard",
    `SELECT c.column_name, CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN format('%s', c.udt_name)
      ELSE format('"%s"."%s"', c.udt_schema, c.udt_name) END, c.ordinal_position - 1, k.column_name IS NOT NULL,
      col_description(CAST(CAST(format('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT)) AS REGCLASS) AS OID), c.ordinal_position),
      (column_default IS NOT NULL AND column_default LIKE '%nextval(%') OR is_identity <> 'NO'
      FROM information_schema.columns AS c LEFT JOIN (SELECT t.table_schema, t.table_name, u.column_name FROM
      information_schema.table_constraints AS t JOIN information_schema.key_column_usage AS u ON t.constraint_name = u.constraint_name
      AND t.table_schema = u.table_schema WHERE t.constraint_type = 'PRIMARY KEY') AS k ON c.table_schema = k.table_schema
      AND c.table_name = k.table_name AND c.column_name = k.column_name
      WHERE c.table_schema !~ '^information_schema|pg_' ORDER BY 3`,
    ["id int8", "title text", "price numeric", "posted date"].map((words, at) => {
      const [name, type] = words.split(" ");
      return [name, type, at, false, null, false];
    }),
  ],
  [
    "tables by whether their schema is in the search path",
    `SELECT CASE WHEN ${inSearchPath} THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END
      FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog')
      ORDER BY CASE WHEN ${inSearchPath} THEN 0 ELSE 1 END, 1`,
    [["jobs"]],
  ],
  [
    "schemas by the names of the standard",
    "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') ORDER BY 1",
    [["main"]],
  ],
  ["indexes", "SELECT indexname FROM pg_indexes WHERE schemaname = 'main'", []],
  [
    "enums, with their schemas",
    "SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)",
    [],
  ],
  ["the time zone", "show timezone;", [["UTC"]]],
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

test("a view is a view, with the columns that it has now", async () => {
  const send = (method: string, path: string, body?: object) =>
    fetch(`${server.product.url}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
  // As psql asks at \\dv, and drivers for columns.
  const views = `SELECT c.relname, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END AS kind,
      pg_catalog.obj_description(c.oid, 'pg_class') AS says,
      (SELECT string_agg(attname || ' ' || pg_catalog.format_type(atttypid, atttypmod), ',' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v') AND n.nspname = 'main' AND c.relname <> 'jobs'`;
  const listed = async () => (await client.query({ text: views, rowMode: "array" })).rows;
  await server.register("seen", "id\n1\n");
  const view = { name: "cheap", sql: "SELECT * FROM seen", description: "What is cheap." };
  expect((await send("POST", "/catalog/views", view)).status).toBe(200);
  expect(await listed()).toEqual(expect.arrayContaining([["cheap", "view", "What is cheap.", "id bigint"]]));
  const rows = "SELECT count(*)::int AS n FROM cheap, pg_namespace WHERE nspname = 'main'";
  expect((await client.query(rows).catch((cause) => cause)).rows).toEqual([{ n: 1 }]);
  const patch = { add: [{ name: "note", type: "VARCHAR" }] };
  expect((await send("PATCH", "/catalog/datasets/seen", patch)).status).toBe(200);
  expect(await listed()).toEqual(
    expect.arrayContaining([["cheap", "view", "What is cheap.", "id bigint,note text"]]),
  );
  // The name of a view that is gone may be a dataset's.
  expect((await send("DELETE", "/catalog/views/cheap")).status).toBe(200);
  await server.register("cheap", "id\n1\n");
  expect(await listed()).toEqual(expect.arrayContaining([["cheap", "table", null, "id bigint"]]));
  for (const name of ["cheap", "seen"]) await send("DELETE", `/catalog/manifest/${name}`);
});

test("a client that does not say who it is is let go", async () => {
  const { host, port } = server.options;
  const silent = connect(port, host);
  const half = connect(port, host, () => half.write(Buffer.from([0, 0, 0, 50, 0, 3])));
  const closed = [silent, half].map(
    (socket) =>
      new Promise<string>((resolve) => {
        let text = "";
        socket.on("data", (bytes) => {
          text += bytes.toString("latin1");
        });
        socket.on("error", () => undefined);
        socket.on("close", () => resolve(text));
      }),
  );
  // The deadline alone ends them: nobody here does.
  for (const text of await Promise.all(closed)) expect(text).toMatch(/^$|FATAL/);
  expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("a client that takes nothing is let go, and its query ends", async () => {
  const socket = takeSocket(await server.connect());
  const state = async () => {
    const headers = { authorization: `Bearer ${server.token}` };
    const answer = await fetch(`${server.product.url}/v1/sql/queries`, { headers });
    const { queries } = (await answer.json()) as { queries: { sql: string; state: string }[] };
    return queries.find(({ sql }) => sql.includes("never taken"))?.state;
  };
  const begun = new Promise((resolve) => socket.once("data", resolve));
  socket.write(queryMessage("SELECT repeat('never taken', 30) AS x FROM range(100000000)"));
  await begun;
  socket.pause();
  for (let now = await state(); now === "running"; now = await state()) await Bun.sleep(100);
  expect(await state()).toBe("interrupted");
  socket.destroy();
});

test("a trace that stands behind a statement, as sqlcommenter writes it, goes on in queryd", async () => {
  const [traceId, parent] = ["9bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  const comment = `/*db_driver='x',traceparent='00-${traceId}-${parent}-01'*/`;
  expect((await client.query(`SELECT count(*)::int AS n FROM jobs ${comment}`)).rows).toEqual([{ n: 1 }]);
  const spans = await collector.until(traceId, ["POST /sql"]);
  expect(spans.find(({ name }) => name === "POST /sql")).toMatchObject({
    service: "queryd",
    parentSpanId: parent,
  });
});
