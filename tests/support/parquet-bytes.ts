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
