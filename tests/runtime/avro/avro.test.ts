/** Avro files: what PyIceberg wrote is read, what is written reads back, and damage is refused. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { type AvroSchema, decodeAvroFile, encodeAvroFile } from "../../../runtime/avro/avro.ts";
import { AvroWriter } from "../../../runtime/avro/encoding.ts";

const fixture = (name: string) =>
  Bun.file(join(import.meta.dir, "../../fixtures/catalogd/iceberg", name)).bytes();

const schema: AvroSchema = {
  type: "record",
  name: "r",
  fields: [
    { name: "id", type: ["null", "long"], default: null, "field-id": 7 },
    { name: "text", type: "string" },
    { name: "bytes", type: "bytes" },
    { name: "flags", type: { type: "array", items: "boolean" } },
    { name: "f", type: { type: "fixed", name: "f2", size: 2 } },
  ],
};
const records = [
  { id: null, text: "", bytes: new Uint8Array(), flags: [], f: Uint8Array.of(1, 2) },
  {
    id: 8723432189764512377n,
    text: "né",
    bytes: Uint8Array.of(0, 255),
    flags: [true],
    f: Uint8Array.of(3, 4),
  },
  {
    id: -9007199254740993n,
    text: "x".repeat(9000),
    bytes: Uint8Array.of(1),
    flags: [false, true],
    f: Uint8Array.of(5, 6),
  },
  ...[0, -1, 63, 64, 2 ** 52 - 1, 2 ** 52, -(2 ** 53 - 1)].map((id) => ({
    ...{ id, text: "n", bytes: new Uint8Array(), flags: [], f: Uint8Array.of(7, 8) },
  })),
];

/** A file with one block of these bytes, said to be of `count` records. */
function fileOf(written: AvroSchema, codec: string, block: Uint8Array, count = 1): Uint8Array {
  const out = new AvroWriter();
  out.raw(Uint8Array.of(0x4f, 0x62, 0x6a, 1));
  out.long(2);
  for (const text of ["avro.schema", JSON.stringify(written), "avro.codec", codec]) out.text(text);
  out.long(0);
  out.raw(new Uint8Array(16));
  out.long(count);
  out.bytes(block);
  out.raw(new Uint8Array(16));
  return out.finish();
}

describe("files of records", () => {
  test("read back as they were written, with ids of 63 bits and the schema's own attributes", () => {
    const file = encodeAvroFile(schema, records, { content: "data" });
    const { records: back, header } = decodeAvroFile(file);
    expect(back).toEqual(records);
    expect(header.get("content")).toBe("data");
    expect(header.get("avro.schema")).toContain('"field-id":7');
    expect(encodeAvroFile(schema, records, { content: "data" })).toEqual(file);
  });

  test("may be empty", () => {
    expect(decodeAvroFile(encodeAvroFile(schema, [], {})).records).toEqual([]);
  });

  test.each(["null", "deflate", "zstandard"])("are read in the codec %s", (codec) => {
    const plain = Uint8Array.of(14, 2);
    const packed = { null: plain, deflate: deflateRawSync(plain), zstandard: Bun.zstdCompressSync(plain) };
    const block = new Uint8Array(packed[codec as keyof typeof packed]);
    const written: AvroSchema = {
      type: "record",
      name: "r",
      fields: [
        { name: "a", type: "long" },
        { name: "b", type: "int" },
      ],
    };
    expect(decodeAvroFile(fileOf(written, codec, block)).records).toEqual([{ a: 7, b: 1 }]);
  });

  test("of PyIceberg are read: a manifest list, and a manifest of a table with partitions", async () => {
    const list = decodeAvroFile(await fixture("pyiceberg-list.avro"));
    expect(list.header.get("snapshot-id")).toBe("5671711466548026430");
    expect(list.records.map((each) => each.added_snapshot_id)).toEqual([
      5671711466548026430n,
      8446427089152437794n,
    ]);
    const { records } = decodeAvroFile(await fixture("pyiceberg-manifest.avro"));
    const files = records.map((each) => each.data_file as Record<string, unknown>);
    expect(files.map(({ partition }) => partition)).toEqual([{ city: "Rom" }, { city: "Oslo" }]);
    expect(files.map(({ record_count }) => record_count)).toEqual([2, 1]);
    expect(files[0]?.lower_bounds).toContainEqual({ key: 1, value: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) });
  });
});

describe("what is no such file is corrupt:", () => {
  const whole = encodeAvroFile(schema, records, {});
  const lists: AvroSchema = {
    type: "record",
    name: "r",
    fields: [{ name: "l", type: { type: "array", items: "null" } }],
  };
  const loop: AvroSchema = { type: "record", name: "r", fields: [{ name: "self", type: "r" }] };
  const rows: [string, Uint8Array, string][] = [
    ["nothing", new Uint8Array(), "cut short"],
    ["other bytes", new TextEncoder().encode("PAR1PAR1PAR1"), "no Avro file"],
    ["a file that is cut in its header", whole.subarray(0, 40), "cut short"],
    ["a file that is cut in its block", whole.subarray(0, whole.length - 20), "cut short"],
    [
      "a file with another end",
      Uint8Array.from(whole, (byte, at) => (at === whole.length - 1 ? byte ^ 1 : byte)),
      "does not end where it should",
    ],
    [
      "a codec that is not read",
      fileOf(lists, "bzip2", Uint8Array.of(0)),
      "its codec is 'bzip2'; expected null, deflate, snappy or zstandard",
    ],
    [
      "a list of 2^50 nulls",
      fileOf(lists, "null", Uint8Array.of(128, 128, 128, 128, 128, 128, 128, 4)),
      "cut short",
    ],
    ["a record in itself", fileOf(loop, "null", new Uint8Array(4)), "does not read as Avro"],
    [
      "a type without a name",
      fileOf(
        { type: "record", name: "r", fields: [{ name: "a", type: "nowhere" }] },
        "null",
        Uint8Array.of(0),
      ),
      "names no type 'nowhere'",
    ],
  ];
  test.each(rows)("%s", (_, bytes, message) => {
    expect(() => decodeAvroFile(bytes)).toThrow(
      expect.objectContaining({ type: "corrupt", message: expect.stringContaining(message) }),
    );
  });
});
