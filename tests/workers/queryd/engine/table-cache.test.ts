import { afterAll, beforeAll, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack();
});
afterAll(() => stack.stop());

async function residentBytes(on: QuerydStack = stack): Promise<number> {
  const text = await (await on.send(new Request("http://localhost/metrics"))).text();
  return Number(/queryd_resident_bytes (\d+)/.exec(text)?.[1] ?? Number.NaN);
}
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await Bun.sleep(2);
}
const everyType =
  "SELECT range AS id, '0' || range AS zip, range / 7 AS part, (range / 7)::DECIMAL(9,3) AS rate, DATE '2020-01-01' + range::INTEGER AS day, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_hours(range) AS at, [range, NULL] AS list, {'a': range, 'b': 'x'} AS nested, if(range % 3 = 0, NULL, 'é' || range) AS gap, (range % 2 = 0) AS flag FROM range(100)";

test("a small dataset that is asked for again stays in memory, and answers the same", async () => {
  await stack.dataset("few", everyType);
  const first = await stack.rows("SELECT * FROM few");
  expect(await residentBytes()).toBe(0);
  expect(await stack.rows("SELECT * FROM few")).toEqual(first);
  await until(async () => (await residentBytes()) > 0);
  expect(await stack.rows("SELECT * FROM few")).toEqual(first);
  expect(await stack.rows("DESCRIBE few")).toHaveLength(10);
  const typed = await stack.rows("SELECT typeof(COLUMNS(*)) FROM few LIMIT 1");
  expect(Object.values(typed[0] ?? {})).toEqual([
    "BIGINT",
    "VARCHAR",
    "DOUBLE",
    "DECIMAL(9,3)",
    "DATE",
    "TIMESTAMP WITH TIME ZONE",
    "BIGINT[]",
    "STRUCT(a BIGINT, b VARCHAR)",
    "VARCHAR",
    "BOOLEAN",
  ]);
});

test("a new version is seen at once, and the old one's memory is given back", async () => {
  await stack.dataset("growing", "SELECT range AS id FROM range(10)");
  const count = async () => (await stack.rows("SELECT count(*)::INTEGER AS n FROM growing"))[0]?.n;
  const before = await residentBytes();
  for (let asked = 0; asked < 2; asked++) expect(await count()).toBe(10);
  await until(async () => (await residentBytes()) > before);
  await stack.dataset("growing", "SELECT range + 10 AS id FROM range(5)", { mode: "append" });
  expect(await count()).toBe(15);
  expect(await residentBytes()).toBe(before);
});

test("tables in memory are listed nowhere and can be named by nobody", async () => {
  expect((await stack.rows("SHOW TABLES")).map(({ name }) => name)).toEqual(["few", "growing"]);
  for (const listing of [
    "SELECT table_name AS name FROM information_schema.tables",
    'SELECT tables.table_name AS name FROM system."Information_Schema"  . tables',
    "SELECT 'ü' AS u, DISTINCT_.name FROM (SELECT DISTINCT table_name AS name FROM information_schema.columns) AS DISTINCT_",
    "SELECT t.table_name AS name FROM information_schema.tables t JOIN information_schema.schemata s ON s.schema_name = t.table_schema",
  ]) {
    const names = (await stack.rows(listing)).map(({ name }) => name);
    expect(names.sort()).toEqual(["few", "growing", "operations"]);
  }
  const manifest = await stack.catalogd.peer.verbs.manifest({ name: "few" });
  const table = `v_${manifest.dataset_id.replaceAll("-", "_")}_${manifest.version}_rows`;
  for (const sql of [
    `SELECT * FROM lakehouse.${table}`,
    `SELECT * FROM ${table}`,
    `SELECT * FROM memory.lakehouse.${table}`,
  ]) {
    const response = await stack.sql(sql);
    expect([400, 403]).toContain(response.status);
  }
  const broken = await stack.sql("SELECT nothing FROM information_schema.tables");
  expect(await broken.json()).toMatchObject({
    error: { type: "sql_error", details: { line: 1, column: 8 } },
  });
});

test("what is larger than its share stays on disk, and with no room nothing is kept", async () => {
  for (const bytes of [0, 4096]) {
    const small = await startQuerydStack({ queryd: { resident_max_bytes: bytes } });
    try {
      await small.dataset("long", "SELECT repeat('word ', 200) || range AS text FROM range(100)");
      for (let asked = 0; asked < 5; asked++)
        expect(await small.rows("SELECT count(*)::INTEGER AS n FROM long")).toEqual([{ n: 100 }]);
      expect(await residentBytes(small)).toBe(0);
    } finally {
      await small.stop();
    }
  }
});
