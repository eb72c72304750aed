/** DuckDB values in JSON, CSV, Arrow and Parquet: rows of SQL and what must come out. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { tableFromIPC } from "apache-arrow";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
let instance: DuckDBInstance;
let reader: DuckDBConnection;
beforeAll(async () => {
  stack = await startQuerydStack();
  instance = await DuckDBInstance.create(":memory:");
  reader = await instance.connect();
  await reader.run("SET TimeZone = 'UTC'");
});
afterAll(async () => {
  reader.closeSync();
  instance.closeSync();
  await stack.stop();
});

/** The text after `{"v":` and the line after the header `v`. */
const values: [sql: string, json: string, csv?: string][] = [
  ["NULL", "null", ""],
  ["true", "true"],
  ["9007199254740991", "9007199254740991"],
  ["9007199254740992", "9007199254740992", "9007199254740992"],
  ["-9007199254740991", "-9007199254740991"],
  ["-9007199254740992", "-9007199254740992", "-9007199254740992"],
  ["-2147483648", "-2147483648"],
  ["4294967296", "4294967296"],
  ["18446744073709551615::UBIGINT", "18446744073709551615", "18446744073709551615"],
  ["1::HUGEINT", "1", "1"],
  [
    "(-170141183460469231731687303715884105728)::HUGEINT",
    "-170141183460469231731687303715884105728",
    "-170141183460469231731687303715884105728",
  ],
  [
    "340282366920938463463374607431768211455::UHUGEINT",
    "340282366920938463463374607431768211455",
    "340282366920938463463374607431768211455",
  ],
  [
    "'-123456789012345678901234567890123456789012'::BIGNUM",
    "-123456789012345678901234567890123456789012",
    "-123456789012345678901234567890123456789012",
  ],
  ["0::BIGNUM", "0", "0"],
  ["1.10", "1.10"],
  ["0.05::DECIMAL(4,2)", "0.05"],
  ["-0.05::DECIMAL(9,2)", "-0.05"],
  ["12345.678::DECIMAL(18,3)", "12345.678"],
  ["999999999999.999::DECIMAL(18,3)", "999999999999.999"],
  ["1000000000000.001::DECIMAL(18,3)", "1000000000000.001", "1000000000000.001"],
  [
    "0.1::DECIMAL(38,37)",
    "0.1000000000000000000000000000000000000",
    "0.1000000000000000000000000000000000000",
  ],
  ["5::DECIMAL(10,0)", "5"],
  ["0.1::DOUBLE", "0.1"],
  ["1e300::DOUBLE", "1e+300"],
  ["'-0'::DOUBLE", "-0.0"],
  ["'-0'::FLOAT", "-0.0"],
  ["1::DOUBLE", "1.0", "1"],
  ["-9007199254740993::DOUBLE", "-9007199254740992.0", "-9007199254740992"],
  ["1e21::DOUBLE", "1e+21"],
  ["0.1::FLOAT", "0.1"],
  ["16777217::FLOAT", "16777216.0", "16777216"],
  ["'nan'::DOUBLE", '"NaN"', "NaN"],
  ["'inf'::FLOAT", '"Infinity"', "Infinity"],
  ["'-inf'::DOUBLE", '"-Infinity"', "-Infinity"],
  ["''", '""', '""'],
  ["'plain'", '"plain"', "plain"],
  ["'a,b'", '"a,b"', '"a,b"'],
  ["'say \"hi\"'", '"say \\"hi\\""', '"say ""hi"""'],
  ["'back\\slash and twelve more'", '"back\\\\slash and twelve more"', "back\\slash and twelve more"],
  ["'two' || chr(10) || 'lines' || chr(13) || chr(9)", '"two\\nlines\\r\\t"', '"two\nlines\r\t"'],
  ["chr(1) || chr(31) || chr(127)", '"\\u0001\\u001f\x7f"', "\x01\x1f\x7f"],
  [
    "'Zoë 🦆 中文 longer than twelve bytes'",
    '"Zoë 🦆 中文 longer than twelve bytes"',
    "Zoë 🦆 中文 longer than twelve bytes",
  ],
  ["DATE '2024-02-29'", '"2024-02-29"', "2024-02-29"],
  ["DATE '0001-01-01'", '"0001-01-01"', "0001-01-01"],
  ["DATE '0044-03-15 (BC)'", '"-000043-03-15"', "-000043-03-15"],
  ["DATE '0001-01-01 (BC)'", '"0000-01-01"', "0000-01-01"],
  ["DATE '12345-06-07'", '"+012345-06-07"', "+012345-06-07"],
  ["DATE 'infinity'", '"infinity"', "infinity"],
  ["DATE '-infinity'", '"-infinity"', "-infinity"],
  ["TIMESTAMP '2024-01-02 03:04:05'", '"2024-01-02T03:04:05Z"', "2024-01-02 03:04:05"],
  ["TIMESTAMP '2024-01-02 03:04:05.1'", '"2024-01-02T03:04:05.100Z"', "2024-01-02 03:04:05.1"],
  ["TIMESTAMP '1969-12-31 23:59:59.999999'", '"1969-12-31T23:59:59.999999Z"', "1969-12-31 23:59:59.999999"],
  ["TIMESTAMP '0044-03-15 (BC) 12:00:00'", '"-000043-03-15T12:00:00Z"', "-000043-03-15 12:00:00"],
  ["TIMESTAMP 'infinity'", '"infinity"', "infinity"],
  [
    "TIMESTAMP_NS '2024-01-02 03:04:05.123456789'",
    '"2024-01-02T03:04:05.123456789Z"',
    "2024-01-02 03:04:05.123456789",
  ],
  ["TIMESTAMP_S '2024-01-02 03:04:05'", '"2024-01-02T03:04:05Z"', "2024-01-02 03:04:05"],
  ["TIMESTAMP_MS '1960-01-02 03:04:05.006'", '"1960-01-02T03:04:05.006Z"', "1960-01-02 03:04:05.006"],
  ["TIMESTAMPTZ '2024-07-01 12:00:00+02'", '"2024-07-01T10:00:00Z"', "2024-07-01T10:00:00Z"],
  ["TIME '23:59:59.000001'", '"23:59:59.000001"', "23:59:59.000001"],
  ["TIME '24:00:00'", '"24:00:00"', "24:00:00"],
  ["TIMETZ '01:02:03+05:30'", '"01:02:03+05:30"', "01:02:03+05:30"],
  ["TIMETZ '01:02:03-08'", '"01:02:03-08:00"', "01:02:03-08:00"],
  [
    "INTERVAL '1 year 2 months 3 days 4 hours 5.5 seconds'",
    '"1 year 2 months 3 days 04:00:05.5"',
    "1 year 2 months 3 days 04:00:05.5",
  ],
  ["INTERVAL '-14 months -3 days'", '"-1 year -2 months -3 days"', "-1 year -2 months -3 days"],
  ["INTERVAL 100 HOUR", '"100:00:00"', "100:00:00"],
  ["INTERVAL '-1.25 seconds'", '"-00:00:01.25"', "-00:00:01.25"],
  ["INTERVAL 0 DAY", '"00:00:00"', "00:00:00"],
  [
    "'0123456789abcdef0123456789abcdef'::UUID",
    '"01234567-89ab-cdef-0123-456789abcdef"',
    "01234567-89ab-cdef-0123-456789abcdef",
  ],
  [
    "'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID",
    '"ffffffff-ffff-ffff-ffff-ffffffffffff"',
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
  ],
  ["'\\x00\\xFF\\x10'::BLOB", '"AP8Q"', "AP8Q"],
  ["''::BLOB", '""', ""],
  ["'10110'::BIT", '"10110"', "10110"],
  ["'b \"q\"'::ENUM('a', 'b \"q\"')", '"b \\"q\\""', '"b ""q"""'],
  ["[1, NULL, 3]", "[1,null,3]", '"[1,null,3]"'],
  ["[]::INTEGER[]", "[]"],
  ["[[1], [], NULL]", "[[1],[],null]", '"[[1],[],null]"'],
  ["[1, 2]::INTEGER[2]", "[1,2]", '"[1,2]"'],
  [
    "{'a': 1, 'b \"c\"': 'x', 'n': NULL}",
    '{"a":1,"b \\"c\\"":"x","n":null}',
    '"{""a"":1,""b \\""c\\"""":""x"",""n"":null}"',
  ],
  [
    "{'d': DATE '2024-01-01', 'h': 5::HUGEINT, 'l': [{'x': 'y'}]}",
    '{"d":"2024-01-01","h":5,"l":[{"x":"y"}]}',
    '"{""d"":""2024-01-01"",""h"":5,""l"":[{""x"":""y""}]}"',
  ],
  ["MAP {'k': 1, '__proto__': 2}", '{"k":1,"__proto__":2}', '"{""k"":1,""__proto__"":2}"'],
  [
    "MAP {1: 'a', 2: NULL}",
    '[{"key":1,"value":"a"},{"key":2,"value":null}]',
    '"[{""key"":1,""value"":""a""},{""key"":2,""value"":null}]"',
  ],
  ["MAP {}::MAP(VARCHAR, INTEGER)", "{}"],
  ["union_value(num := 2)::UNION(num INTEGER, str VARCHAR)", '{"num":2}', '"{""num"":2}"'],
  ["'{\"a\": [1,\n 2]}'::JSON", '{"a": [1,  2]}', '"{""a"": [1,\n 2]}"'],
  ["row(1, 'x')", '[1,"x"]', '"[1,""x""]"'],
  ["[row(1, row('a', NULL))]", '[[1,["a",null]]]', '"[[1,[""a"",null]]]"'],
  [
    '\'{"a":1,"b":2,"a":3}\'::JSON::MAP(VARCHAR, INTEGER)',
    '[{"key":"a","value":1},{"key":"b","value":2},{"key":"a","value":3}]',
    '"[{""key"":""a"",""value"":1},{""key"":""b"",""value"":2},{""key"":""a"",""value"":3}]"',
  ],
  ["'12345678901234567890.5'::JSON", "12345678901234567890.5"],
  ["'null'::JSON", "null"],
];

describe("one value", () => {
  for (const [sql, json, csv = json] of values)
    test(sql, async () => {
      const statement = `SELECT ${sql} AS v`;
      expect(await (await stack.sql(statement)).text()).toBe(`[{"v":${json}}]`);
      expect(await (await stack.sql(statement, { accept: "application/x-ndjson" })).text()).toBe(
        `{"v":${json}}\n`,
      );
      expect(await (await stack.sql(statement, { accept: "text/csv" })).text()).toBe(`v\n${csv}\n`);
      JSON.parse(json);
    });

  test("dates and timestamps agree with DuckDB over eight thousand years", async () => {
    const rows = await stack.rows(
      "SELECT d AS v, strftime(d, '%Y-%m-%d') AS w, t AS x, strftime(t, '%Y-%m-%dT%H:%M:%S.%fZ') AS y FROM (SELECT DATE '1000-01-01' + (range * 137)::INTEGER AS d, TIMESTAMP '1000-01-01' + INTERVAL (range * 11_833_333_337) MICROSECOND AS t FROM range(20_000))",
    );
    expect(rows.length).toBe(20_000);
    for (const { v, w, x, y } of rows) {
      expect(v).toBe(w);
      expect(String(x).replace(/(\.\d{3})?Z$/, "$1")).toBe(
        String(y)
          .replace(/(\.000)?000Z$/, "")
          .replace(/Z$/, ""),
      );
    }
  });

  test("intervals agree with DuckDB", async () => {
    const rows = await stack.rows(
      "SELECT i AS v, i::VARCHAR AS w FROM (SELECT to_months(((hash(range) % 90)::INTEGER - 45)) + to_days(((hash(range + 7) % 70)::INTEGER - 35)) + to_microseconds(((hash(range * 3) % 7_200_000_000_000)::BIGINT - 3_600_000_000_000)) AS i FROM range(3000))",
    );
    for (const { v, w } of rows) expect(v).toBe(w);
  });
});

/** A value of each type that is small, and one that a double changes; then their forms with `numbers=string`. */
const numbers: [type: string, small: string, long: string, form: "number" | "string"][] = [
  ["TINYINT", "1", "-128", "number"],
  ["UINTEGER", "1", "4294967295", "number"],
  ["BIGINT", "1", "9007199254740993", "string"],
  ["UBIGINT", "1", "18446744073709551615", "string"],
  ["HUGEINT", "1", "-170141183460469231731687303715884105728", "string"],
  ["UHUGEINT", "1", "340282366920938463463374607431768211455", "string"],
  ["BIGNUM", "1", "123456789012345678901234567890123456789012", "string"],
  ["DECIMAL(4,2)", "1.00", "-99.99", "string"],
  ["DECIMAL(18,3)", "1.000", "123456789012345.678", "string"],
  ["DECIMAL(38,2)", "1.00", "123456789012345678901234567890123456.78", "string"],
  ["DOUBLE", "1.0", "0.1", "number"],
  ["FLOAT", "1.0", "16777216.0", "number"],
];

describe("the form of a number", () => {
  for (const [type, small, long, form] of numbers)
    test(`${type} is decided by its type alone`, async () => {
      const value = `{'v': [v], 'm': MAP {v: v}, 'u': union_value(n := v), 'r': row(v)}`;
      const statement = `SELECT v, ${value} AS n FROM (VALUES ('${small}'::${type}), ('${long}'), (NULL)) t(v)`;
      const rowsOf = (quote: string) =>
        [small, long].map((text) => {
          const v = quote + text + quote;
          return `{"v":${v},"n":{"v":[${v}],"m":[{"key":${v},"value":${v}}],"u":{"n":${v}},"r":[${v}]}}`;
        });
      for (const [search, quote] of [
        ["", ""],
        ["?numbers=json", ""],
        ["?numbers=string", form === "string" ? '"' : ""],
      ] as const) {
        const sql = `SELECT * FROM (${statement}) WHERE v IS NOT NULL`;
        const expected = rowsOf(quote);
        const json = await (await stack.sql(sql, { search })).text();
        expect(json).toBe(`[${expected.join(",")}]`);
        const full = `${search || "?numbers=json"}&shape=full`;
        expect(await (await stack.sql(sql, { search: full })).text()).toContain(`"rows":${json},`);
        const lines = await stack.sql(sql, { search, accept: "application/x-ndjson" });
        expect(await lines.text()).toBe(expected.map((line) => `${line}\n`).join(""));
      }
      const nulls = await stack.sql(`SELECT v FROM (${statement}) WHERE v IS NULL`, {
        search: "?numbers=string",
      });
      expect(await nulls.text()).toBe('[{"v":null}]');
    });

  test("the service's own default is a setting, and other formats have no such choice", async () => {
    const other = await startQuerydStack({ queryd: { numbers: "string" } });
    try {
      expect(await (await other.sql("SELECT 1::BIGINT AS v")).text()).toBe('[{"v":"1"}]');
      expect(await (await other.sql("SELECT 1::BIGINT AS v", { search: "?numbers=json" })).text()).toBe(
        '[{"v":1}]',
      );
      expect(await (await other.sql("SELECT 1::BIGINT AS v", { accept: "text/csv" })).text()).toBe("v\n1\n");
      const csv = await other.sql("SELECT 1", { search: "?numbers=json", accept: "text/csv" });
      expect([csv.status, await csv.text()]).toEqual([400, expect.stringContaining("numbers")]);
    } finally {
      await other.stop();
    }
  });
});

describe("every type at its limits", () => {
  test("JSON parses, and Arrow and Parquet give back what went in", async () => {
    const columns = await stack.rows(
      "SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM test_all_types())",
    );
    expect(columns.length).toBeGreaterThan(50);
    for (const { name, type } of columns) {
      const huge = /^U?HUGEINT$/.test(String(type));
      const column = huge ? `CAST("${name}" // 10 AS ${type}) AS "${name}"` : `"${name}"`;
      const statement = `SELECT ${column} FROM test_all_types()`;
      const answer = await stack.sql(statement);
      if (type === "GEOMETRY") {
        expect(answer.status).toBe(400);
        expect(await answer.text()).toContain("CAST it to VARCHAR");
        continue;
      }
      const rows = (await answer.json()) as Record<string, unknown>[];
      expect([name, rows.length, rows[2]?.[String(name)]]).toEqual([name, 3, null]);
      const stream = await stack.sql(statement, { accept: "application/vnd.apache.arrow.stream" });
      const table = tableFromIPC(new Uint8Array(await stream.arrayBuffer()));
      expect([name, table.numRows, table.getChildAt(0)?.nullCount]).toEqual([name, 3, 1]);
      await sameInParquet(statement, String(name));
    }
  });

  async function sameInParquet(statement: string, name: string): Promise<void> {
    const answer = await stack.sql(statement, { accept: "application/vnd.apache.parquet" });
    expect([name, answer.status]).toEqual([name, 200]);
    const file = join(stack.directory, `${name}.parquet`);
    await Bun.write(file, await answer.arrayBuffer());
    const text = async (from: string) =>
      (await reader.runAndReadAll(`SELECT "${name}"::VARCHAR FROM ${from}`)).getRows().flat();
    // A union has no place in Parquet but as the struct of its members.
    if (name !== "union")
      expect([name, await text(`'${file}'`)]).toEqual([name, await text(`(${statement})`)]);
  }

  test("128-bit integers of more than 38 digits are refused where they do not fit, not rounded", async () => {
    for (const accept of ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]) {
      const response = await stack.sql("SELECT 170141183460469231731687303715884105727::HUGEINT AS v", {
        accept,
      });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain("sql_error");
    }
  });

  test("Arrow has numbers for sums and decimals, and validity of many batches", async () => {
    const response = await stack.sql(
      "SELECT i, if(i % 3 = 0, NULL, i) AS n, if(i % 5 = 0, NULL, i % 2 = 0) AS b, if(i % 7 = 0, NULL, 's' || i) AS s, (i / 4)::DECIMAL(12, 2) AS d, sum(i) OVER (ORDER BY i ROWS 1 PRECEDING) AS h, [i, NULL, i + 1][: i % 4] AS l, {'x': i, 'y': if(i % 2 = 0, NULL, 'long enough to lie outside ' || i)} AS t, MAP {'k' || i: i} AS m FROM range(200_001) r(i)",
      { accept: "application/vnd.apache.arrow.stream" },
    );
    const table = tableFromIPC(new Uint8Array(await response.arrayBuffer()));
    expect(table.numRows).toBe(200_001);
    expect(table.schema.fields.map(({ type }) => String(type))).toEqual([
      "Int64",
      "Int64",
      "Bool",
      "Utf8",
      "Decimal[12e+2]",
      "Decimal[38e0]",
      "List<Int64>",
      "Struct<{x:Int64, y:Utf8}>",
      "Map<{key:Utf8, value:Int64}>",
    ]);
    for (let at = 0; at < table.numRows; at += 977) {
      const row = JSON.parse(
        JSON.stringify(table.get(at), (_, value) => (typeof value === "bigint" ? Number(value) : value)),
      );
      expect([row.i, row.n, row.b, row.s]).toEqual([
        at,
        at % 3 === 0 ? null : at,
        at % 5 === 0 ? null : at % 2 === 0,
        at % 7 === 0 ? null : `s${at}`,
      ]);
      expect(String(table.get(at)?.h)).toBe(String(at === 0 ? 0 : 2 * at - 1));
      expect(row.l).toEqual([at, null, at + 1].slice(0, at % 4));
      expect(row.t).toEqual({ x: at, y: at % 2 === 0 ? null : `long enough to lie outside ${at}` });
      expect(row.m).toEqual({ [`k${at}`]: at });
    }
  });
});

describe("column names", () => {
  test("duplicates get numbers, as DuckDB numbers them", async () => {
    expect(await stack.rows("SELECT 1 AS a, 2 AS a, 3 AS A")).toEqual([{ a: 1, a_1: 2, A_2: 3 }]);
    expect(await stack.rows("SELECT 1 AS a, 2 AS a_1, 3 AS a")).toEqual([{ a: 1, a_1: 2, a_2: 3 }]);
  });
  test("names that mean something in JavaScript are names", async () => {
    const text = await (await stack.sql('SELECT 1 AS "__proto__", 2 AS "constructor", 4 AS "a\nb"')).text();
    expect(text).toBe('[{"__proto__":1,"constructor":2,"a\\nb":4}]');
  });
});
