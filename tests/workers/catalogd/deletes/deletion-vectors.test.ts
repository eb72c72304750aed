import { expect, test } from "bun:test";
import { positionsIn } from "../../../../workers/catalogd/deletes/deletion-vectors.ts";

/** A blob as Puffin's specification has it: length, magic, bitmaps, checksum. */
function blobOf(bitmaps: Uint8Array): Uint8Array {
  const vector = Buffer.concat([Buffer.from([0xd1, 0xd3, 0x39, 0x64]), bitmaps]);
  const [head, tail] = [Buffer.alloc(4), Buffer.alloc(4)];
  head.writeUInt32BE(vector.length);
  tail.writeUInt32BE(Bun.hash.crc32(vector));
  return Buffer.concat([head, vector, tail]);
}
const words = (width: 2 | 4 | 8, ...values: number[]) => {
  const bytes = Buffer.alloc(width * values.length);
  for (const [at, value] of values.entries())
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at * 8);
    else bytes.writeUIntLE(value, at * width, width);
  return bytes;
};
/** One container of each kind, in two bitmaps. */
const array = Buffer.concat([words(4, 12_346, 1), words(2, 0, 2), words(4, 16), words(2, 3, 7, 65_535)]);
const run = Buffer.concat([words(4, 12_347), Buffer.from([1]), words(2, 1, 4), words(2, 1, 10, 4)]);
const bits = Buffer.alloc(8192, 0xff);
const bitmap = Buffer.concat([words(4, 12_346, 1), words(2, 0, 65_535), words(4, 16), bits]);

test("arrays, runs and bits, beyond 32 bits too", () => {
  const two = Buffer.concat([words(8, 2), words(4, 0), array, words(4, 1), run]);
  const high = 2 ** 32 + 65_536;
  expect(positionsIn(blobOf(two), 100)).toEqual([
    3,
    7,
    65_535,
    high + 10,
    high + 11,
    high + 12,
    high + 13,
    high + 14,
  ]);
  expect(positionsIn(blobOf(Buffer.concat([words(8, 1), words(4, 0), bitmap])), 65_536)).toHaveLength(65_536);
});

test("what is damaged is refused, and what is too much", () => {
  const blob = blobOf(Buffer.concat([words(8, 1), words(4, 0), array]));
  for (let at = 0; at < blob.length; at++) {
    const bad = new Uint8Array(blob);
    bad[at] = (bad[at] ?? 0) ^ 0x40;
    expect(() => positionsIn(bad, 100)).toThrow("a deletion vector cannot be read");
  }
  for (let length = 0; length < blob.length; length++)
    expect(() => positionsIn(blob.slice(0, length), 100)).toThrow("a deletion vector cannot be read");
  expect(() => positionsIn(blob, 2)).toThrow("more than 2 deleted rows");
});
