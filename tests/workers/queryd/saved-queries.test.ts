/** Statements that are kept under a name: saved queries, asked by it in a URL, and views, read like datasets. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  // Without tables in memory: those are of all rows, whatever a statement asks.
  stack = await startQuerydStack({ queryd: { resident_max_bytes: 0 } });
  await stack.dataset(
    "jobs",
    "SELECT range AS id, CASE WHEN range % 2 = 0 THEN 'IL' ELSE 'WI' END AS state, DATE '2026-01-01' + range::INT AS day FROM range(6)",
  );
});
afterAll(() => stack.stop());

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  stack.queryd.peer.fetch(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const openJobs = {
  sql: "SELECT id, day FROM jobs WHERE state = $state AND day >= $since ORDER BY id LIMIT $most",
  description: "Jobs of a state.",
  parameters: {
    state: { type: "text", default: "IL" },
    since: { type: "date", default: "2026-01-01" },
    most: { type: "integer", default: 10 },
  },
};

test("a saved query is asked by its name, with its defaults and with what is given", async () => {
  const saved = await send("PUT", "/queries/open_jobs", openJobs);
  expect(await saved.json()).toMatchObject({
    ...{ name: "open_jobs", version: 1, ...openJobs },
    columns: [
      { name: "id", type: "BIGINT" },
      { name: "day", type: "DATE" },
    ],
  });
  const rows = async (path: string) => (await send("GET", path)).text();
  expect(await rows("/queries/open_jobs.csv")).toBe("id,day\n0,2026-01-01\n2,2026-01-03\n4,2026-01-05\n");
  expect(await rows("/queries/open_jobs.csv?state=WI&since=2026-01-03&most=1")).toBe(
    "id,day\n3,2026-01-04\n",
  );
  expect(JSON.parse(await rows("/queries/open_jobs.json?state=it's"))).toEqual([]);
  for (const format of ["ndjson", "arrow", "parquet"])
    expect((await send("GET", `/queries/open_jobs.${format}`)).status).toBe(200);
});

test("the etag stands for the question and the versions that answer it", async () => {
  const ask = (path: string, known = "") => send("GET", path, undefined, { "if-none-match": known });
  const first = await ask("/queries/open_jobs.csv?state=WI");
  const etag = first.headers.get("etag") ?? "";
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  expect((await ask("/queries/open_jobs.csv?state=WI", etag)).status).toBe(304);
  expect((await ask("/queries/open_jobs.csv?state=IL", etag)).status).toBe(200);
  expect((await ask("/queries/open_jobs.json?state=WI", etag)).status).toBe(200);
  await stack.dataset("others", "SELECT 1 AS id");
  expect((await ask("/queries/open_jobs.csv?state=WI", etag)).status).toBe(304);
  await stack.dataset("jobs", "SELECT 7::BIGINT AS id, 'WI' AS state, DATE '2026-02-01' AS day");
  expect((await ask("/queries/open_jobs.csv?state=WI", etag)).status).toBe(200);
  await send("PUT", "/queries/by_chance", { sql: "SELECT random() AS r FROM jobs" });
  expect((await ask("/queries/by_chance.csv")).headers.get("etag")).toBeNull();
});

test("versions stay to be read, the same text makes none, and a condition holds a change to one", async () => {
  const put = (sql: string, condition?: string) =>
    send("PUT", "/queries/versioned", { sql }, condition === undefined ? {} : { "if-match": condition });
  const version = async (response: Promise<Response>) =>
    ((await (await response).json()) as { version: number }).version;
  expect(await version(put("SELECT 1 AS a"))).toBe(1);
  expect(await version(put("SELECT 1 AS a"))).toBe(1);
  expect(await version(put("SELECT 2 AS a", '"1"'))).toBe(2);
  // The answer may have been lost: the same again is the same.
  expect(await version(put("SELECT 2 AS a", '"1"'))).toBe(2);
  const late = await put("SELECT 3 AS a", '"1"');
  expect([late.status, await late.text()]).toEqual([412, expect.stringContaining('its ETag is \\"2\\"')]);
  expect(await (await send("GET", "/queries/versioned.json?version=1")).json()).toEqual([{ a: 1 }]);
  expect(await version(send("GET", "/queries/versioned?version=1"))).toBe(1);
  expect((await send("GET", "/queries/versioned", undefined, { "if-none-match": '"2"' })).status).toBe(304);
  expect((await send("DELETE", "/queries/versioned", undefined, { "if-match": '"1"' })).status).toBe(412);
  expect((await send("DELETE", "/queries/versioned")).status).toBe(200);
  expect((await send("GET", "/queries/versioned.json")).status).toBe(404);
  expect(await version(put("SELECT 4 AS a"))).toBe(4);
  const list = (await (await send("GET", "/queries?page_size=2")).json()) as { queries: { name: string }[] };
  expect(list.queries.map(({ name }) => name)).toEqual(["by_chance", "open_jobs"]);
});

describe("what is no saved query", () => {
  test.each([
    ["bad-name", { sql: "SELECT 1" }, 400, "name"],
    ["q", { sql: "SELECT 1; SELECT 2" }, 400, "one statement"],
    ["q", { sql: "DROP TABLE jobs" }, 403, "DROP"],
    ["q", { sql: "SELECT * FROM read_csv('/etc/passwd')" }, 403, "read_csv"],
    ["q", { sql: "SELECT * FROM nope" }, 400, "there is no dataset 'nope'"],
    ["q", { sql: "SELECT gone FROM jobs" }, 400, "gone"],
    ["q", { sql: "SELECT $1" }, 400, "have names"],
    ["q", { sql: "SELECT $state" }, 400, "expected its type"],
    ["q", { sql: "SELECT 1", parameters: { state: { type: "text" } } }, 400, "has no $state"],
    ["q", { sql: "SELECT $version", parameters: { version: { type: "text" } } }, 400, "its own use"],
    ["q", { sql: "SELECT $n", parameters: { n: { type: "integer", default: "x" } } }, 400, "whole number"],
    ["q", { sql: "SELECT $n", parameters: { n: { type: "date", default: "2026-02-30" } } }, 400, "a day"],
    ["q", { sql: "SELECT $n", parameters: { n: { type: "money" } } }, 400, "parameters"],
    ["q", { sql: "SELECT 1", stray: 1 }, 400, "stray"],
    ["q", {}, 400, "sql"],
  ])("PUT %s %j is refused", async (name, body, status, says) => {
    const response = await send("PUT", `/queries/${name}`, body);
    expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(says)]);
  });

  test.each([
    ["/queries/open_jobs.csv?most=ten", 400, "most: expected a whole number"],
    ["/queries/open_jobs.csv?since=2026-13-01", 400, "since: expected a day"],
    ["/queries/open_jobs.csv?stat=IL", 400, "unknown query parameter 'stat'"],
    ["/queries/open_jobs.csv?state=IL&state=WI", 400, "state: given more than once"],
    ["/queries/open_jobs.csv?state=%00", 400, "state"],
    ["/queries/open_jobs.csv?version=9", 404, "version 9"],
    ["/queries/open_jobs.xlsx", 404, "formats are csv"],
    ["/queries/open_job.csv", 404, "did you mean open_jobs"],
    ["/queries/open_jobs?state=IL", 400, "open_jobs.csv"],
  ])("GET %s is refused", async (path, status, says) => {
    const response = await send("GET", path);
    expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(says)]);
  });
});

const view = (name: string, sql: string, headers: Record<string, string> = {}) =>
  send("POST", "/catalog/views", { name, sql }, headers);
const made = async (name: string, sql: string) => {
  const response = await view(name, sql);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as { version: number };
};
const refused = async (sql: string) => (await stack.sql(sql)).text();

describe("views", () => {
  beforeAll(async () => {
    await stack.dataset("people", "SELECT range AS id, 'p' || range AS name FROM range(10)");
    await made("few", "SELECT id, name FROM people WHERE id < 5 -- the first");
    await made("fewer", "WITH people AS (SELECT * FROM few WHERE id > 1) SELECT * FROM people");
  });

  test("they are read like datasets, also by others, whatever the statement's WITH is called", async () => {
    expect(await stack.rows("SELECT count(*) AS n FROM FEW")).toEqual([{ n: 5 }]);
    expect(await stack.rows("SELECT id FROM fewer ORDER BY id")).toEqual([{ id: 2 }, { id: 3 }, { id: 4 }]);
    const own =
      "WITH people AS (SELECT 1::BIGINT AS id, 'x' AS name) SELECT (SELECT count(*) FROM people) AS a, (SELECT count(*) FROM main.few) AS b";
    expect(await stack.rows(own)).toEqual([{ a: 1, b: 5 }]);
    expect(await stack.rows("WITH few AS (SELECT 7 AS id) SELECT * FROM few")).toEqual([{ id: 7 }]);
    expect(await stack.rows("SELECT f.id FROM few f JOIN fewer g USING (id) WHERE f.id = $1", [3])).toEqual([
      { id: 3 },
    ]);
  });

  test("what a statement asks of a dataset is not asked of the same one within a view", async () => {
    const objects = [];
    for (let id = 0; id < 10; id++) {
      const [object] = (await stack.dataset("part", `SELECT ${id}::BIGINT AS id`)).objects;
      // By statistics objects are left out.
      const statistics = [{ column: "id", field_id: 1, null_count: 0, min: `${id}`, max: `${id}` }];
      const { schema_id: _, ...plain } = object ?? expect.unreachable();
      objects.push({ ...plain, statistics });
    }
    const columns = [{ name: "id", type: "BIGINT", nullable: true }];
    await stack.catalogd.peer.verbs.register({ name: "parts", columns, objects });
    await made("low_parts", "SELECT id FROM parts WHERE id < 5");
    const both =
      "SELECT (SELECT count(*) FROM parts WHERE id = 9) AS a, (SELECT count(*) FROM low_parts) AS b";
    expect(await stack.rows(both)).toEqual([{ a: 1, b: 5 }]);
  });

  test("they are listed with their columns, and described as they are now", async () => {
    const sql =
      "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'fewer' ORDER BY ordinal_position";
    expect(await stack.rows(sql)).toEqual([
      { column_name: "id", data_type: "BIGINT" },
      { column_name: "name", data_type: "VARCHAR" },
    ]);
    expect(await refused("SHOW TABLES")).toContain("fewer");
    expect((await stack.rows("DESCRIBE few")).length).toBe(2);
    const list = (await (await send("GET", "/catalog/views")).json()) as { views: { name: string }[] };
    expect(list.views.map(({ name }) => name)).toEqual(["few", "fewer", "low_parts"]);
  });

  test("versions, a condition, and a drop that is told to whoever reads it", async () => {
    expect((await made("temporary", "SELECT 1 AS a")).version).toBe(1);
    expect((await view("temporary", "SELECT 2 AS a", { "if-match": '"9"' })).status).toBe(412);
    expect(
      (await (await view("temporary", "SELECT 2 AS a", { "if-match": '"1"' })).json()) as unknown,
    ).toMatchObject({ version: 2 });
    expect(await stack.rows("SELECT a FROM temporary")).toEqual([{ a: 2 }]);
    await made("above", "SELECT a FROM temporary");
    await send("PUT", "/queries/of_view", { sql: "SELECT a FROM above" });
    const etag = (await send("GET", "/queries/of_view.csv")).headers.get("etag") ?? "";
    await made("temporary", "SELECT 3 AS a");
    const again = await send("GET", "/queries/of_view.csv", undefined, { "if-none-match": etag });
    expect([again.status, await again.text()]).toEqual([200, "a\n3\n"]);
    expect((await send("DELETE", "/catalog/views/temporary")).status).toBe(200);
    expect(await refused("SELECT * FROM above")).toContain("view 'above': there is no dataset 'temporary'");
    expect((await send("GET", "/catalog/views/temporary")).status).toBe(404);
    expect(
      ((await (await send("GET", "/catalog/views/temporary?version=1")).json()) as { sql: string }).sql,
    ).toBe("SELECT 1 AS a");
  });

  test("a view whose dataset was dropped names both", async () => {
    await stack.dataset("passing", "SELECT 1 AS id");
    await made("on_passing", "SELECT id FROM passing");
    await stack.catalogd.peer.verbs.drop({ name: "passing" });
    expect(await refused("SELECT * FROM on_passing")).toContain(
      "view 'on_passing': there is no dataset 'passing'",
    );
  });

  test("names are of datasets or of views", async () => {
    expect(await (await view("People", "SELECT 1 AS a")).text()).toContain("there is a dataset 'people'");
    expect(await (await view("FEW", "SELECT 1 AS a")).text()).toContain("differs only by case");
    await expect(stack.dataset("few", "SELECT 1 AS id")).rejects.toThrow("there is a view 'few'");
    expect((await view("pg_class", "SELECT 1 AS a")).status).toBe(400);
  });

  test("circles are refused, when they are made and when they are read", async () => {
    expect(await (await view("self", "SELECT * FROM self")).text()).toContain("in a circle: self → self");
    await made("one", "SELECT 1 AS a");
    await made("two", "SELECT * FROM one");
    expect(await (await view("one", "SELECT * FROM two")).text()).toContain("in a circle: one → two → one");
    expect(await (await view("one", "SELECT * FROM ONE")).text()).toContain("in a circle: one → one");
    // Two who make one at the same time are not seen by one another.
    const columns = [{ name: "a", type: "INTEGER" }];
    await stack.catalogd.peer.verbs.define({ kind: "view", name: "one", sql: "SELECT * FROM two", columns });
    expect(await refused("SELECT * FROM two")).toContain("in a circle: two → one → two");
  });

  test("nesting and joins are bounded with what views hold", async () => {
    await made("v0", "SELECT 1 AS a");
    for (let at = 1; at <= 15; at++) await made(`v${at}`, `SELECT * FROM v${at - 1}`);
    expect(await stack.rows("SELECT a FROM v15")).toEqual([{ a: 1 }]);
    expect(await (await view("v16", "SELECT * FROM v15")).text()).toContain("nest deeper than 16");
    const joins = Array.from({ length: 30 }, (_, at) => `v0 AS t${at}`).join(" NATURAL JOIN ");
    await made("wide", `SELECT count(*) AS n FROM ${joins}`);
    expect(await stack.rows("SELECT n FROM wide")).toEqual([{ n: 1 }]);
    expect(await refused("SELECT 1 FROM wide, wide b, wide c")).toContain("too complex to plan");
  });

  test.each([
    ["SELECT $1 AS a", "save a query for that"],
    ["EXPLAIN SELECT 1", "EXPLAIN"],
    ["SHOW TABLES", "lists of tables"],
    ["SELECT * FROM information_schema.tables", "lists of tables"],
    ["SELECT 1 AS a; SELECT 2", "one statement"],
    ["SELECT 1 AS a) SELECT 2 AS b --", "sql_error"],
    ["SELECT 1 AS a) , x AS (SELECT 2", "sql_error"],
    ["SELECT * FROM read_text('/etc/passwd')", "read_text"],
    ["FROM '/etc/passwd'", "passwd"],
    ["SELECT * FROM lakehouse.tables", "lists of tables"],
    ['SELECT 1 AS ""', "sql"],
    ["INSERT INTO people VALUES (1)", "not_allowed"],
    ["", "sql"],
  ])("%s is no view", async (sql, says) => {
    const response = await view("escape", sql);
    expect([response.ok, await response.text()]).toEqual([false, expect.stringContaining(says)]);
  });

  const file = (path: string, known = "") =>
    send("GET", `/datasets/${path}`, undefined, { "if-none-match": known });

  test("one is a file in a URL like a dataset, and its etag is of what it reads", async () => {
    await stack.dataset("pay", "SELECT range AS id, 1.5 * range AS rate FROM range(4)");
    await made("paid", "SELECT id, rate FROM pay WHERE id > 0");
    const path = "PAID.csv?columns=id,rate&order=rate desc&limit=2";
    const first = await file(path);
    expect([first.status, await first.text()]).toEqual([200, "id,rate\n3,4.5\n2,3.0\n"]);
    const etag = first.headers.get("etag") ?? "";
    expect((await file(path, etag)).status).toBe(304);
    await stack.dataset("others", "SELECT 2 AS id");
    expect((await file(path, etag)).status).toBe(304);
    await stack.dataset("pay", "SELECT 9::BIGINT AS id, 9.9::DECIMAL(21,1) AS rate");
    const changed = await file(path, etag);
    expect([changed.status, await changed.text()]).toEqual([200, "id,rate\n9,9.9\n"]);
    await made("paid", "SELECT id, rate + 1 AS rate FROM pay");
    expect(await (await file(path, changed.headers.get("etag") ?? "")).text()).toBe("id,rate\n9,10.9\n");
    for (const format of ["json", "ndjson", "arrow", "parquet"])
      expect((await file(`paid.${format}?where=id > 0`)).status).toBe(200);
    await made("by_chance", "SELECT random() AS r FROM pay");
    expect((await file("by_chance.json")).headers.get("etag")).toBeNull();
    expect(await (await file("paid.csv?version=1")).text()).toContain("'paid' is a view");
    expect(await (await file("paid.csv?where=1) OR (1")).text()).toContain(
      "where: expected one SQL expression",
    );
    expect((await file("pai.csv")).status).toBe(404);
  });

  test("its columns are those that it has now, wherever they are told", async () => {
    await stack.dataset("grown", "SELECT 1::BIGINT AS id");
    await made("all_grown", "SELECT * FROM grown");
    await made("above_grown", "SELECT * FROM all_grown");
    const one = async () => send("GET", "/catalog/views/above_grown");
    const etag = (await one()).headers.get("etag") ?? "";
    const known = { "if-none-match": etag };
    expect((await send("GET", "/catalog/views/above_grown", undefined, known)).status).toBe(304);
    await stack.dataset("grown", "SELECT 1::BIGINT AS id, 'x' AS name", { evolve: true });
    const now = await send("GET", "/catalog/views/above_grown", undefined, known);
    expect(await now.json()).toMatchObject({
      columns: [{ name: "id" }, { name: "name", type: "VARCHAR" }],
      reads: ["all_grown", "grown"],
    });
    expect(now.headers.get("etag")).not.toBe(etag);
    const listed = "SELECT column_name AS c FROM information_schema.columns WHERE table_name = 'above_grown'";
    expect(await stack.rows(listed)).toEqual([{ c: "id" }, { c: "name" }]);
    const { columns } = await stack.queryd.peer.verbs.describe({ sql: listed });
    expect(columns).toEqual([{ name: "c", type: "VARCHAR" }]);
    // It is the first version still, and its etag names it.
    const again = await view("above_grown", "SELECT id FROM all_grown", {
      "if-match": now.headers.get("etag") ?? "",
    });
    expect(again.status).toBe(200);
    await stack.catalogd.peer.verbs.drop({ name: "grown" });
    expect(await (await one()).json()).toMatchObject({
      columns: [{ name: "id" }],
      problem: expect.stringContaining("there is no dataset 'grown'"),
    });
    await stack.dataset("grown", "SELECT 1::BIGINT AS id");
    expect(await (await one()).json()).not.toHaveProperty("problem");
  });

  test("lists of tables tell views from datasets", async () => {
    const types =
      "SELECT table_type AS t FROM information_schema.tables WHERE table_name IN ('few', 'people') ORDER BY table_name";
    expect(await stack.rows(types)).toEqual([{ t: "VIEW" }, { t: "BASE TABLE" }]);
    expect(
      await stack.rows(
        "SELECT table_name AS n FROM information_schema.views WHERE table_name IN ('few', 'people')",
      ),
    ).toEqual([{ n: "few" }]);
    expect(
      await stack.rows("SELECT tablename AS n FROM pg_tables WHERE tablename IN ('few', 'people')"),
    ).toEqual([{ n: "people" }]);
  });

  test("whoever takes one for a dataset is told what it is", async () => {
    const { verbs } = stack.catalogd.peer;
    const says = "'few' is a view, not a dataset";
    for (const taken of [
      verbs.manifest({ name: "few" }),
      verbs.manifest({ name: "Few", version: 1 }),
      verbs.versions({ name: "few" }),
      verbs.diff({ name: "few", from: 1 }),
      verbs.drop({ name: "few" }),
      verbs.undrop({ name: "few" }),
      verbs.rollback({ name: "few", version: 1 }),
      verbs.rename({ name: "few", to: "many" }),
    ])
      expect(await taken.then(String, ({ type, message }) => `${type}: ${message}`)).toContain(
        `not_found: ${says}`,
      );
    await expect(verbs.rename({ name: "people", to: "few" })).rejects.toThrow("there is a view 'few'");
    expect(await refused('SELECT * FROM "few@2"')).toContain("'few' is a view");
    const as_of = new Date().toISOString();
    expect(await (await stack.sql({ sql: "SELECT count(*) AS n FROM few", as_of })).json()).toEqual([
      { n: 5 },
    ]);
  });

  test("at a time past, a name is what it was then", async () => {
    await stack.dataset("was", "SELECT 'a dataset' AS it");
    const as_of = new Date(Date.now() + 1).toISOString();
    await Bun.sleep(5);
    await stack.catalogd.peer.verbs.drop({ name: "was" });
    await made("was", "SELECT 'a view' AS it");
    expect(await stack.rows("SELECT it FROM was")).toEqual([{ it: "a view" }]);
    expect(await (await stack.sql({ sql: "SELECT it FROM was", as_of })).json()).toEqual([
      { it: "a dataset" },
    ]);
  });

  test("what the catalog keeps is checked again when it is read", async () => {
    const columns = [{ name: "a", type: "INTEGER" }];
    for (const sql of [
      "SELECT 1 AS a) SELECT * FROM duckdb_settings() --",
      "FROM read_text('/etc/passwd')",
      "FROM duckdb_settings()",
    ]) {
      await stack.catalogd.peer.verbs.define({ kind: "view", name: "sly", sql, columns });
      const response = await stack.sql("SELECT * FROM sly");
      expect([response.ok, await response.text()]).toEqual([false, expect.stringContaining("view 'sly'")]);
    }
  });
});
