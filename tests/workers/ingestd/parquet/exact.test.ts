/**
 * Every type of Parquet: what passes is exact, to the last digit; what DuckDB would change is refused with column, both
 * types and the way out. Files: tests/fixtures/ingestd/parquet, made by make.py there.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

const folder = join(import.meta.dir, "../../../fixtures/ingestd/parquet");
const ingest = async (name: string) =>
  stack.ingest(
    name.replaceAll("-", "_"),
    (await Bun.file(join(folder, `${name}.parquet`)).bytes()) as unknown as BodyInit,
  );

/** Name of the file, types of its columns here, its cells as text. */
const exact: readonly (readonly [
  string,
  string | readonly string[],
  readonly (readonly (string | null)[])[],
])[] = [
  ["boolean", "BOOLEAN", [["true"], [null]]],
  ["bytes", "BLOB", [["\\x00\\xFF"], [""]]],
  ["bytes-fixed", "BLOB", [["\\x00\\xFF\\x01"]]],
  ["date32", "DATE", [["0001-01-01"], ["9999-12-31"]]],
  ["date64", "DATE", [["2024-01-31"]]],
  ["decimal-38", "DECIMAL(38,2)", [["1.50"], [`-${"9".repeat(36)}.99`]]],
  ["decimal-int64", "DECIMAL(18,4)", [["1.5000"]]],
  ["dictionary", "VARCHAR", [["b"], ["a"], ["b"]]],
  ["double", "DOUBLE", [["-0.0"], ["5e-324"], ["inf"]]],
  ["float16", "FLOAT", [["1.5"], ["-65504.0"]]],
  ["int8", "INTEGER", [["-128"]]],
  ["json", "VARCHAR", [['{"a": 1.10}']]],
  ["list-fixed", "INTEGER[]", [["[1, 2]"]]],
  ["map", "MAP(VARCHAR, INTEGER)", [["{k=1, l=NULL}"], ["{}"]]],
  ["map-key-twice", "MAP(VARCHAR, INTEGER)", [["{k=1}"], ["{k=1, k=2}"]]],
  ["map-key-twice-in-struct", "STRUCT(x MAP(VARCHAR, INTEGER)[])", [["{'x': [{k=1, k=2}]}"]]],
  ["nulls", "VARCHAR", [[null], [null]]],
  ["nulls-in-list", "INTEGER[]", [["[NULL]"], ["[]"]]],
  ["text", "VARCHAR", [["é"], [""], [null]]],
  ["time-ms", "TIME", [["10:00:00.123"]]],
  ["time-us", "TIME", [["10:00:00.123456"]]],
  ["time-ns", "TIME_NS", [["10:00:00.123456789"]]],
  ["timestamp-ms", "TIMESTAMP", [["2023-11-14 22:13:20.123"]]],
  ["timestamp-ns", "TIMESTAMP_NS", [["2023-11-14 22:13:20.123456789"]]],
  ["timestamp-us-zone", "TIMESTAMP WITH TIME ZONE", [["2023-11-14 22:13:20.123456+00"]]],
  ["uint8-in-struct", "STRUCT(x UTINYINT[])", [["{'x': [255]}"]]],
  ["uint32", "BIGINT", [["4294967295"]]],
  ["uint64", "DECIMAL(20,0)", [["18446744073709551615"]]],
  ["uuid", "UUID", [["00010203-0405-0607-0809-0a0b0c0d0e0f"]]],
];

/** Name of the file, and what the refusal says. */
const changed: readonly (readonly [string, string])[] = [
  [
    "decimal-39",
    "column 'a' is DECIMAL(39,2) in the file, which no type of a dataset holds (it would be DOUBLE): write it with at most 38 digits",
  ],
  ["decimal-76-in-struct", "column 'a.x.list.element' is DECIMAL(76,2) in the file"],
  ["duration-us", "column 'a' is a duration in the file"],
  ["duration-in-list", "column 'a' is a duration in the file"],
  ["name-empty", "the columns of the Parquet file: a name is empty"],
  ["name-in-struct-empty", "the columns inside 'a': a name is empty"],
  ["name-in-struct-twice", "the columns inside 'a': 'X' is there twice"],
  ["names-by-case", "the columns of the Parquet file: 'ZIP' is there twice"],
  ["names-renamed", "the columns of the Parquet file: 'A' is there twice"],
  ["names-twice", "the columns of the Parquet file: 'a' is there twice"],
  [
    "timestamp-int96",
    "column 'a' is INT96 in the file, which no type of a dataset holds (it would be TIMESTAMP): write it as a timestamp of microseconds",
  ],
  ["timestamp-ms-beyond", "Could not convert Timestamp(MS) to Timestamp(US)"],
  [
    "timestamp-ns-utc",
    "column 'a' is TIMESTAMP(NANOS, UTC) in the file, which no type of a dataset holds (it would be TIMESTAMP WITH TIME ZONE): write it in microseconds",
  ],
  ["timestamp-ns-utc-in-map", "column 'a.key_value.value' is TIMESTAMP(NANOS, UTC)"],
  ["timestamp-ns-utc-in-struct", "column 'a.x.list.element' is TIMESTAMP(NANOS, UTC)"],
  ["timestamp-ns-zone-in-list", "column 'a.list.element' is TIMESTAMP(NANOS, UTC)"],
];

describe("a file of another writer", () => {
  test("each file of the folder has its row", () => {
    const files = readdirSync(folder).filter((name) => name.endsWith(".parquet"));
    const rows = [...exact, ...changed].map(([name]) => `${name}.parquet`);
    expect(rows.toSorted()).toEqual(files.toSorted());
  });

  for (const [name, types, cells] of exact)
    test(`${name} is exact`, async () => {
      const { status, answer, error } = await ingest(name);
      expect(`${status} ${error.message}`).toBe("200 ");
      expect(answer.manifest.columns.map(({ type }) => type)).toEqual([types].flat());
      expect(await stack.cells(answer.manifest)).toEqual(cells as (string | null)[][]);
    });

  for (const [name, message] of changed)
    test(`${name} is refused`, async () => {
      const { status, error } = await ingest(name);
      expect([status, error.type, error.message]).toEqual([
        422,
        "unprocessable",
        expect.stringContaining(message),
      ]);
      const body = (await Bun.file(join(folder, `${name}.parquet`)).bytes()) as unknown as BodyInit;
      const looked = await stack.post("/ingest/preview", body);
      expect([looked.status, looked.error.message]).toEqual([422, error.message]);
      await expect(stack.catalogd.manifest({ name: name.replaceAll("-", "_") })).rejects.toMatchObject({
        type: "not_found",
      });
    });
});

type Element = Record<string, unknown>;
const written = (
  element: Element,
  value: unknown,
  metadata: { key: string; value: string }[] = [],
): BodyInit =>
  new Uint8Array(
    parquetWriteBuffer({
      schema: [
        { name: "root", num_children: 1 },
        { name: "a", repetition_type: "OPTIONAL", ...element },
      ],
      columnData: [{ name: "a", data: [value] }],
      statistics: false,
      kvMetadata: metadata,
    } as Parameters<typeof parquetWriteBuffer>[0]),
  );
const logical = (type: string, logical_type: Element): Element => ({ type, logical_type });

/** What only a hand-written schema holds: its element, a value, and the type here or the refusal. */
const byHand: readonly (readonly [string, Element, unknown, string])[] = [
  [
    "an old timestamp of microseconds",
    { type: "INT64", converted_type: "TIMESTAMP_MICROS" },
    1n,
    "TIMESTAMP",
  ],
  ["an old time of milliseconds", { type: "INT32", converted_type: "TIME_MILLIS" }, 1, "TIME"],
  ["an old unsigned integer", { type: "INT32", converted_type: "UINT_16" }, 1, "INTEGER"],
  ["an ENUM", { type: "BYTE_ARRAY", converted_type: "ENUM" }, new Uint8Array([65]), "VARCHAR"],
  [
    "a time in UTC",
    logical("INT64", { type: "TIME", isAdjustedToUTC: true, unit: "MICROS" }),
    1n,
    "TIME WITH TIME ZONE",
  ],
  [
    "a time of nanoseconds in UTC",
    logical("INT64", { type: "TIME", isAdjustedToUTC: true, unit: "NANOS" }),
    1n,
    "is TIME(NANOS, UTC) in the file, which no type",
  ],
  [
    "a DATE by its logical type alone",
    logical("INT32", { type: "DATE" }),
    1,
    "is DATE in the file, and would be INTEGER here, which is not DATE",
  ],
  [
    "a decimal with more after the point than digits",
    { type: "INT64", converted_type: "DECIMAL", precision: 18, scale: 20 },
    5n,
    "expected 1 to 38 digits",
  ],
];

describe("a schema written by hand", () => {
  for (const [at, [what, element, value, expected]] of byHand.entries())
    test(what, async () => {
      const { status, answer, error } = await stack.ingest(`hand_${at}`, written(element, value));
      if (status === 200) expect(answer.manifest.columns[0]?.type).toBe(expected);
      else expect([status, error.message]).toEqual([422, expect.stringContaining(expected)]);
    });

  test("INT96 of Spark, whose timestamps have microseconds, is exact", async () => {
    const file = Buffer.from(await Bun.file(join(folder, "timestamp-int96.parquet")).bytes());
    const spark = withKey(file, "org.apache.spark.version", "3.5.1");
    const { status, answer, error } = await stack.ingest("spark", spark as unknown as BodyInit);
    expect(`${status} ${error.message}`).toBe("200 ");
    expect(answer.manifest.columns[0]?.type).toBe("TIMESTAMP");
  });
});

/** The file with one more key in its metadata: the list of these is the last but one field of pyarrow's footer. */
function withKey(file: Buffer, key: string, value: string): Buffer {
  const length = file.readUInt32LE(file.length - 8);
  const start = file.length - 8 - length;
  const at = file.indexOf(Buffer.from([0x19, 0x1c, 0x18, 0x0c, ...Buffer.from("ARROW:schema")]), start);
  const entry = Buffer.concat([
    Buffer.from([0x18, key.length]),
    Buffer.from(key),
    Buffer.from([0x18, value.length]),
    Buffer.from(value),
    Buffer.from([0]),
  ]);
  const footer = Buffer.concat([
    file.subarray(start, at),
    Buffer.from([0x19, 0x2c]),
    entry,
    file.subarray(at + 2, file.length - 8),
  ]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(footer.length);
  tail.write("PAR1", 4);
  return Buffer.concat([file.subarray(0, start), footer, tail]);
}
