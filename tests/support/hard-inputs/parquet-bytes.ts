/** Parquet files made by hand, byte by byte, as no writer would make them. */

/** A file without rows, whatever it says of their number (up to 63): the bytes of its schema are those after the version in thrift's compact form. */
export function parquetOf(schema: readonly number[], rows = 0): Buffer {
  const footer = Buffer.from([0x15, 2, ...schema, 0x16, 2 * rows, 0x19, 0x0c, 0]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(footer.length);
  tail.write("PAR1", 4);
  return Buffer.concat([Buffer.from("PAR1"), footer, tail]);
}

/** A column `a` of groups or lists one inside the other, with a 32-bit integer in the last. */
export function nestedGroups(levels: number, kind: "group" | "list"): Buffer {
  const children = [0x15, 0x02];
  const required = [0x35, 0x00, 0x18, 1, 97];
  const level =
    kind === "group"
      ? [...required, ...children, 0]
      : [...required, ...children, 0x15, 0x06, 0, 0x35, 0x04, 0x18, 1, 97, ...children, 0];
  const count = varint(levels * (kind === "group" ? 1 : 2) + 2);
  const root = [0x48, 1, 114, ...children, 0];
  const leaf = [0x15, 0x02, 0x25, 0x00, 0x18, 1, 97, 0];
  return parquetOf([0x19, 0xfc, ...count, ...root, ...Array(levels).fill(level).flat(), ...leaf]);
}

export function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

type Field = readonly [id: number, type: "i32" | "i64" | "binary" | "list" | "struct", value: number[]];

const zigzag = (value: number): number[] => {
  const bytes: number[] = [];
  for (let rest = BigInt(value) * 2n; ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 127n) | 128);
  }
};
const typeCodes = { i32: 5, i64: 6, binary: 8, list: 9, struct: 12 };
const i32 = (id: number, value: number): Field => [id, "i32", zigzag(value)];
const i64 = (id: number, value: number): Field => [id, "i64", zigzag(value)];
const text = (value: string): number[] => [...varint(value.length), ...Buffer.from(value)];
const list = (id: number, type: keyof typeof typeCodes, items: readonly number[][]): Field => [
  id,
  "list",
  [(items.length << 4) | typeCodes[type], ...items.flat()],
];
const struct = (...fields: readonly Field[]): number[] => {
  let last = 0;
  const bytes = fields.flatMap(([id, type, value]) => {
    const head = ((id - last) << 4) | typeCodes[type];
    last = id;
    return [head, ...value];
  });
  return [...bytes, 0];
};

/** So many times one value of a level or index, in the hybrid of run lengths and bits. */
export const run = (count: number, value: number): number[] => [...varint(count * 2), value];
const withLength = (bytes: readonly number[]): number[] => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return [...length, ...bytes];
};

export interface OneColumn {
  /** Items of one list a row instead of rows. */
  isList: boolean;
  /** Rows, or items of the one list. */
  count: number;
  /** The one value of the dictionary. */
  value: string;
  /** What the header says of the data page, where that is not true. */
  saidBytes?: number;
}

/** A column of one text again and again, in a few bytes: one entry of a dictionary, and a run of its index. */
export function repeatedText({ isList, count, value, saidBytes }: OneColumn): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(value));
  const entry = Buffer.concat([length, Buffer.from(value)]);
  const levels = isList
    ? [...withLength([...run(1, 0), ...run(count - 1, 1)]), ...withLength(run(count, 1))]
    : [];
  const data = Buffer.from([...levels, 1, ...run(count, 0)]);
  const page = (type: number, bytes: number, said: number, ...header: readonly Field[]) =>
    Buffer.from(struct(i32(1, type), i32(2, said), i32(3, bytes), ...header));
  const dictionaryHead = page(2, entry.length, entry.length, [7, "struct", struct(i32(1, 1), i32(2, 0))]);
  const dataHead = page(0, data.length, saidBytes ?? data.length, [
    5,
    "struct",
    struct(i32(1, count), i32(2, 8), i32(3, 3), i32(4, 3)),
  ]);
  const pages = Buffer.concat([dictionaryHead, entry, dataHead, data]);
  const leaf = struct(i32(1, 6), i32(3, 0), [4, "binary", text("a")], i32(6, 0));
  const schema = isList
    ? [
        struct([4, "binary", text("r")], i32(5, 1)),
        struct(i32(3, 0), [4, "binary", text("a")], i32(5, 1), i32(6, 3)),
        struct(i32(3, 2), [4, "binary", text("list")], i32(5, 1)),
        leaf,
      ]
    : [struct([4, "binary", text("r")], i32(5, 1)), leaf];
  const rows = isList ? 1 : count;
  const path = isList ? ["a", "list", "a"] : ["a"];
  const meta = struct(
    i32(1, 6),
    list(2, "i32", [0, 3, 8].map(zigzag)),
    list(3, "binary", path.map(text)),
    i32(4, saidBytes === undefined ? 0 : 6),
    i64(5, count),
    i64(6, pages.length),
    i64(7, pages.length),
    i64(9, 4 + dictionaryHead.length + entry.length),
    i64(11, 4),
  );
  const group = struct(
    list(1, "struct", [struct(i64(2, 4), [3, "struct", meta])]),
    i64(2, pages.length),
    i64(3, rows),
  );
  const footer = Buffer.from(
    struct(i32(1, 2), list(2, "struct", schema), i64(3, rows), list(4, "struct", [group])),
  );
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(footer.length);
  tail.write("PAR1", 4);
  return Buffer.concat([Buffer.from("PAR1"), pages, footer, tail]);
}
