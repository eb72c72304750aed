/**
 * Deletion vectors (Puffin spec, blob type `deletion-vector-v1`): positions as Roaring bitmaps of 64 bits in the portable
 * form (RoaringFormatSpec). Pure.
 */
import { fail } from "../../../runtime/errors/errors.ts";

const magic = 0x64_39_d3_d1;
const cookieWithRuns = 12_347;
const cookie = 12_346;
/** Containers of an array hold at most so many values; of more they are bitmaps. */
const arrayMax = 4096;
const noOffsetsBelow = 4;

const broken = (why: string) => fail("corrupt", `a deletion vector cannot be read: ${why}`);

/** The positions, ascending. Throws `corrupt`, and `resource_exhausted` for more than `max`. */
export function positionsIn(blob: Uint8Array, max: number): number[] {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  try {
    const length = view.getUint32(0);
    if (view.getUint32(4, true) !== magic) throw broken("it does not begin as one");
    if (length + 8 > blob.byteLength) throw broken("it is cut short");
    const vector = blob.subarray(4, 4 + length);
    if (Bun.hash.crc32(vector) !== view.getUint32(4 + length)) throw broken("its checksum does not match");
    return bitmaps(new DataView(vector.buffer, vector.byteOffset + 4, vector.byteLength - 4), max);
  } catch (cause) {
    if (cause instanceof RangeError) throw broken("it is cut short");
    throw cause;
  }
}

function bitmaps(view: DataView, max: number): number[] {
  const positions: number[] = [];
  const count = Number(view.getBigUint64(0, true));
  let at = 8;
  for (let index = 0; index < count; index++) {
    const high = view.getUint32(at, true) * 2 ** 32;
    at = bitmap(view, at + 4, (low) => {
      positions.push(high + low);
      if (positions.length <= max) return;
      throw fail(
        "resource_exhausted",
        `a data file has more than ${max} deleted rows: have it rewritten first`,
      );
    });
  }
  return positions;
}

/** Reads one bitmap of 32 bits, and gives where it ends. */
function bitmap(view: DataView, start: number, add: (low: number) => void): number {
  const head = view.getUint32(start, true);
  const hasRuns = (head & 0xffff) === cookieWithRuns;
  if (!hasRuns && head !== cookie) throw broken("a bitmap has another form");
  const size = hasRuns ? (head >>> 16) + 1 : view.getUint32(start + 4, true);
  let at = start + (hasRuns ? 4 : 8);
  const runs = at;
  if (hasRuns) at += Math.ceil(size / 8);
  const keys = Array.from({ length: size }, (_, index) => ({
    high: view.getUint16(at + 4 * index, true) * 65_536,
    count: view.getUint16(at + 4 * index + 2, true) + 1,
    isRun: hasRuns && ((view.getUint8(runs + (index >> 3)) >> (index & 7)) & 1) === 1,
  }));
  at += 4 * size;
  if (!hasRuns || size >= noOffsetsBelow) at += 4 * size;
  for (const key of keys) at = container(view, at, key, add);
  return at;
}

function container(
  view: DataView,
  at: number,
  { high, count, isRun }: { high: number; count: number; isRun: boolean },
  add: (low: number) => void,
): number {
  if (isRun) {
    const runs = view.getUint16(at, true);
    for (let run = 0; run < runs; run++) {
      const first = view.getUint16(at + 2 + 4 * run, true);
      const more = view.getUint16(at + 4 + 4 * run, true);
      for (let low = first; low <= first + more; low++) add(high + low);
    }
    return at + 2 + 4 * runs;
  }
  if (count <= arrayMax) {
    for (let index = 0; index < count; index++) add(high + view.getUint16(at + 2 * index, true));
    return at + 2 * count;
  }
  for (let byte = 0; byte < 8192; byte++) {
    const bits = view.getUint8(at + byte);
    for (let bit = 0; bit < 8; bit++) if ((bits >> bit) & 1) add(high + byte * 8 + bit);
  }
  return at + 8192;
}
