/** Bounds in manifests as text: what was encoded comes back, and what is not surely a bound is none. */
import { expect, test } from "bun:test";
import { boundBytes } from "../../../../workers/catalogd/iceberg/bounds.ts";
import type { ContentFile } from "../../../../workers/catalogd/iceberg/iceberg.ts";
import { statisticsOf, textOf } from "../../../../workers/catalogd/table-files/file-statistics.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));

test.each([
  ["int", "-2147483648"],
  ["long", "9223372036854775807"],
  ["float", "1.5"],
  ["double", "-2.5e-300"],
  ["decimal(10,2)", "-5.05"],
  ["decimal(38,0)", "-12345678901234567890123456789012345678"],
  ["decimal(9,3)", "0.001"],
  ["string", ""],
  ["string", "née 🚀"],
  ["date", "0001-01-01"],
  ["date", "1969-12-31"],
  ["timestamp", "1969-12-31 23:59:59.999999"],
  ["timestamp", "9999-12-31 00:00:00.000001"],
  ["timestamptz", "2024-02-29 10:00:00.500000+00"],
])("%s %s", (type, text) => expect(textOf(type, boundBytes(type, text, "lower"))).toBe(text));

test.each([
  ["an int that became a long", "long", "ffffffff", "-1"],
  ["a float that became a double", "double", "0000c03f", "1.5"],
  ["a decimal of fewer digits", "decimal(20,1)", "ff", "-0.1"],
  ["a BOM at the beginning", "string", "efbbbf61", "\uFEFFa"],
] as const)("%s", (_, type, bytes, text) => expect(textOf(type, hex(bytes))).toBe(text));

test.each([
  ["bytes of another length", "int", "0000000000000000"],
  ["no bytes", "long", ""],
  ["a float as wide as a double", "float", "000000000000f83f"],
  ["NaN", "double", "000000000000f87f"],
  ["infinity", "double", "000000000000f07f"],
  ["a text that was cut within a character", "string", "61c3"],
  ["a decimal without digits", "decimal(10,2)", ""],
  ["a decimal of too many digits", "decimal(10,2)", "00".repeat(17)],
  ["a year beyond 9999", "date", "ffffff7f"],
  ["a time that no year has", "timestamp", "ffffffffffffff7f"],
  ["days of one that became a time", "timestamp", "00000000"],
  ["a type that is not compared", "uuid", "00".repeat(16)],
  ["flags", "boolean", "01"],
] as const)("nothing of %s", (_, type, bytes) => expect(textOf(type, hex(bytes))).toBeUndefined());

test("by the ids of the columns as they are now, without what is nested", () => {
  const file = {
    nulls: new Map([
      [1, 2],
      [3, 0],
      [9, 7],
    ]),
    lower: new Map([[2, hex("61")]]),
  } as unknown as ContentFile;
  const field = (id: number, name: string, type: unknown) => ({ id, name, required: false, type });
  const fields = [
    field(2, "word", "string"),
    field(1, "id", "long"),
    field(3, "list", { type: "list", "element-id": 4, element: "int", "element-required": false }),
    field(5, "later", "int"),
  ];
  expect(statisticsOf(file, { type: "struct", "schema-id": 0, fields } as never)).toEqual([
    { column: "word", field_id: 2, min: "a" },
    { column: "id", field_id: 1, null_count: 2 },
  ]);
});
