/** A server that speaks Trino's protocol as recorded from Trino 476: pages, waits, an error on a later page, a cancel. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { tableFromIPC } from "apache-arrow";
import { readRemoteEngines } from "../../../../workers/queryd/remote/remote.ts";
import { configWith } from "../../../support/stacks/in-process.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

type Page = Record<string, unknown>;
const long = (value: number) => ({ kind: "LONG", value });
const type = (rawType: string, ...given: unknown[]) => ({ rawType, arguments: given });
const column = (name: string, typeSignature: ReturnType<typeof type>) => ({
  name,
  type: typeSignature.rawType,
  typeSignature,
});
const nested = (value: ReturnType<typeof type>) => ({ kind: "TYPE", value });
const field = (name: string, typeSignature: ReturnType<typeof type>) => ({
  kind: "NAMED_TYPE",
  value: { fieldName: { name, delimited: false }, typeSignature },
});

const wide = [
  column("id", type("bigint")),
  column("price", type("decimal", long(10), long(2))),
  column("rate", type("double")),
  column("at", type("timestamp", long(6))),
  column("zoned", type("timestamp with time zone", long(3))),
  column("day", type("date")),
  column("raw", type("varbinary")),
  column("tags", type("array", nested(type("varchar")))),
  column("home", type("row", field("city", type("varchar")), field("no", type("integer")))),
  column("counts", type("map", nested(type("varchar")), nested(type("bigint")))),
  column("by_id", type("map", nested(type("integer")), nested(type("varchar")))),
  column("ok", type("boolean")),
  column("exact", type("timestamp", long(12))),
  column("id", type("varchar")),
];
const wideRow = `[9007199254740993,"10.50","NaN","2024-01-31 10:00:00.123456","2024-01-31 10:00:00.000 Europe/Berlin","2024-01-31","aGk=",["a",null],["Köln",7],{"x":9007199254740993},{"3":"c"},true,"2024-01-31 10:00:00.123456789012","twice"]`;
const nulls = `[${wide.map(() => "null").join(",")}]`;

/** What the server was asked: method, path, headers and text. */
interface Asked {
  method: string;
  path: string;
  user: string | null;
  key: string | null;
  body: string;
}

const asked: Asked[] = [];
let busy = 0;
/** Answers of more than these pages wait for a reader. */
const endless = column("n", type("bigint"));

function answer(path: string, statement: string): Page | string {
  const next = (at: string | number) => ({
    nextUri: `http://inside.example:8080/v1/statement/executing/q/${at}`,
  });
  const [, page = ""] = /\/q\/(.*)$/.exec(path) ?? [];
  if (path === "/v1/statement")
    return { id: "q", ...next(`${encodeURIComponent(statement)}/0`), stats: { state: "QUEUED" } };
  const [name = "", at = "0"] = decodeURIComponent(page).split("/");
  const on = next(`${encodeURIComponent(name)}/${Number(at) + 1}`);
  if (name.includes("wide")) {
    if (at === "0") return { ...on };
    const columns = JSON.stringify(wide);
    if (at === "1") return `{"columns":${columns},"data":[${wideRow}],"nextUri":"${on.nextUri}"}`;
    return `{"columns":${columns},"data":[${nulls}]}`;
  }
  if (name.includes("endless") || name.includes("late")) {
    const rows = Array.from({ length: 2000 }, (_, row) => [Number(at) * 2000 + row]);
    if (name.includes("late") && at === "3")
      return {
        error: { message: "Division by zero", errorName: "DIVISION_BY_ZERO", errorType: "USER_ERROR" },
      };
    return { columns: [endless], data: rows, ...on };
  }
  if (name.includes("nothing")) return { columns: [endless] };
  if (name.includes("wrong rows")) return { columns: [endless], data: [["a text"]] };
  if (name.includes("missing"))
    return {
      error: {
        message: "line 1:15: Table 'missing' does not exist",
        errorName: "TABLE_NOT_FOUND",
        errorType: "USER_ERROR",
        errorLocation: { lineNumber: 1, columnNumber: 15 },
      },
    };
  if (name.includes("memory"))
    return {
      error: {
        message: "too much",
        errorName: "EXCEEDED_LOCAL_MEMORY_LIMIT",
        errorType: "INSUFFICIENT_RESOURCES",
      },
    };
  if (name.includes("disk")) return { error: { message: "gone", errorName: "HIVE", errorType: "EXTERNAL" } };
  if (name.includes("no json")) return "<html>";
  return { columns: [column("text", type("varchar"))], data: [[name]] };
}

let stack: QuerydStack;
let server: ReturnType<typeof Bun.serve>;

beforeAll(async () => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { pathname: path } = new URL(request.url);
      const body = await request.text();
      const { method, headers } = request;
      expect(headers.get("x-trino-client-capabilities")).toBe("PARAMETRIC_DATETIME");
      asked.push({
        method,
        path,
        user: headers.get("x-trino-user"),
        key: headers.get("authorization"),
        body,
      });
      if (busy > 0) {
        busy -= 1;
        return new Response("busy", { status: 503, headers: { "retry-after": "0" } });
      }
      if (method === "DELETE") return new Response(null, { status: 204 });
      if (body.includes("unwelcome")) return new Response("who?", { status: 401 });
      const page = answer(path, body);
      return new Response(typeof page === "string" ? page : JSON.stringify(page));
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  stack = await startQuerydStack({
    queryd: {
      engines: {
        trino: { kind: "trino", url, catalog: "lake", schema: "main", user: "reader" },
        away: { kind: "trino", url: "http://127.0.0.1:9" },
      },
    },
    secrets: {
      s3: () => undefined,
      provider: (name) => (name === "trino" ? "reader:secret-word" : undefined),
    },
  });
});
afterAll(async () => {
  await stack.stop();
  await server.stop(true);
});

const ask = (
  sql: string,
  more: Record<string, unknown> = {},
  options: Parameters<QuerydStack["sql"]>[1] = {},
) => stack.sql({ sql, engine: "trino", ...more }, options);

describe("a statement for another engine", () => {
  test("its types, exact numbers and NULLs are those of an answer here", async () => {
    const response = await ask("SELECT wide");
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).toContain('"id":9007199254740993');
    expect(JSON.parse(text)).toEqual([
      {
        id: expect.anything(),
        price: 10.5,
        rate: "NaN",
        at: "2024-01-31T10:00:00.123456Z",
        zoned: "2024-01-31T09:00:00Z",
        day: "2024-01-31",
        raw: "aGk=",
        tags: ["a", null],
        home: { city: "Köln", no: 7 },
        counts: { x: expect.anything() },
        by_id: [{ key: 3, value: "c" }],
        ok: true,
        exact: "2024-01-31 10:00:00.123456789012",
        id_1: "twice",
      },
      expect.objectContaining({ id: null, home: null, counts: null, raw: null }),
    ]);
  });

  test.each([
    ["text/csv", (text: string) => text.split("\n")[1]?.startsWith("9007199254740993,10.50,NaN")],
    ["application/x-ndjson", (text: string) => text.split("\n").length === 3],
    ["application/vnd.apache.parquet", (text: string) => text.startsWith("PAR1") && text.endsWith("PAR1")],
  ])("answers as %s", async (accept, fits) => {
    const response = await ask("SELECT wide", {}, { accept });
    expect(response.status).toBe(200);
    expect(fits(Buffer.from(await response.arrayBuffer()).toString("latin1"))).toBe(true);
  });

  test("answers as Arrow", async () => {
    const response = await ask(
      "SELECT endless",
      { limit: 5 },
      { accept: "application/vnd.apache.arrow.stream" },
    );
    expect(tableFromIPC(new Uint8Array(await response.arrayBuffer())).numRows).toBe(5);
  });

  test("the columns of no rows are there", async () => {
    const response = await ask("SELECT nothing", {}, { search: "?shape=full" });
    expect(await response.json()).toMatchObject({ columns: [{ name: "n", type: "BIGINT" }], rows: [] });
  });

  test("says who asks, with the key, the configured server alone, again where it was busy", async () => {
    asked.length = 0;
    busy = 2;
    expect(await (await ask("SELECT 'x';")).json()).toEqual([{ text: "SELECT 'x'" }]);
    expect(asked.map(({ method, path }) => `${method} ${path.slice(0, 26)}`)).toEqual(
      ["POST /v1/statement", "POST /v1/statement", "POST /v1/statement", "GET /v1/statement/executing/q"].map(
        (line) => expect.stringContaining(line.slice(0, 18)),
      ),
    );
    expect(new Set(asked.map(({ user, key }) => `${user} ${key}`))).toEqual(
      new Set([`reader Basic ${Buffer.from("reader:secret-word").toString("base64")}`]),
    );
  });

  test("parameters go by position, as text that cannot end early", async () => {
    const given = await ask("SELECT ?", { params: [1, "it's", null, [true], 0.5] });
    expect(await given.json()).toEqual([
      { text: "EXECUTE IMMEDIATE 'SELECT ?' USING 1, 'it''s', NULL, ARRAY[true], DOUBLE '0.5'" },
    ]);
  });

  test("a limit ends it there as well, and says that rows are left", async () => {
    asked.length = 0;
    const response = await ask("SELECT endless", { limit: 3 });
    expect(await response.json()).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
    expect(response.headers.get("x-lakehouse-truncated")).toBe("true");
    await until(() => asked.some(({ method }) => method === "DELETE"));
  });

  test("a caller that goes away, and a DELETE, end it there as well", async () => {
    for (const end of [
      (response: Response) => response.body?.cancel(),
      async (response: Response) => {
        const id = response.headers.get("x-lakehouse-query-id");
        await stack.queryd.peer.verbs.interrupt({ id: id ?? "" });
        await response.text().catch(() => undefined);
      },
    ]) {
      asked.length = 0;
      const response = await ask("SELECT endless", {}, { accept: "application/x-ndjson" });
      expect(response.status).toBe(200);
      await end(response);
      await until(() => asked.some(({ method }) => method === "DELETE"));
      const pages = asked.length;
      // What nobody reads is not fetched: a pipe, two pieces, and the pages under way.
      expect(pages).toBeLessThan(1000);
    }
  });

  test.each([
    ["SELECT missing", {}, 400, "TABLE_NOT_FOUND: line 1:15: Table 'missing' does not exist"],
    ["SELECT late", {}, 400, "DIVISION_BY_ZERO"],
    ["SELECT memory", {}, 422, "EXCEEDED_LOCAL_MEMORY_LIMIT"],
    ["SELECT disk", {}, 502, "HIVE: gone"],
    ["SELECT no json", {}, 502, "no JSON"],
    ["SELECT unwelcome", {}, 502, "refuses the key with 401"],
    ["SELECT wrong rows", {}, 502, "rows that are not of the types"],
    ["INSERT INTO t VALUES (1)", {}, 403, "INSERT does not read; expected one of SELECT"],
    ["EXPLAIN ANALYZE VERBOSE DELETE FROM t", {}, 403, "DELETE does not read"],
    ["EXPLAIN (TYPE DISTRIBUTED) INSERT INTO t SELECT 1", {}, 403, "INSERT does not read"],
    ["SELECT 1; DROP TABLE t", {}, 403, "one statement"],
    [" -- nothing", {}, 400, "empty"],
    ["SELECT $a", { params: { a: 1 } }, 400, "by position"],
    ["SELECT ?", { params: [{}] }, 400, "params[0]"],
    ["SELECT 1", { as_of: "2024-01-01T00:00:00Z" }, 400, "FOR TIMESTAMP AS OF"],
    ["SELECT 1", { engine: "trinno" }, 400, "did you mean 'trino'? Expected one of local, trino, away"],
    ["SELECT 1", { engine: "away" }, 503, "does not answer at 127.0.0.1:9"],
  ])("%s %j is %d", async (sql, more, status, words) => {
    const response = await ask(sql, more);
    const text = await response.text();
    expect(text).toContain(words);
    expect(response.status).toBe(status);
    expect(text).not.toContain("secret-word");
  });

  test("a deadline ends it", async () => {
    const response = await ask(
      "SELECT endless",
      { timeout_ms: 50 },
      { accept: "application/vnd.apache.parquet" },
    );
    expect([response.status, await response.text()]).toEqual([408, expect.stringContaining("50 ms")]);
  });

  test("local is the engine here", async () => {
    expect(await (await ask("SELECT 1 AS a", { engine: "local" })).json()).toEqual([{ a: 1 }]);
  });
});

test.each([
  [{ trino: { kind: "spark", url: "http://x" } }, "[queryd.engines.trino]"],
  [{ trino: { kind: "trino" } }, "url"],
  [{ trino: { kind: "trino", url: "http://user:word@x" } }, "url"],
  [{ trino: { kind: "trino", url: "http://x", password: "p" } }, "unknown field 'password'"],
  [{ local: { kind: "trino", url: "http://x" } }, "not 'local'"],
])("%j is refused at the start", (engines, words) => {
  const { queryd } = configWith({});
  const read = () => readRemoteEngines({ queryd: { ...queryd, engines } }, { provider: () => undefined });
  expect(read).toThrow(words);
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(5);
}
