/** SQL over the past: versions by name, a whole statement as of a time, and what each may open. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type ApiCase, runCases } from "../../../support/clients/api-case.ts";
import type { CatalogManifest } from "../../../support/stacks/catalogd.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
/** Of `jobs`: 3 rows, 5 rows, 1 row of another schema, dropped and made anew (5). */
let first: CatalogManifest;
let second: CatalogManifest;
let fifth: CatalogManifest;
let other: CatalogManifest;

beforeAll(async () => {
  stack = await startQuerydStack();
  const { verbs } = stack.catalogd.peer;
  first = await stack.dataset("jobs", "SELECT range AS id, 'a' || range AS word FROM range(3)");
  other = await stack.dataset("Other", "SELECT 7 AS n");
  await later();
  second = await stack.dataset("jobs", "SELECT range AS id, 'b' || range AS word FROM range(5)");
  await later();
  await verbs.drop({ name: "jobs" });
  await later();
  await stack.dataset("jobs", "SELECT DATE '2024-01-31' AS day");
  fifth = await stack.dataset("jobs", "SELECT DATE '2024-02-01' AS day FROM range(2)");
});
afterAll(() => stack.stop());

/** Until the clock shows another millisecond. */
const later = async () => {
  for (const now = Date.now(); Date.now() === now; ) await Bun.sleep(0);
};
const count = (from: string) => `SELECT count(*)::INT AS n FROM ${from}`;
const one = async (sql: string) => (await stack.rows(sql))[0];
const asOf = async (sql: string, as_of: string) => {
  const response = await stack.sql({ sql, as_of });
  return { status: response.status, body: await response.json() };
};
const readable = () => readdirSync(join(stack.directory, "queryd", "readable"));

describe("a version by its name", () => {
  test("is read beside others and the latest, in any letter case, with a schema, through WITH and DESCRIBE", async () => {
    expect(await one(count('"jobs@1"'))).toEqual({ n: 3 });
    expect(await one(count('"JOBS@2"'))).toEqual({ n: 5 });
    expect(await one(count("jobs"))).toEqual({ n: 2 });
    expect(await one(count(`"jobs@${second.created_at}"`))).toEqual({ n: 5 });
    expect(await one(count('main."jobs@1"'))).toEqual({ n: 3 });
    expect(await one('SELECT memory.main."jobs@1".word AS w FROM memory.main."jobs@1" ORDER BY 1')).toEqual({
      w: "a0",
    });
    expect(await one('WITH x AS (FROM "jobs@1") SELECT count(*)::INT AS n FROM x, "jobs@1" AS y')).toEqual({
      n: 9,
    });
    expect(await one('SELECT "jobs@2".word AS w FROM "jobs@2" WHERE "jobs@2".id = 4')).toEqual({ w: "b4" });
    expect(
      await stack.rows(
        'SELECT b.id FROM "jobs@2" AS b ANTI JOIN "jobs@1" AS a USING (id) WHERE (SELECT max(day) FROM jobs) IS NOT NULL ORDER BY 1',
      ),
    ).toEqual([{ id: 3 }, { id: 4 }]);
    expect(await stack.rows('SELECT column_name AS c FROM (DESCRIBE "jobs@1")')).toEqual([
      { c: "id" },
      { c: "word" },
    ]);
    expect(await one('SELECT sum(n)::INT AS n FROM (SUMMARIZE "jobs@1") AS s, (SELECT 1 AS n)')).toEqual({
      n: 2,
    });
  });

  test("comes in every format", async () => {
    for (const accept of [
      "text/csv",
      "application/vnd.apache.arrow.stream",
      "application/vnd.apache.parquet",
    ]) {
      const sql = 'SELECT * FROM "jobs@1" ORDER BY id';
      const past = await (await stack.sql(sql, { accept })).bytes();
      expect(past.length).toBeGreaterThan(20);
      expect(
        await (await stack.sql({ sql: sql.replace("@1", ""), as_of: first.created_at }, { accept })).bytes(),
      ).toEqual(past);
    }
  });

  test("keeps no table, no macro and no file within reach after its last query", async () => {
    await stack.rows(count("jobs"));
    const before = readable();
    for (let round = 0; round < 4; round++) await stack.rows(count('"jobs@1"'));
    expect(readable()).toEqual(before);
  });
});

describe("a statement as of a time", () => {
  test("reads every dataset as it was, dropped ones and former schemas too", async () => {
    expect((await asOf(count("jobs"), first.created_at)).body).toEqual([{ n: 3 }]);
    expect((await asOf(count("main.JOBS"), second.created_at)).body).toEqual([{ n: 5 }]);
    expect((await asOf(count("jobs"), fifth.created_at)).body).toEqual([{ n: 2 }]);
    expect((await asOf(count('jobs, "jobs@2", other'), other.created_at)).body).toEqual([{ n: 15 }]);
    expect(
      (await asOf("WITH mine AS (SELECT 1 AS n) SELECT n FROM mine", "2001-01-01T00:00:00Z")).body,
    ).toEqual([{ n: 1 }]);
  });

  test("lists what there was", async () => {
    const columns =
      "SELECT column_name AS c FROM information_schema.columns WHERE table_schema = 'main' ORDER BY 1";
    expect((await asOf(columns, second.created_at)).body).toEqual([{ c: "id" }, { c: "n" }, { c: "word" }]);
    expect(await stack.rows(columns)).toEqual([{ c: "day" }, { c: "n" }]);
    expect((await asOf("SHOW TABLES", "2001-01-01T00:00:00Z")).body).toEqual([]);
    expect(await stack.rows("SHOW TABLES")).toEqual([{ name: "Other" }, { name: "jobs" }]);
  });
});

const post = (name: string, body: Record<string, unknown>, contains: string[]): ApiCase => ({
  name,
  method: "POST",
  path: "/sql",
  body,
  contains,
});
const sql = (name: string, text: string, contains: string[]) =>
  ({ ...post(name, { sql: text }, contains), type: "sql_error" }) as const;
const rows: ApiCase[] = [
  sql("a version that is not there", 'FROM "jobs@9"', [
    "there is no version 9 of 'jobs': 'jobs' has versions 1 to 5",
    '"column":6',
  ]),
  sql("a drop", 'FROM "jobs@3"', ["version 3 of 'jobs' is its drop"]),
  sql("a time before the first", 'FROM "jobs@2001-01-01T00:00:00Z"', [
    "there was no dataset 'jobs' at 2001-01-01T00:00:00Z: its first version is of 20",
  ]),
  sql("a version of what never was", 'FROM "job@1"', ["there is no dataset 'job'; did you mean jobs?"]),
  sql("a word for a version", 'FROM "jobs@latest"', ["jobs@3", "jobs@2026-11-01T00:00:00Z"]),
  sql("a zero", 'FROM "jobs@0"', ["a version is named by its number"]),
  sql("a WITH of such a name", 'WITH "jobs@1" AS (SELECT 1) FROM "jobs@1"', ["give the WITH another one"]),
  sql("AT", "FROM jobs AT (VERSION => 1)", ['"jobs@3\\"']),
  {
    ...post("a time without zone", { sql: 'FROM "jobs@2026-11-01T00:00:00"' }, ["by a time with its zone"]),
    type: "statement_not_allowed",
  },
  {
    ...post("a file behind a time", { sql: 'FROM "jobs@2026-11-01T00:00:00Z.parquet"' }, ["not a dataset"]),
    type: "statement_not_allowed",
  },
  { ...post("as_of that is no time", { sql: "SELECT 1", as_of: "now" }, ["as_of"]), type: "invalid_field" },
  {
    ...post("a day that is none", { sql: "FROM jobs", as_of: "2026-02-31T00:00:00Z" }, ["as_of"]),
    type: "invalid_field",
  },
  {
    ...post("a dataset that was not there then", { sql: "FROM jobs", as_of: "2001-01-01T00:00:00Z" }, [
      "there was no dataset 'jobs' at 2001-01-01T00:00:00Z",
    ]),
    type: "sql_error",
  },
  {
    ...post("a dataset that never was", { sql: "FROM job", as_of: "2030-01-01T00:00:00Z" }, [
      "did you mean jobs",
    ]),
    type: "sql_error",
  },
];
describe("bad input", () => runCases(rows, () => stack.send));

test("another statement does not reach the objects of a version that is being read", async () => {
  const reading = await stack.sql(
    { sql: `SELECT a.id, repeat('x', 10000) AS x FROM "jobs@2" AS a, range(400)` },
    { accept: "application/x-ndjson" },
  );
  const files = readable();
  expect(files.length).toBeGreaterThan(0);
  for (const file of files)
    for (const from of [`'${join(stack.directory, "queryd/readable", file)}'`, `"${file}"`])
      expect((await stack.sql(`SELECT * FROM ${from}`)).status).toBeGreaterThanOrEqual(400);
  await reading.body?.cancel();
});

test("a dataset that was renamed is read beside what it was under its old name", async () => {
  const { verbs } = stack.catalogd.peer;
  await stack.dataset("a", "SELECT 1 AS n");
  const { created_at } = await stack.dataset("a", "SELECT 2 AS n");
  await later();
  await verbs.rename({ name: "a", to: "b" });
  const sql = 'SELECT b.n AS now, old.n AS old FROM b, "a@1" AS old';
  for (let round = 0; round < 3; round++) expect(await one(sql)).toEqual({ now: 2, old: 1 });
  expect((await asOf("SELECT n FROM a", created_at)).body).toEqual([{ n: 2 }]);
  await verbs.rollback({ name: "a", version: 1 }).catch(() => verbs.undrop({ name: "a" }));
  expect(await one("SELECT a.n + b.n AS n FROM a, b")).toEqual({ n: 4 });
});

test("a version that is expired is read to its end by who has begun, and is an error from then on", async () => {
  const { verbs } = stack.catalogd.peer;
  await stack.dataset("fleet", "SELECT range AS id, repeat('x', 1000) AS x FROM range(20000)", {
    objects: 3,
  });
  const kept = await stack.dataset("fleet", "SELECT 1::BIGINT AS id, 'y' AS x");
  const reading = await stack.sql({ sql: 'SELECT * FROM "fleet@1"' }, { accept: "application/x-ndjson" });
  const { objects } = await verbs.expire({ name: "fleet", keep_versions: 1, older_than_days: 0 });
  expect(objects).toHaveLength(3);
  const lines = (await reading.text()).trimEnd().split("\n");
  expect(new Set(lines.map((line) => JSON.parse(line).id)).size).toBe(20_000);
  for (const asked of [{ sql: 'FROM "fleet@1"' }, { sql: "FROM fleet", as_of: first.created_at }]) {
    const response = await stack.sql(asked);
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("expired")]);
  }
  expect(await stack.rows(`SELECT id FROM fleet, (SELECT count(*) FROM "fleet@${kept.version}")`)).toEqual([
    { id: 1 },
  ]);
});
