/** Names as tools write them: with schema and catalog, in lists of tables, and in the catalogs that clients read. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { hasSystemView } from "../../../../workers/queryd/catalog/system-views.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset("workers", "SELECT range AS id, {'city': 'c' || range} AS home FROM range(3)");
  await stack.dataset("Shifts", "SELECT 1 AS id, 'x' AS main");
  // Read twice, so that there is a table in memory that no list may show.
  for (let round = 0; round < 4; round++) await stack.rows("SELECT count(*) FROM workers");
});
afterAll(() => stack.stop());

const read: [sql: string, rows: Record<string, unknown>[]][] = [
  ["SELECT count(*)::INT AS n FROM main.workers", [{ n: 3 }]],
  ["SELECT count(*)::INT AS n FROM memory.main.workers", [{ n: 3 }]],
  ['SELECT count(*)::INT AS n FROM "memory"."main"."Workers"', [{ n: 3 }]],
  ["select count(*)::int as n from MAIN . workers", [{ n: 3 }]],
  ['SELECT "main"."workers"."id" FROM "main"."workers" ORDER BY "main"."workers"."id" LIMIT 1', [{ id: 0 }]],
  ["SELECT memory.main.workers.id FROM memory.main.workers LIMIT 1", [{ id: 0 }]],
  ["SELECT main.workers.home.city AS c FROM main.workers LIMIT 1", [{ c: "c0" }]],
  ["SELECT w.id FROM main.workers AS w JOIN main.shifts s ON w.id = s.id", [{ id: 1 }]],
  ["SELECT workers.id FROM workers, main.shifts WHERE shifts.main = 'x' LIMIT 1", [{ id: 0 }]],
  // A table called main whose column is a struct.
  ["SELECT main.home.city AS c FROM workers AS main LIMIT 1", [{ c: "c0" }]],
  ["WITH a AS (SELECT id FROM main.workers) SELECT count(*)::INT AS n FROM a", [{ n: 3 }]],
  [
    "SELECT column_name FROM (DESCRIBE main.shifts) ORDER BY 1",
    [{ column_name: "id" }, { column_name: "main" }],
  ],
  [
    "SELECT name FROM (SHOW ALL TABLES) ORDER BY 1",
    [{ name: "Shifts" }, { name: "operations" }, { name: "workers" }],
  ],
  ["SHOW TABLES", [{ name: "Shifts" }, { name: "workers" }]],
  [
    "SELECT table_catalog AS c, table_schema AS s, table_name AS n FROM information_schema.tables ORDER BY n",
    [
      { c: "memory", s: "main", n: "Shifts" },
      { c: "memory", s: "observer", n: "operations" },
      { c: "memory", s: "main", n: "workers" },
    ],
  ],
  [
    "SELECT information_schema.columns.column_name AS c FROM information_schema.columns WHERE information_schema.columns.table_name = 'Shifts' ORDER BY 1",
    [{ c: "id" }, { c: "main" }],
  ],
  ["SELECT schema_name AS s FROM INFORMATION_SCHEMA.SCHEMATA", [{ s: "main" }, { s: "observer" }]],
  ["SELECT nspname AS s FROM pg_catalog.pg_namespace", [{ s: "main" }]],
  ["SELECT datname AS d FROM pg_database", [{ d: "memory" }]],
  [
    "SELECT c.relname AS t, n.nspname AS s FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v') ORDER BY 1",
    [
      { t: "Shifts", s: "main" },
      { t: "workers", s: "main" },
    ],
  ],
  [
    "SELECT attname AS a FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE relname = 'Shifts' ORDER BY attnum",
    [{ a: "id" }, { a: "main" }],
  ],
  ["SELECT count(*)::INT AS n FROM pg_views", [{ n: 0 }]],
  ["SELECT count(*)::INT AS n FROM system.pg_catalog.pg_settings", [{ n: 0 }]],
  ["SELECT tablename AS t FROM pg_catalog.pg_tables ORDER BY 1 LIMIT 1", [{ t: "Shifts" }]],
  ["WITH pg_class AS (SELECT 7 AS oid) SELECT oid FROM pg_class", [{ oid: 7 }]],
];

describe("names", () => {
  for (const [sql, rows] of read)
    test(sql, async () => {
      expect(await stack.rows(sql)).toEqual(rows);
    });

  test("SHOW ALL TABLES lists datasets with their columns, also by its short forms and in a plan", async () => {
    const rows = [
      { database: "memory", schema: "observer", name: "operations", temporary: false },
      { database: "memory", schema: "main", name: "Shifts", temporary: false },
      { database: "memory", schema: "main", name: "workers", temporary: false },
    ];
    for (const sql of ["SHOW ALL TABLES", "show  all tables;", "DESCRIBE", " describe ; "])
      expect(
        (await stack.rows(sql)).sort((a, b) => String(a.name).localeCompare(String(b.name))),
      ).toMatchObject(rows);
    expect(JSON.stringify(await stack.rows("EXPLAIN SHOW ALL TABLES"))).not.toContain("v_");
  });

  // Operations are read where observerd is: none runs here.
  test("what is listed can be read by the name it is listed under", async () => {
    for (const { c, s, n } of await stack.rows(
      "SELECT table_catalog AS c, table_schema AS s, table_name AS n FROM information_schema.tables WHERE table_schema <> 'observer'",
    ))
      expect((await stack.sql(`SELECT * FROM "${c}"."${s}"."${n}"`)).status).toBe(200);
  });

  test("places in errors stay what they are", async () => {
    const response = await stack.sql("SELECT main.workers.id,\n  nope FROM main.workers");
    const { error } = (await response.json()) as { error: { details: unknown } };
    expect(error.details).toEqual({ position: 26, line: 2, column: 3 });
  });

  test("main.t beside a WITH of that name is refused, not mistaken", async () => {
    const response = await stack.sql("WITH workers AS (SELECT 1 AS id) SELECT * FROM main.workers");
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("WITH")]);
  });

  test("nothing of the catalogs tells of what holds the datasets", async () => {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(
      "SELECT schema_name, view_name FROM duckdb_views() WHERE schema_name IN ('information_schema', 'pg_catalog')",
    );
    connection.closeSync();
    instance.closeSync();
    const views = reader.getRows().map((row) => row.map(String));
    expect(views.length).toBeGreaterThan(30);
    for (const [schema = "", view = ""] of views) {
      expect(`${schema}.${view} ${hasSystemView(schema, view)}`).toEndWith(" true");
      const text = JSON.stringify(await stack.rows(`SELECT * FROM ${schema}.${view}`));
      for (const trace of [stack.directory, "lakehouse", "_rows", "no rows", "json_shallow", "end_"])
        expect(`${view} ${text}`).not.toContain(trace);
    }
  });
});
