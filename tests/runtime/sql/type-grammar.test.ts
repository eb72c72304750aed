/** The grammar of types: what passes DuckDB binds, writes and reads back; what does not is refused with its reason. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { quoteText } from "../../../runtime/sql/sql.ts";
import {
  columnProblem,
  leavesOf,
  parseSqlType,
  sqlOf,
  typeCharactersMax,
  typeNestingMax,
} from "../../../runtime/sql/type-grammar.ts";
import { Column } from "../../../workers/catalogd/contract.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("sql-type");
let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:")).connect();
});
afterAll(() => {
  connection.closeSync();
  directory.remove();
});

const nested = (levels: number, wrap: (inner: string) => string): string =>
  levels === 0 ? "BIGINT" : wrap(nested(levels - 1, wrap));
const wraps: readonly ((inner: string) => string)[] = [
  (inner) => `${inner}[]`,
  (inner) => `STRUCT(a ${inner})`,
  (inner) => `MAP(VARCHAR, ${inner})`,
];

/** Each with itself as it is written anew, where that differs. */
const taken: readonly (readonly [string, string?])[] = [
  ...["BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"],
  ...["UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL(38,38)", "VARCHAR", "BLOB", "BIT", "BIGNUM", "UUID"],
  ...["JSON", "DATE", "TIME", "TIME_NS", "TIME WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"],
  ...[
    "TIMESTAMP_NS",
    "TIMESTAMP WITH TIME ZONE",
    "INTERVAL",
    "ENUM('a', 'b''c')",
    "INTEGER[]",
    "INTEGER[3][]",
  ],
]
  .map((type): [string] => [type])
  .concat([
    ["int", "INTEGER"],
    ["TEXT", "VARCHAR"],
    ["VARCHAR(10)", "VARCHAR"],
    ["DOUBLE PRECISION", "DOUBLE"],
    ["DECIMAL", "DECIMAL(18,3)"],
    ["DECIMAL(9)", "DECIMAL(9,0)"],
    ["timestamptz", "TIMESTAMP WITH TIME ZONE"],
    ["TIMESTAMP  WITH  TIME  ZONE[]", "TIMESTAMP WITH TIME ZONE[]"],
    ['STRUCT(a INTEGER, "select" VARCHAR[])', 'STRUCT("a" INTEGER, "select" VARCHAR[])'],
    ['STRUCT(select INTEGER, "q""q" DATE)', 'STRUCT("select" INTEGER, "q""q" DATE)'],
    ["MAP(VARCHAR, STRUCT(x MAP(INTEGER, DOUBLE)))", 'MAP(VARCHAR, STRUCT("x" MAP(INTEGER, DOUBLE)))'],
  ] as unknown as [string][]);

describe("a type that is taken", () => {
  for (const [type, written = type] of taken)
    test(`${type} binds, and goes through a Parquet file`, async () => {
      const sql = sqlOf(parseSqlType(type));
      expect(sql).toBe(written);
      expect(sqlOf(parseSqlType(sql))).toBe(sql);
      const path = join(directory.path, `${crypto.randomUUID()}.parquet`);
      await connection.run(`COPY (SELECT CAST(NULL AS ${sql}) AS v) TO '${path}' (FORMAT parquet)`);
      const read = await connection.runAndReadAll(`SELECT CAST(v AS ${sql}) FROM read_parquet('${path}')`);
      expect(read.getRowsJson()).toEqual([[null]]);
    });

  test("what DESCRIBE prints is taken", async () => {
    const odd = ["é", "A", "select", "a b", "1x", '"', "struct", "timestamp", "a,b", "x)", "'"];
    const fields = odd.map((name, at) => `${quoteText(name)}: ${at}`).join(", ");
    const read = await connection.runAndReadAll(`DESCRIBE SELECT {${fields}} AS v`);
    const type = parseSqlType(String(read.getRowsJson()[0]?.[1]));
    expect(type.kind === "struct" && type.fields.map(({ name }) => name)).toEqual(odd);
  });

  test("leaves stand in the order of the text", () => {
    expect([...leavesOf(parseSqlType("STRUCT(a DATE, b MAP(VARCHAR, TIME[]), c STRUCT(d UUID))"))]).toEqual([
      "DATE",
      "VARCHAR",
      "TIME",
      "UUID",
    ]);
  });

  test("nesting is taken up to the bound, in every kind", () => {
    for (const wrap of wraps) {
      expect(parseSqlType(nested(typeNestingMax, wrap)).kind).not.toBe("scalar");
      expect(() => parseSqlType(nested(typeNestingMax + 1, wrap))).toThrow(
        "nests 17 levels deep; types nest at most 16",
      );
      expect(() => parseSqlType(nested(900, wrap))).toThrow("nests 900 levels deep");
    }
    expect(() => parseSqlType("STRUCT(a ".repeat(7000))).toThrow("over 1000 levels");
    expect(() => parseSqlType(`INTEGER${"[]".repeat(30_000)}`)).toThrow("nests 30000 levels deep");
  });
});

const refused: readonly (readonly [string, string])[] = [
  ["", "expected the name of a type, the text ends"],
  ["NO_SUCH_TYPE", "'NO_SUCH_TYPE' is no type that columns have; expected one such as VARCHAR"],
  ["VARIANT", "is no type"],
  ["GEOMETRY", "is no type"],
  ["UNION(a INTEGER)", "is no type"],
  ['"NULL"', "expected the name of a type"],
  ["INTEGER --", "expected the end of the type"],
  ["INTEGER /* */", "expected the end of the type"],
  ["INTEGER, VARCHAR", "expected the end of the type"],
  ["INTEGER) AS a, getenv('HOME'", "expected the end of the type"],
  ["INTEGER[", "expected the end of the type"],
  ["INTEGER[0]", "at least one item"],
  ["DECIMAL(0,0)", "expected 1 to 38 digits"],
  ["DECIMAL(5,6)", "no more of them after the point"],
  ["MAP(VARCHAR, INTEGER, DATE)", "two types"],
  ["STRUCT(INTEGER, INTEGER)", "expected the name of a type"],
  ["STRUCT(a INTEGER,)", "expected the name of a field"],
  ['STRUCT("\0" INTEGER)', "without NUL"],
  ["ENUM()", "expected a text in single quotes"],
  ["ENUM('a', 'a')", "a value twice"],
];

describe("a type that is refused", () => {
  for (const [type, reason] of refused)
    test(JSON.stringify(type), () => expect(() => parseSqlType(type)).toThrow(reason));

  test("its text is as long as a manifest takes", () => {
    expect(Column.properties.type.maxLength).toBe(typeCharactersMax);
    const wide = `STRUCT(${Array.from({ length: 4000 }, (_, at) => `field_${at} BIGINT`).join(", ")})`;
    expect(columnProblem([{ name: "a", type: wide }])?.problem).toContain(
      `takes ${wide.length} characters, at most 65536`,
    );
  });

  test("many columns of many lists are refused together", () => {
    const columns = (count: number, levels: number) =>
      Array.from({ length: count }, (_, at) => ({ name: `c${at}`, type: `INTEGER${"[]".repeat(levels)}` }));
    expect(columnProblem(columns(64, 16))).toBeUndefined();
    expect(columnProblem(columns(16_384, 8))).toBeUndefined();
    expect(columnProblem(columns(65, 16))).toMatchObject({
      problem: expect.stringContaining("lists within lists in 65 columns"),
    });
  });

  test("columns are told apart as SQL tells them apart", () => {
    const named = (...names: string[]) => columnProblem(names.map((name) => ({ name, type: "DATE" })));
    expect(named("a", "b", "É", "é", "k", "\u212a")).toBeUndefined();
    expect(named("a", "A")).toMatchObject({ field: "columns", twice: "A" });
    expect(named("a", "")).toMatchObject({ field: "columns.1.name" });
  });
});
