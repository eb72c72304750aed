/** What callers get wrong, as rows: the status, the type, and what the message says. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ApiCase, runCases, says } from "../../support/clients/api-case.ts";
import { type QuerydStack, startQuerydStack } from "../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack({
    queryd: {
      max_timeout_ms: 600_000,
      max_json_bytes: 2_000_000,
      memory_limit: "200MB",
      max_temp_bytes: 1 << 24,
    },
  });
  await stack.dataset(
    "workers",
    "SELECT range AS id, 'name ' || range AS name, DATE '2024-01-01' AS hired FROM range(200_000)",
  );
  await stack.dataset("shifts", "SELECT 1 AS worker_id");
});
afterAll(() => stack.stop());

const noJson = says("invalid_json");
const invalid = says("invalid_field");
const sqlError = says("sql_error");
const late = says("timeout");
const exhausted = says("resource_exhausted");
const notAllowed = says("statement_not_allowed");
const bad = (name: string, body: ApiCase["body"], rest: Partial<ApiCase>): ApiCase => ({
  name,
  method: "POST",
  path: "/sql",
  body,
  lacks: ["lakehouse-queryd-", "read_parquet", "end_", "lakehouse.v_"],
  ...rest,
});
const sql = (name: string, text: string, contains: string[], rest: Partial<ApiCase> = {}): ApiCase =>
  bad(name, { sql: text }, { type: "sql_error", contains, ...rest });
const place = (line: number, column: number) => `"line":${line},"column":${column}`;

const requests: ApiCase[] = [
  bad("no body", undefined, noJson()),
  bad("an empty body", "", noJson()),
  bad("JSON cut short", '{"sql": "SELECT 1"', noJson()),
  bad("JSON that is a list", ["SELECT 1"], noJson()),
  bad("a body that is not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), noJson()),
  bad("another media type", "SELECT 1", {
    headers: { "content-type": "text/plain" },
    type: "unsupported_media_type",
  }),
  bad("no sql", {}, invalid("sql")),
  bad("sql that is a number", { sql: 1 }, invalid("sql")),
  bad("empty sql", { sql: "" }, invalid("sql")),
  bad(
    "an unknown field",
    { sql: "SELECT 1", parms: [] },
    { type: "unknown_field", contains: ["parms", "params"] },
  ),
  bad(
    "an unknown query parameter",
    { sql: "SELECT 1" },
    { path: "/sql?format=csv", type: "unknown_field", contains: ["format", "shape"] },
  ),
  bad(
    "an unknown shape",
    { sql: "SELECT 1" },
    { path: "/sql?shape=wide", type: "invalid_field", contains: ["rows, full"] },
  ),
  bad(
    "a shape for CSV",
    { sql: "SELECT 1" },
    {
      path: "/sql?shape=full",
      headers: { accept: "text/csv", "content-type": "application/json" },
      type: "invalid_field",
    },
  ),
  bad("a negative limit", { sql: "SELECT 1", limit: -1 }, invalid("limit")),
  bad("a limit beyond what the engine counts", { sql: "SELECT 1", limit: 1e300 }, invalid("limit", "1e+300")),
  bad("a limit that is no integer", { sql: "SELECT 1", limit: 1.5 }, invalid("limit")),
  bad("a time limit of nothing", { sql: "SELECT 1", timeout_ms: 0 }, invalid("timeout_ms")),
  bad("a time limit beyond the largest", { sql: "SELECT 1", timeout_ms: 600_001 }, invalid("600000")),
  bad(
    "an Accept for pictures",
    { sql: "SELECT 1" },
    {
      headers: { accept: "image/png", "content-type": "application/json" },
      type: "not_acceptable",
      contains: ["application/json", "text/csv", "arrow", "parquet"],
    },
  ),
  bad(
    "an Accept that refuses everything",
    { sql: "SELECT 1" },
    { headers: { accept: "*/*;q=0", "content-type": "application/json" }, type: "not_acceptable" },
  ),
  bad(
    "EXPLAIN as Parquet",
    { sql: "EXPLAIN SELECT 1" },
    {
      headers: { accept: "application/vnd.apache.parquet", "content-type": "application/json" },
      type: "not_acceptable",
    },
  ),
  bad("sql beyond a million characters", { sql: `SELECT '${"x".repeat(1_000_001)}'` }, invalid("sql")),
  bad("a body beyond the limit", { sql: `SELECT '${"x".repeat(2_100_000)}'` }, { type: "too_large" }),
  { name: "GET without a statement", path: "/sql", type: "invalid_field", contains: ["sql"] },
  { name: "DELETE", method: "DELETE", path: "/sql", type: "method_not_allowed" },
  {
    name: "a page token that means nothing",
    path: "/sql/queries?page_token=nope",
    type: "invalid_field",
    contains: ["page_token"],
  },
  {
    name: "interrupting a query that never was",
    method: "DELETE",
    path: "/sql/queries/nope",
    type: "not_found",
    contains: ["nope"],
  },
];

const statements: ApiCase[] = [
  sql("white space alone", "  \n\t ", ["empty"]),
  sql("a comment alone", "-- nothing\n/* here */", ["empty"]),
  sql("semicolons alone", ";;", ["empty"]),
  sql("a NUL character", "SELECT 1\0", ["NUL"]),
  sql("a misspelt keyword", "SELEC 1", ["syntax error", '"SELEC', place(1, 1)]),
  sql("an unfinished statement", "SELECT 1 +", ["syntax error at end of input", place(1, 11)]),
  sql("an unclosed string", "SELECT 'x", ["unterminated"]),
  sql("an unclosed bracket", "SELECT (1", ["syntax error"]),
  sql("two statements", "SELECT 1; SELECT 2", ["one statement", "2"]),
  sql("an unknown dataset, with names that come near", "SELECT * FROM wokers", [
    "wokers",
    "did you mean workers",
    place(1, 15),
  ]),
  sql("an unknown dataset that nothing comes near", "SELECT * FROM zzzzzzzzz", ["zzzzzzzzz", "SHOW TABLES"]),
  sql("a dataset with a schema, with names that come near", "SELECT * FROM main.wokers", [
    "did you mean workers",
  ]),
  sql("a schema behind a comment", "SELECT * FROM main/**/.workers", ["plainly"]),
  sql("a dataset at a version", "SELECT * FROM workers AT (VERSION => 1)", ["AT"]),
  sql("an unknown column", "SELECT nme\nFROM workers", [
    'Referenced column \\"nme\\" not found',
    "name",
    place(1, 8),
  ]),
  sql("an unknown column on a later line", "SELECT id,\n  'é' AS e, nme\nFROM workers", [
    "nme",
    place(2, 13),
  ]),
  sql("an unknown column of an alias", "SELECT w.x FROM workers w", ["x", place(1, 8)]),
  sql("an unknown function, with a name that comes near", "SELECT uper('x')", ["uper", "upper"]),
  sql("a wrong number of arguments", "SELECT upper('a', 'b')", ["upper"]),
  sql("a wrong type of argument", "SELECT upper(DATE '2024-01-01')::INTEGER + [1]", ["Binder Error"]),
  sql("an ungrouped column", "SELECT name, count(*) FROM workers", ["GROUP BY"]),
  sql("an ambiguous column", "SELECT id FROM workers a JOIN workers b ON a.id = b.id", ["mbiguous"]),
  sql("an aggregate where none may be", "SELECT id FROM workers WHERE sum(id) > 1", ["WHERE"]),
  sql("a cast that fails on the first row", "SELECT name::INTEGER FROM workers", [
    "Could not convert string",
    "name 0",
    place(1, 12),
  ]),
  sql("a cast that fails in the middle", "SELECT if(id = 150, 'x', '1')::INTEGER FROM workers", [
    "Could not convert string 'x'",
  ]),
  sql(
    "a cast that fails on the last row",
    "SELECT if(id = 30_000, 'x', '1')::INTEGER AS v FROM workers WHERE id <= 30_000",
    ["Could not convert string 'x'"],
  ),
  sql("a date that is none", "SELECT DATE '2024-13-01'", ["2024-13-01"]),
  sql(
    "an integer that overflows",
    "SELECT 2147483647::INTEGER * 2147483647::INTEGER * 2147483647::INTEGER * 10",
    ["Out of Range Error", "verflow"],
  ),
  sql("an error of the caller's own", "SELECT error('mine') FROM workers", ["mine"]),
  sql("a subquery with two rows", "SELECT (SELECT id FROM workers)", ["More than one row"]),
  sql("set operations of different width", "SELECT 1, 2 UNION SELECT 1", ["columns"]),
  sql("a pattern that does not compile", "SELECT regexp_matches('a', '[')", ["missing ]"]),
  sql("bad JSON inside", "SELECT '{'::JSON", ["JSON"]),
  sql("PIVOT without its values", "PIVOT workers ON id USING count(*)", ["IN (value"]),
  sql("EXPLAIN with an unknown option", "EXPLAIN (VERBOSE) SELECT 1", ["VERBOSE", "ANALYZE"]),
  sql("EXPLAIN of nothing", "EXPLAIN", ["empty"]),
  sql("EXPLAIN of an error", "EXPLAIN SELECT nme FROM workers", ["nme", place(1, 16)]),
  sql("a column that no format holds", "SELECT id::VARIANT AS v FROM workers", ["VARIANT", "CAST"]),
  sql("nesting without end", `SELECT ${"(".repeat(20_000)}1${")".repeat(20_000)}`, []),
  sql("an expression of thousands of terms", `SELECT ${Array(5000).fill("id").join(" || ")} FROM workers`, [
    "expression depth",
  ]),
  sql(
    "hundreds of joins",
    `SELECT 1 FROM ${Array.from({ length: 200 }, (_, at) => `range(2) t${at}(c)`).join(" CROSS JOIN ")}`,
    ["joins", "80"],
  ),
  sql(
    "names that multiply",
    `WITH ${Array.from({ length: 20 }, (_, at) => `c${at} AS (SELECT 1 AS x${at ? ` FROM c${at - 1} a, c${at - 1} b` : ""})`).join(", ")} SELECT * FROM c19`,
    ["too complex"],
  ),
  sql("DROP", "DROP VIEW workers", ["DROP is not allowed"], notAllowed()),
];

/** Text as JSON that nests 50,000 levels: DuckDB calls itself for each, and the process would end. */
const deepList = "(repeat('[', 50000) || repeat(']', 50000))";
const deepObject = `(repeat('{"a":', 50000) || '1' || repeat('}', 50000))`;
const nested = (open: string, close: string, levels: number) =>
  `SELECT ${open.repeat(levels)}1${close.repeat(levels)} AS v`;

const deep: ApiCase[] = [
  ...[deepList, deepObject, `${deepObject}::JSON`].flatMap((text) =>
    [
      `json_structure(${text})`,
      `(${text}).json_structure()`,
      `json_group_structure(${text})`,
      `json_contains(${text}, ${text})`,
      `json_merge_patch(${text}, ${text})`,
      `json_pretty(${text})`,
    ].map((call) => sql(call, `SELECT ${call}`, ["JSON nests deeper than 128 levels"])),
  ),
  ...["from_json", "from_json_strict", "json_transform", "JSON_TRANSFORM_STRICT"].flatMap((name) => [
    sql(`${name} of a deep structure`, `SELECT ${name}('1', ${deepList})`, ["at most 16"], notAllowed()),
    sql(
      `${name} of a deep constant`,
      `SELECT ${name}('1', '${"[".repeat(5000)}"BIGINT"${"]".repeat(5000)}')`,
      ["at most 16 levels"],
      notAllowed(),
    ),
  ]),
  sql(
    "a guard passed by",
    `SELECT system.main.json_structure(${deepList})`,
    ["without a schema"],
    notAllowed(),
  ),
  sql("VARIANT", `SELECT ${deepList}::JSON::VARIANT`, ["VARIANT is not supported"]),
  sql("lists in lists", nested("[", "]", 17), ["nests 17 levels deep", "at most 16"]),
  sql("structs in structs", nested("{'a': ", "}", 17), ["nests 17 levels deep"]),
  sql("maps in maps", nested("MAP {'a': ", "}", 17), ["nests 17 levels deep"]),
  sql("inside of an expression", `SELECT (${nested("{'a': ", "}", 17).slice(7, -5)})::VARCHAR AS v`, ["17"]),
  sql(
    "by names that build on each other",
    `WITH c0 AS (SELECT 1 AS x), ${Array.from({ length: 60 }, (_, at) => `c${at + 1} AS (SELECT [x] AS x FROM c${at})`).join(", ")} SELECT x FROM c60`,
    ["nests 60 levels deep"],
  ),
];

test("what nests as deep as it may is answered", async () => {
  for (const text of [nested("[", "]", 16), nested("{'a': ", "}", 16), nested("MAP {'a': ", "}", 16)])
    expect((await stack.sql(text)).status).toBe(200);
  expect(
    await stack.rows(
      `SELECT json_structure('[' || repeat('{"a": "[[[\\"]"},', 5000) || '1]') IS NULL AS s, json_transform('[1]', '["BIGINT"]') AS t, json_merge_patch('{"a":1}', '{"b":2}') AS m, json_contains('[1]', '1') AS c`,
    ),
  ).toEqual([{ s: false, t: [1], m: { a: 1, b: 2 }, c: true }]);
});

const parameters: ApiCase[] = [
  bad("too few", { sql: "SELECT $1 + $2", params: [1] }, invalid("2 parameters", "params has 1")),
  bad("too many", { sql: "SELECT $1::INT", params: [1, 2] }, invalid("1 parameter,", "params has 2")),
  bad("some for a statement without", { sql: "SELECT 1", params: [1] }, invalid("no parameters")),
  bad("none at all", { sql: "SELECT ?" }, invalid("1 parameter", "params has 0")),
  bad("a list for names", { sql: "SELECT $a", params: [1] }, invalid("$a", "object")),
  bad("a missing name", { sql: "SELECT $a, $b", params: { a: 1 } }, invalid("lacks $b")),
  bad("an unused name", { sql: "SELECT $a", params: { a: 1, c: 2 } }, invalid("$c")),
  bad("a number that leaves others out", { sql: "SELECT $2", params: [1] }, invalid("uses $2 and not $1")),
  bad("a gap in the numbers", { sql: "SELECT $1, $4, $2", params: [1, 2, 3] }, invalid("uses $4 and not $3")),
  bad("a number from nothing", { sql: "SELECT $0", params: [1] }, sqlError("write parameters as $1")),
  bad("an object as a value", { sql: "SELECT $1", params: [{ a: 1 }] }, invalid("params.0", "CAST")),
  bad("a list of several types", { sql: "SELECT $1", params: [[1, "x"]] }, invalid("integer and text")),
  bad(
    "an integer that JSON cannot hold",
    '{"sql": "SELECT $1", "params": [12345678901234567890]}',
    invalid("cannot be kept exactly", "text"),
  ),
  bad("params that are text", { sql: "SELECT $1", params: "x" }, invalid("params")),
  bad(
    "text where a number must be",
    { sql: "SELECT $1::INTEGER", params: ["x"] },
    sqlError("Could not convert string 'x'"),
  ),
  bad("by place and by name at once", { sql: "SELECT $1, $a", params: [1] }, sqlError("Mixing")),
];

const limits: ApiCase[] = [
  bad(
    "a query that takes too long",
    {
      sql: "SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b WHERE hash(a.range + b.range) = 7",
      timeout_ms: 150,
    },
    late("150 ms"),
  ),
  bad(
    "a query that takes too long before it is sent",
    { sql: "SELECT list(range) FROM range(200_000_000)", timeout_ms: 1 },
    late(),
  ),
  bad(
    "more memory than there is",
    { sql: "SELECT len(list(range)) FROM range(200_000_000)" },
    exhausted("needs more"),
  ),
  sql("a giant text of a small one", "SELECT len(repeat('x', 4_000_000_000))", [
    "too many characters",
    "1048576",
  ]),
  sql("a giant text of a column", "SELECT lpad(name, 2_000_000_000, 'x') FROM workers", [
    "too many characters",
  ]),
  sql("a giant list", "SELECT len(range(1, 2_000_000_000, 1))", ["too many list items", "1000000"]),
  sql(
    "a giant series of times",
    "SELECT generate_series(TIMESTAMP '1900-01-01', TIMESTAMP '2100-01-01', INTERVAL 1 SECOND)",
    ["too many list items"],
  ),
  bad(
    "more disk than there is",
    {
      sql: "SELECT count(m) FROM (SELECT md5(range::VARCHAR) || repeat('x', 1000) AS m FROM range(2_000_000) ORDER BY m OFFSET 1)",
    },
    exhausted(),
  ),
];

const fine: ApiCase = {
  name: "and after all that the service answers",
  method: "POST",
  path: "/sql",
  body: { sql: "SELECT count(*) FROM workers" },
  status: 200,
  contains: ['[{"count_star()":200000}]'],
};

/** Statements with parameters of every kind, and what may be given for them: each pair has an answer. */
const asked = [
  ...["$2", "$1, $3", "$0", "$01", "$1, ?", "?, ?", "?1", "$a, $A", "$1, $a", "$1a", "?a", "$ü", "$1000"],
  ...["'$1', $1", "$$a $1$$, $1", "$x$ $1 $x$, $1", "1 -- $1", "/* ? */ ?", "$99999999999999999999"],
  ...["unnest($1)", "$1[1]", "interval ($1) day", "$1 LIKE $2", "list_transform($1, x -> x + $2)"],
  ...["* FROM range($1)", "* FROM json_each($1)", "id FROM workers LIMIT $1", "DATE '2020-01-01' + $1"],
].map((select) => `SELECT ${select}`);
const given: unknown[] = [
  ...[undefined, [], [1], [1, 2], ["x"], [null], [[1, 2]], [[]], [[null]], [[1, "x"]], [true], [1.5]],
  ...[["a\0b"], ["it's \ud800"], { a: 1 }, { a: 1, b: 2 }, { A: 1 }, { 1: 1 }, { "": 1 }, {}, [[[1], [2]]]],
  ...[{ constructor: 1 }, ["x".repeat(50_000)], [{ a: 1 }]],
];
test("every pair of parameters asked for and given has an answer", async () => {
  for (const text of asked)
    for (const params of given) {
      const response = await stack.sql({ sql: text, ...(params !== undefined && { params }) });
      expect(`${text} ${JSON.stringify(params)?.slice(0, 50)} ${response.status}`).toMatch(/ (200|400|422)$/);
      await response.body?.cancel();
    }
});

describe("requests", () => runCases([...requests, fine], () => stack.send));
describe("statements", () => runCases([...statements, fine], () => stack.send));
describe("depth", () => runCases([...deep, fine], () => stack.send));
describe("parameters", () => runCases([...parameters, fine], () => stack.send));
describe("limits", () => runCases([...limits, fine], () => stack.send));
