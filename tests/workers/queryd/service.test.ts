/** queryd as a whole: the catalog it follows, the queries it lists, stops and bounds. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import { fail } from "../../../runtime/errors/errors.ts";
import { nestedGroups } from "../../support/hard-inputs/parquet-bytes.ts";
import { type QuerydStack, type StackOptions, startQuerydStack } from "../../support/stacks/queryd.ts";

const endless =
  "SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b WHERE hash(a.range + b.range) = 7";

const stateOf = async (stack: QuerydStack, state: string) =>
  (await stack.queryd.peer.verbs.queries({ page_size: 100 })).queries.filter(
    (query) => query.state === state,
  );

/** Resolves with the queries in the state, as soon as there are so many. */
async function until(stack: QuerydStack, state: string, count: number) {
  for (;;) {
    const found = await stateOf(stack, state);
    if (found.length === count) return found;
    await Bun.sleep(1);
  }
}

const typeOf = async (response: Response) =>
  ((await response.json()) as { error?: { type: string } }).error?.type ?? response.status;

/** The catalog as an earlier version could have stored it: these datasets have these types. */
const storedTypes = new Map<string, string>();
const withStoredTypes: NonNullable<StackOptions["catalogd"]> = (peer) => ({
  ...peer,
  verbs: {
    ...peer.verbs,
    snapshot: async (...asked) => {
      const { manifests, ...reply } = await peer.verbs.snapshot(...asked);
      if (manifests === undefined) return reply;
      const changed = manifests.map((manifest) => {
        const type = storedTypes.get(manifest.name);
        const columns = manifest.columns.map((column) => ({ ...column, type: type ?? column.type }));
        return { ...manifest, columns };
      });
      return { ...reply, manifests: changed };
    },
  },
});

describe("answers", () => {
  let stack: QuerydStack;
  beforeAll(async () => {
    stack = await startQuerydStack();
    await stack.dataset("workers", "SELECT range AS id, 'n' || range AS name FROM range(5000)");
  });
  afterAll(() => stack.stop());

  test("functions that statements may use are listed, and no other", async () => {
    const { functions } = await stack.queryd.peer.verbs.functions({});
    const found = new Map(functions.map((each) => [each.name, each]));
    expect(found.get("approx_quantile")?.kind).toBe("aggregate");
    expect(found.get("lower")?.parameters).toHaveLength(1);
    expect(found.get("range")).toBeDefined();
    for (const name of ["read_csv", "getenv", "duckdb_functions", "query_table", "sleep_ms", "glob"])
      expect([name, found.get(name)]).toEqual([name, undefined]);
  });

  test("the default is an array of row objects", async () => {
    const response = await stack.sql("SELECT count(*) FROM workers");
    expect(await response.text()).toBe('[{"count_star()":5000}]');
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  test("shape=full has columns and a summary", async () => {
    const response = await stack.sql(
      { sql: "SELECT id, name FROM workers ORDER BY id", limit: 2 },
      { search: "?shape=full" },
    );
    const { elapsed_ms: elapsed, query_id: id, ...rest } = (await response.json()) as Record<string, unknown>;
    expect(rest).toEqual({
      columns: [
        { name: "id", type: "BIGINT" },
        { name: "name", type: "VARCHAR" },
      ],
      rows: [
        { id: 0, name: "n0" },
        { id: 1, name: "n1" },
      ],
      row_count: 2,
      truncated: true,
    });
    expect(elapsed).toBeGreaterThan(0);
    expect(id).toBe(response.headers.get("x-lakehouse-query-id"));
    expect(response.headers.get("x-lakehouse-truncated")).toBe("true");
  });

  test("a limit that is just enough is not said to cut", async () => {
    const response = await stack.sql(
      { sql: "SELECT id FROM workers", limit: 5000 },
      { search: "?shape=full" },
    );
    expect(await response.json()).toMatchObject({ row_count: 5000, truncated: false });
    expect(response.headers.get("x-lakehouse-truncated")).toBeNull();
  });

  test("Accept chooses by quality, then by how exactly it names, then by our order", async () => {
    const chosen = async (accept: string) =>
      (await stack.sql("SELECT 1", { accept })).headers.get("content-type")?.split(";")[0];
    expect(await chosen("*/*")).toBe("application/json");
    expect(await chosen("text/html, application/xhtml+xml, */*;q=0.8")).toBe("application/json");
    expect(await chosen("text/*")).toBe("text/csv");
    expect(await chosen("application/json;q=0.5, text/csv")).toBe("text/csv");
    expect(await chosen("application/json;q=0, */*")).toBe("application/x-ndjson");
    expect(await chosen("*/*;q=0.1, application/vnd.apache.arrow.stream;q=0.9")).toBe(
      "application/vnd.apache.arrow.stream",
    );
    expect(await chosen("application/*, application/vnd.apache.parquet")).toBe(
      "application/vnd.apache.parquet",
    );
    expect(await chosen("Application/JSON; charset=utf-8")).toBe("application/json");
  });

  test("parameters keep their values and types", async () => {
    const rows = await stack.rows(
      "SELECT $1 AS i, $2 AS b, $3 AS d, $4 AS t, $5 AS n, $6 AS y, $7 AS l, $8 AS m, typeof($1) AS ti, typeof($2) AS tb",
      [1, 4294967296, 1.5, "it's", null, true, [1, 2], [["a"], []]],
    );
    expect(rows).toEqual([
      {
        i: 1,
        b: 4294967296,
        d: 1.5,
        t: "it's",
        n: null,
        y: true,
        l: [1, 2],
        m: [["a"], []],
        ti: "BIGINT",
        tb: "BIGINT",
      },
    ]);
    expect(await stack.rows("SELECT ? || ? AS s", ["a", "b"])).toEqual([{ s: "ab" }]);
    expect(await stack.rows("SELECT $b || $a || $b AS s", { a: "1", b: "2" })).toEqual([{ s: "212" }]);
    expect(
      await stack.rows("SELECT id FROM workers WHERE id IN (SELECT unnest($1)) AND name >= $2", [
        [3, 4],
        "n4",
      ]),
    ).toEqual([{ id: 4 }]);
    expect(
      await stack.rows("SELECT count(*) AS n FROM workers WHERE DATE '2024-01-05' >= $1", ["2024-01-01"]),
    ).toEqual([{ n: 5000 }]);
    expect(await stack.rows("SELECT id FROM workers ORDER BY id LIMIT $1", [1])).toEqual([{ id: 0 }]);
    expect(await stack.rows("SELECT id FROM workers WHERE id = $1 -- $2 '", [7])).toEqual([{ id: 7 }]);
  });

  test("the same statement with other parameter types gives the other types", async () => {
    for (const value of [1, "one", 1.5, null, [1], 2])
      expect(await stack.rows("SELECT $1 AS v", [value])).toEqual([{ v: value }]);
  });

  test("a statement that gave few rows gives many when there are many", async () => {
    const sql = "SELECT i, md5(i::VARCHAR) AS m FROM range(200_000) t(i) WHERE i < $1";
    for (const count of [5, 7, 2048, 2049, 2050, 150_000, 3, 3, 60_000, 0, 0, 1])
      expect([count, (await stack.rows(sql, [count])).length]).toEqual([count, count]);
  });

  test("parameters work in every format", async () => {
    for (const accept of [
      "text/csv",
      "application/x-ndjson",
      "application/vnd.apache.arrow.stream",
      "application/vnd.apache.parquet",
    ]) {
      const response = await stack.sql(
        { sql: "SELECT $1 AS v, count(*) FROM workers WHERE id < $2", params: ["x", 10] },
        { accept },
      );
      expect([accept, response.status]).toEqual([accept, 200]);
      expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(4);
    }
  });

  test("metrics count queries, rows and bytes", async () => {
    await stack.rows("SELECT id FROM workers LIMIT 10");
    await stack.sql("SELECT nope FROM workers");
    const text = await (await stack.send(new Request("http://localhost/metrics"))).text();
    expect(text).toMatch(/queryd_queries_total\{outcome="done"\} \d+/);
    expect(text).toMatch(/queryd_queries_total\{outcome="sql_error"\} \d+/);
    expect(text).toMatch(/queryd_rows_total \d{2,}/);
    expect(text).toMatch(/queryd_result_bytes_total \d{2,}/);
    expect(text).toMatch(/queryd_query_seconds_count \d+/);
    expect(text).toContain("queryd_queries_running 0");
    expect(text).toContain("queryd_queries_waiting 0");
  });
});

describe("the catalog", () => {
  let stack: QuerydStack;
  beforeEach(async () => {
    stack = await startQuerydStack();
  });
  afterEach(() => stack.stop());

  test("a dataset is there the moment it is registered, changed or dropped", async () => {
    expect(await typeOf(await stack.sql("SELECT * FROM fresh"))).toBe("sql_error");
    for (let round = 1; round <= 5; round++) {
      await stack.dataset("fresh", `SELECT ${round} AS round FROM range(${round})`);
      expect(await stack.rows("SELECT round, count(*) AS n FROM fresh GROUP BY 1")).toEqual([
        { round, n: round },
      ]);
    }
    await stack.dataset("fresh", "SELECT 6 AS round", { mode: "append" });
    expect(await stack.rows("SELECT max(round) AS m, count(*) AS n FROM fresh")).toEqual([{ m: 6, n: 6 }]);
    await stack.catalogd.peer.verbs.drop({ name: "fresh" });
    expect(await typeOf(await stack.sql("SELECT * FROM fresh"))).toBe("sql_error");
    expect(await stack.rows("SHOW TABLES")).toEqual([]);
    await stack.dataset("fresh", "SELECT 'other' AS columns");
    expect(await stack.rows("SELECT * FROM fresh")).toEqual([{ columns: "other" }]);
    expect(await stack.rows("SELECT column_name, column_type FROM (DESCRIBE fresh)")).toEqual([
      { column_name: "columns", column_type: "VARCHAR" },
    ]);
  });

  test("a dataset without objects is empty and has its types", async () => {
    await stack.catalogd.peer.verbs.register({
      name: "nothing",
      columns: [
        { name: "id", type: "BIGINT", nullable: true },
        { name: 'odd "name"', type: 'STRUCT(a DECIMAL(18,3), "b c" VARCHAR[])', nullable: true },
        { name: "mood", type: "ENUM('a', 'b''c')", nullable: true },
      ],
      objects: [],
    });
    const response = await stack.sql("SELECT * FROM nothing", { search: "?shape=full" });
    expect(await response.json()).toMatchObject({
      columns: [
        { name: "id", type: "BIGINT" },
        { name: 'odd "name"', type: 'STRUCT("a" DECIMAL(18,3), "b c" VARCHAR[])' },
        { name: "mood", type: "ENUM('a', 'b''c')" },
      ],
      rows: [],
    });
  });

  test("the columns and their order are the manifest's", async () => {
    const { objects } = await stack.dataset("source", "SELECT 1::INTEGER AS a, 2::INTEGER AS b");
    await stack.catalogd.peer.verbs.register({
      name: "turned",
      columns: [
        { name: "b", type: "BIGINT", nullable: true },
        { name: "a", type: "VARCHAR", nullable: true },
      ],
      objects,
    });
    expect(await stack.rows("SELECT * FROM turned")).toEqual([{ b: 2, a: "1" }]);
  });

  test("a type that is no type is refused by the catalog, and one that was stored harms its own dataset alone", async () => {
    const stack = await startQuerydStack({ catalogd: withStoredTypes });
    onTestFinished(stack.stop);
    const { objects } = await stack.dataset("good", "SELECT 1 AS a");
    const evil = [
      "INTEGER) AS a, getenv('HOME'",
      "INTEGER, VARCHAR",
      "INTEGER --",
      "INTEGER; DROP VIEW good",
      "NO_SUCH_TYPE",
      "INTEGER /* */",
    ];
    for (const [at, type] of evil.entries()) {
      storedTypes.set(`evil_${at}`, type);
      const registered = (type: string) => ({
        name: `evil_${at}`,
        columns: [{ name: "a", type, nullable: true }],
        objects,
      });
      await expect(stack.catalogd.peer.verbs.register(registered(type))).rejects.toMatchObject({
        type: "invalid_field",
        message: expect.stringContaining("columns.0.type"),
      });
      await stack.catalogd.peer.verbs.register(registered("INTEGER"));
    }
    for (const at of evil.keys()) {
      const response = await stack.sql(`SELECT * FROM evil_${at}`);
      expect([evil[at], response.status, await typeOf(response)]).toEqual([evil[at], 500, "corrupt"]);
    }
    expect(await stack.rows("SELECT * FROM good")).toEqual([{ a: 1 }]);
    expect((await stack.rows("SHOW TABLES")).map(({ name }) => name)).toContain("good");
  });

  test("an object that was put into storage and nests too deep harms its own dataset alone", async () => {
    const { objects } = await stack.dataset("good", "SELECT 1 AS a");
    const key = "datasets/deep/by-hand.parquet";
    const { write } = stack.storaged.peer.verbs;
    const { bytes, etag } = await write({ key, bytes: new Uint8Array(nestedGroups(20_000, "group")) });
    const deep = { key, bytes, etag, row_count: 0, statistics: [] };
    const columns = [{ name: "a", type: "INTEGER", nullable: true }];
    await stack.catalogd.peer.verbs.register({ name: "deep", columns, objects: [...objects, deep] });
    const response = await stack.sql("SELECT * FROM deep");
    expect(response.status).toBe(500);
    const { error } = (await response.json()) as { error: { type: string; message: string } };
    expect(error.type).toBe("corrupt");
    expect(error.message).toContain(key);
    expect(error.message).toContain("nests 20000 levels deep; types nest at most 16 levels");
    expect(await stack.rows("SELECT * FROM good")).toEqual([{ a: 1 }]);
  });

  test("a query keeps the objects it began with", async () => {
    await stack.dataset("data", "SELECT range AS i, 'old' AS v FROM range(300_000)");
    const response = await stack.sql("SELECT i, v FROM data", { accept: "application/x-ndjson" });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    await stack.dataset("data", "SELECT range AS i, 'new' AS v FROM range(10)");
    expect(await stack.rows("SELECT count(*) AS n, max(v) AS v FROM data")).toEqual([{ n: 10, v: "new" }]);
    let text = new TextDecoder().decode(first?.value);
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read())
      text += new TextDecoder().decode(next.value);
    expect(text.split("\n").length).toBe(300_001);
    expect(text).not.toContain("new");
  });

  test("queries beside many changes see one catalog each", async () => {
    // Two datasets that always change together, one after the other: no query may see the second without the first.
    await stack.dataset("left_side", "SELECT 0 AS v");
    await stack.dataset("right_side", "SELECT 0 AS v");
    let changing = true;
    let asked = 0;
    const change = (async () => {
      for (let v = 1; v <= 15 || asked <= 10; v++) {
        await stack.dataset("left_side", `SELECT ${v} AS v`);
        await stack.dataset("right_side", `SELECT ${v} AS v`);
      }
      changing = false;
    })();
    const ask = async () => {
      while (changing) {
        const [row] = await stack.rows(
          "SELECT (SELECT v FROM left_side) AS l, (SELECT v FROM right_side) AS r, (SELECT v FROM left_side) AS again",
        );
        expect([Number(row?.r), Number(row?.r) + 1]).toContain(Number(row?.l));
        expect(row?.again).toBe(row?.l);
        asked++;
      }
    };
    await Promise.all([change, ask(), ask(), ask(), ask()]);
  });

  test("names that differ in letter case alone", async () => {
    await stack.dataset("Mixed", "SELECT 1 AS a");
    expect(await stack.rows("SELECT a FROM MIXED, mixed AS m2(b)")).toEqual([{ a: 1 }]);
    const registered = await stack.dataset("mixed", "SELECT 2 AS a").then(
      () => true,
      () => false,
    );
    if (!registered) return; // A catalog that refuses such names leaves nothing to decide here.
    expect(await stack.rows("SELECT a FROM mixed")).toEqual([{ a: 2 }]);
    expect(await stack.rows("SELECT a FROM Mixed")).toEqual([{ a: 1 }]);
    expect(await (await stack.sql("SELECT a FROM MIXED")).text()).toContain("may mean");
    expect(await (await stack.sql("SELECT * FROM mixed, Mixed")).text()).toContain("letter case alone");
  });

  test("a restart begins with what is registered", async () => {
    await stack.dataset("kept", "SELECT 1 AS a");
    await stack.restart();
    expect(await stack.rows("SELECT * FROM kept")).toEqual([{ a: 1 }]);
  });
});

test("a start is over when the catalog was read: what says that it runs is ready", async () => {
  const stack = await startQuerydStack({
    catalogd: (peer) => ({
      ...peer,
      verbs: {
        ...peer.verbs,
        snapshot: async (input, options) => {
          await Bun.sleep(20);
          return peer.verbs.snapshot(input, options);
        },
      },
    }),
  });
  expect(stack.queryd.running.notReady?.()).toEqual([]);
  await stack.stop();
});

describe("a catalog that does not answer", () => {
  test("before the first answer queries get 503, afterwards they go on with what is known", async () => {
    let answers = false;
    const stack = await startQuerydStack({
      catalogd: (peer) => ({
        ...peer,
        verbs: {
          ...peer.verbs,
          snapshot: (input, options) =>
            answers
              ? peer.verbs.snapshot(input, options)
              : Promise.reject(fail("unavailable", "catalogd is not running")),
        },
      }),
    });
    try {
      await stack.dataset("known", "SELECT 1 AS a");
      const early = await stack.sql("SELECT 1");
      expect([early.status, early.headers.get("retry-after")]).toEqual([503, "1"]);
      expect(stack.queryd.running.notReady?.()).toEqual(["the catalog has not been read yet"]);
      answers = true;
      expect(await stack.rows("SELECT * FROM known")).toEqual([{ a: 1 }]);
      expect(stack.queryd.running.notReady?.()).toEqual([]);
      answers = false;
      for (let round = 0; round < 3; round++) {
        const stale = await stack.sql("SELECT * FROM known");
        expect([stale.status, stale.headers.get("x-lakehouse-catalog")]).toEqual([200, "stale"]);
      }
      expect(stack.queryd.log.filter(({ level }) => level === "warn").length).toBe(1);
      answers = true;
      expect((await stack.sql("SELECT * FROM known")).headers.get("x-lakehouse-catalog")).toBeNull();
    } finally {
      await stack.stop();
    }
  });
});

describe("stopping queries", () => {
  let stack: QuerydStack;
  beforeAll(async () => {
    stack = await startQuerydStack({
      queryd: { max_concurrent_queries: 2, max_waiting_queries: 1, queries_kept: 20 },
    });
  });
  afterAll(() => stack.stop());

  test("DELETE interrupts at once, and the list says so", async () => {
    const answer = stack.sql(endless);
    const [query] = await until(stack, "running", 1);
    const reply = await stack.queryd.peer.verbs.interrupt({ id: query?.query_id ?? "" });
    expect(reply.query_id).toBe(query?.query_id ?? "");
    expect(await typeOf(await answer)).toBe("conflict");
    const listed = (await stack.queryd.peer.verbs.queries({})).queries[0];
    expect(listed).toMatchObject({
      query_id: query?.query_id,
      state: "interrupted",
      sql: endless.slice(0, 200),
    });
  });

  test("a caller that leaves before the answer interrupts", async () => {
    const controller = new AbortController();
    const answer = stack.sql(endless, { signal: controller.signal }).catch(() => {});
    await until(stack, "running", 1);
    controller.abort();
    await until(stack, "running", 0);
    await answer;
  });

  test("a caller that leaves while what lists datasets is made leaves nothing half made", async () => {
    const list = "SELECT count(*)::INT AS n FROM information_schema.tables";
    const fresh = await startQuerydStack();
    try {
      expect((await fresh.sql("SELECT 1 AS one")).status).toBe(200);
      for (let ms = 0; ms < 30; ms++) {
        const controller = new AbortController();
        const answer = fresh.sql({ sql: list }, { signal: controller.signal }).catch(() => {});
        await Bun.sleep(ms);
        controller.abort();
        await answer;
      }
      // Of observerd's operations, the one table that is always there.
      expect(await fresh.rows(list)).toEqual([{ n: 1 }]);
    } finally {
      await fresh.stop();
    }
  });

  test("too many at once wait, and too many waiting are sent away", async () => {
    const answers = [stack.sql(endless), stack.sql(endless)];
    await until(stack, "running", 2);
    const third = stack.sql("SELECT 3 AS v");
    await until(stack, "queued", 1);
    const fourth = await stack.sql("SELECT 4 AS v");
    expect([fourth.status, fourth.headers.get("retry-after"), await typeOf(fourth)]).toEqual([
      429,
      "1",
      "too_many_requests",
    ]);
    const [first] = await stateOf(stack, "running");
    await stack.queryd.peer.verbs.interrupt({ id: first?.query_id ?? "" });
    expect(await (await third).json()).toEqual([{ v: 3 }]);
    for (const { query_id: id } of await stateOf(stack, "running"))
      await stack.queryd.peer.verbs.interrupt({ id });
    await Promise.all(answers);
    expect(await stack.rows("SELECT 5 AS v")).toEqual([{ v: 5 }]);
  });

  test("a waiting query can be stopped too", async () => {
    const answers = [stack.sql(endless), stack.sql(endless)];
    await until(stack, "running", 2);
    const waiting = stack.sql({ sql: "SELECT 1", timeout_ms: 60 });
    expect((await waiting).status).toBe(408);
    for (const { query_id: id } of await stateOf(stack, "running"))
      await stack.queryd.peer.verbs.interrupt({ id });
    for (const answer of answers) expect((await answer).status).toBe(409);
  });

  test("a caller that does not read loses its query when the time is over", async () => {
    const response = await stack.sql(
      { sql: "SELECT i, md5(i::VARCHAR) AS m FROM range(1_000_000_000) r(i)", timeout_ms: 4000 },
      { accept: "application/x-ndjson" },
    );
    expect(response.status).toBe(200);
    await until(stack, "running", 0);
    const rest = await response.text().catch((error: Error) => error.message);
    expect(rest).toContain("did not end within 4000 ms");
  });

  test("the list pages from the newest to the oldest kept", async () => {
    for (let at = 0; at < 30; at++) await stack.rows(`SELECT ${at} AS v`);
    const seen: string[] = [];
    let token: string | undefined;
    do {
      const page = await stack.queryd.peer.verbs.queries({
        page_size: 7,
        ...(token && { page_token: token }),
      });
      seen.push(...page.queries.map(({ sql }) => sql));
      token = page.next_page_token;
    } while (token);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, at) => `SELECT ${29 - at} AS v`));
  });
});
