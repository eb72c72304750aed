/** Columns in Iceberg: their types, their bounds in bytes, and the names that files without ids are read by. */
import { describe, expect, test } from "bun:test";
import { numberColumns, parseSqlType, sqlOf } from "../../../../runtime/sql/sql.ts";
import { boundBytes } from "../../../../workers/catalogd/iceberg/bounds.ts";
import { nameMapping, schemaOf, Unpublishable } from "../../../../workers/catalogd/iceberg/schema.ts";
import { icebergTypeOf, sqlTypeOf } from "../../../../workers/catalogd/iceberg/type-map.ts";

const hex = (bytes: Uint8Array | undefined) => (bytes ? Buffer.from(bytes).toString("hex") : undefined);

describe("bounds", () => {
  // Bytes as PyIceberg 0.12.0 gives them: pyiceberg.conversions.to_bytes.
  test.each([
    ["boolean", "1", "01"],
    ["int", "-7", "f9ffffff"],
    ["long", "9007199254740993", "0100000000002000"],
    ["float", "1.5", "0000c03f"],
    ["double", "-2.25", "00000000000002c0"],
    ["date", "1969-12-31", "ffffffff"],
    ["time", "10:00:00.25", "9038c86108000000"],
    ["timestamp", "2024-01-01 10:00:00.5", "2029ed71df0d0600"],
    ["timestamptz", "2024-01-01 10:00:00.5+00", "2029ed71df0d0600"],
    ["string", "né", "6ec3a9"],
    ["decimal(10,2)", "-5.05", "fe07"],
    ["decimal(10,2)", "1.28", "0080"],
    ["decimal(38,0)", "12345678901234567890123456789", "27e41b3246bec9b16e398115"],
  ])("of %s: %s", (type, text, expected) => {
    expect(hex(boundBytes(type, text, "lower"))).toBe(expected);
    expect(hex(boundBytes(type, text, "upper"))).toBe(expected);
  });

  test.each([
    ["int", "1e5"],
    ["double", "inf"],
    ["double", "nan"],
    ["date", "10000-01-01"],
    ["date", "0044-03-15 (BC)"],
    ["date", "2024-02-30x"],
    ["time", "24:00:00"],
    ["timestamp", "infinity"],
    ["timestamp", "2024-01-01 10:00:00.123456789"],
    ["timestamptz", "2024-01-01 10:00:00+02"],
    ["decimal(10,2)", "1.5"],
    ["uuid", "3235e20e-a77a-46ce-8a32-6243b9a877f8"],
    ["binary", "6162"],
    ["string", "\ud800"],
  ])("that we are not sure of are left out: %s %s", (type, text) => {
    expect(boundBytes(type, text, "lower")).toBeUndefined();
    expect(boundBytes(type, text, "upper")).toBeUndefined();
  });

  test("of long texts are cut, the upper one made larger", () => {
    const text = "é".repeat(20);
    const lower = new TextDecoder().decode(boundBytes("string", text, "lower"));
    const upper = new TextDecoder().decode(boundBytes("string", text, "upper"));
    expect([lower, upper]).toEqual(["é".repeat(16), `${"é".repeat(15)}ê`]);
    const top = `${"a".repeat(14)}${"\u{10ffff}".repeat(6)}`;
    expect(new TextDecoder().decode(boundBytes("string", top, "upper"))).toBe(`${"a".repeat(13)}b`);
    expect(boundBytes("string", "\u{10ffff}".repeat(20), "upper")).toBeUndefined();
    expect(
      new TextDecoder().decode(boundBytes("string", `${"a".repeat(15)}\ud7ff${"x".repeat(9)}`, "upper")),
    ).toBe(`${"a".repeat(15)}\ue000`);
  });

  test("of zero have the sign that holds both zeros", () => {
    expect([hex(boundBytes("double", "0.0", "lower")), hex(boundBytes("double", "-0.0", "upper"))]).toEqual([
      "0000000000000080",
      "0000000000000000",
    ]);
  });
});

describe("types", () => {
  test.each([
    ["TINYINT", "int"],
    ["USMALLINT", "int"],
    ["UINTEGER", "long"],
    ["DECIMAL(18,2)", "decimal(18,2)"],
    ["ENUM('a', 'b')", "string"],
    ["JSON", "string"],
    ["TIMESTAMP_MS", "timestamp"],
    ["TIMESTAMP WITH TIME ZONE", "timestamptz"],
    ["FLOAT[3]", { type: "list", "element-id": 1, element: "float", "element-required": false }],
    [
      "MAP(VARCHAR, STRUCT(a INTEGER)[])",
      {
        type: "map",
        "key-id": 1,
        key: "string",
        "value-id": 2,
        value: {
          type: "list",
          "element-id": 3,
          element: { type: "struct", fields: [{ id: 4, name: "a", required: false, type: "int" }] },
          "element-required": false,
        },
        "value-required": false,
      },
    ],
  ])("%s", (sql, iceberg) => {
    let id = 0;
    expect(icebergTypeOf(parseSqlType(sql), () => ++id)).toEqual(iceberg as never);
  });

  test.each([
    "BOOLEAN",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "VARCHAR",
    "BLOB",
    "UUID",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "DECIMAL(38,9)",
    'STRUCT("a b" INTEGER[], "m" MAP(VARCHAR, DATE))',
  ])("%s comes back as it was", (sql) => {
    expect(sqlOf(sqlTypeOf(icebergTypeOf(parseSqlType(sql), () => 1)))).toBe(sql);
  });

  test.each(["timestamp_ns", "variant", "geometry", "decimal(39,0)"])(
    "of later formats are named: %s",
    (type) => {
      expect(() => sqlTypeOf(type)).toThrow();
    },
  );

  test("that Iceberg has none for are named with their columns", () => {
    const columns = numberColumns([
      { name: "a", type: "INTEGER" },
      { name: "b", type: "UBIGINT" },
      { name: "c", type: "STRUCT(d INTERVAL)" },
      { name: "t", type: "TIMESTAMP_NS" },
    ]).columns;
    expect(() => schemaOf(columns)).toThrow(Unpublishable);
    expect(() => schemaOf(columns)).toThrow(
      "no type for 'b' UBIGINT, 'c' STRUCT(d INTERVAL), 't' TIMESTAMP_NS",
    );
  });
});

test("a schema has the catalog's field ids, of nested parts too", () => {
  const { columns } = numberColumns([
    { name: "s", type: "STRUCT(x INTEGER, y VARCHAR[])" },
    { name: "id", type: "BIGINT", comment: "of the worker" },
  ]);
  expect(schemaOf(columns).fields).toMatchObject([
    {
      id: 1,
      name: "s",
      type: {
        fields: [
          { id: 3, name: "x" },
          { id: 4, name: "y", type: { "element-id": 5 } },
        ],
      },
    },
    { id: 2, name: "id", doc: "of the worker" },
  ]);
});

test("names of files without ids: the field's own, earlier ones after it, none twice", () => {
  const field = (id: number, name: string) => ({ id, name, required: false, type: "int" });
  const schemas = [
    { type: "struct" as const, fields: [field(1, "a"), field(2, "b")] },
    {
      type: "struct" as const,
      fields: [
        field(1, "first"),
        field(3, "a"),
        {
          ...field(4, "l"),
          type: { type: "list" as const, "element-id": 5, element: "int", "element-required": false },
        },
      ],
    },
  ];
  expect(JSON.parse(nameMapping(schemas))).toEqual([
    { "field-id": 1, names: ["first"] },
    { "field-id": 3, names: ["a"] },
    { "field-id": 4, names: ["l"], fields: [{ "field-id": 5, names: ["element"] }] },
  ]);
  const renamed = { type: "struct" as const, fields: [field(1, "second")] };
  expect(JSON.parse(nameMapping([...schemas, renamed]))).toEqual([
    { "field-id": 1, names: ["second", "a", "first"] },
  ]);
});
