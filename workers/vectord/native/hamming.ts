/** The codes that differ in the fewest bits from one, by looking at all of them. */
import { type Bitmap, countRows, hasRow } from "../rows/rows.ts";

/** Rows of codes that are kept together. */
export const blockRows = 4096;
/**
 * Rows nearer than the chosen ones, over as many as there would be were the set drawn by lot: beyond that it keeps away from
 * what is looked for, where codes no longer tell rows apart.
 */
const awayMin = 1.1;

interface CodeSearch {
  code: Int32Array;
  /** No more than there are rows to choose from. */
  wanted: number;
  /** Rows that may be chosen; all unless given. */
  among: Bitmap | undefined;
}

/** The rows whose codes differ least, in no order; of equal ones the first. Undefined where codes say too little of the set. */
export function nearestCodes(
  blocks: readonly Int32Array[],
  rows: number,
  { code, wanted, among }: CodeSearch,
): Uint32Array | undefined {
  const words = code.length;
  const differences = new Uint32Array(rows);
  const counts = new Uint32Array(words * 32 + 1);
  const others = new Uint32Array(words * 32 + 1);
  for (let from = 0; from < rows; from += blockRows) {
    const count = Math.min(rows - from, blockRows);
    const found = differing(code, blocks[from / blockRows] as Int32Array, count);
    if (among) countAmong(found, { among, from, counts, others });
    else countEach(found, counts);
    differences.set(found, from);
  }
  let [most, below, nearer] = [0, 0, others[0] as number];
  while (below + (counts[most] as number) < wanted) {
    below += counts[most++] as number;
    nearer += others[most] as number;
  }
  if (among && wanted > 0 && below + nearer > (awayMin * wanted * rows) / countRows(among, rows))
    return undefined;
  const found = new Uint32Array(wanted);
  let [count, equal] = [0, wanted - below];
  for (let row = 0; count < wanted; row++) {
    const difference = differences[row] as number;
    if (difference < most || (difference === most && equal-- > 0)) found[count++] = row;
  }
  return found;
}

/** Of a row that may not be chosen: more than any code differs. */
const isOut = 0xffff_ffff;

function countEach(found: Uint32Array, counts: Uint32Array): void {
  for (let at = 0; at < found.length; at++) {
    const difference = found[at] as number;
    counts[difference] = (counts[difference] as number) + 1;
  }
}

/** Takes those out that are not in the set, and counts them apart. */
function countAmong(
  found: Uint32Array,
  { among, from, counts, others }: { among: Bitmap; from: number; counts: Uint32Array; others: Uint32Array },
): void {
  for (let at = 0; at < found.length; at++) {
    const difference = found[at] as number;
    const isIn = hasRow(among, from + at);
    const counted = isIn ? counts : others;
    counted[difference] = (counted[difference] as number) + 1;
    if (!isIn) found[at] = isOut;
  }
}

/** Bits that differ in each of the first rows of a block; until the next call. JavaScript has no instruction that counts bits, WebAssembly has: ADR 0265. */
export function differing(code: Int32Array, block: Int32Array, rows: number): Uint32Array {
  const { length: words } = code;
  const at = words;
  const out = at + rows * words;
  const { numbers, count } = counterFor(out + rows);
  numbers.set(code);
  numbers.set(rows < blockRows ? block.subarray(0, rows * words) : block, at);
  count(0, at * 4, rows, words * 4, out * 4);
  return new Uint32Array(numbers.buffer, out * 4, rows);
}

interface Counter {
  numbers: Int32Array;
  count: (code: number, at: number, rows: number, bytes: number, out: number) => void;
}
let counter: Counter | undefined;

/** With room for so many numbers. */
function counterFor(numbers: number): Counter {
  if (counter && counter.numbers.length >= numbers) return counter;
  const memory = new WebAssembly.Memory({ initial: Math.ceil((numbers * 4) / 65_536) });
  const { count } = new WebAssembly.Instance(new WebAssembly.Module(counting()), { e: { m: memory } })
    .exports;
  counter = { numbers: new Int32Array(memory.buffer), count: count as Counter["count"] };
  return counter;
}

/**
 * A module of one function, `count(code, at, rows, bytes, out)`: for each row of so many bytes, a multiple of 4 and at least 8,
 * the bits in which it differs from the code.
 */
function counting(): Uint8Array<ArrayBuffer> {
  const i32 = 0x7f;
  const get = (local: number) => [0x20, local];
  const set = (local: number) => [0x21, local];
  const number = (value: number) => [0x41, value & 0x7f];
  const [code, at, rows, bytes, out, sum, byte] = [0, 1, 2, 3, 4, 5, 6] as const;
  const [add, subtract, and, below] = [0x6a, 0x6b, 0x71, 0x49];
  const [loop, when, end, again] = [[0x03, 0x40], [0x04, 0x40], 0x0b, [0x0d, 0]];
  const plus = (local: number, value: number[]) => [...get(local), ...value, add, ...set(local)];
  const place = (base: number) => [...get(base), ...get(byte), add];
  // Loads of 8 and of 4 bytes, aligned to 4; xor; the bits that are set, as i32.
  const of8 = [...place(code), 0x29, 2, 0, ...place(at), 0x29, 2, 0, 0x85, 0x7b, 0xa7];
  const of4 = [...place(code), 0x28, 2, 0, ...place(at), 0x28, 2, 0, 0x73, 0x69];
  const eights = [...plus(sum, of8), ...plus(byte, number(8))];
  const body = [
    ...[1, 2, i32],
    ...[...loop, ...number(0), ...set(sum), ...number(0), ...set(byte)],
    ...[...loop, ...eights, ...get(byte), ...get(bytes), ...number(-8), and, below, ...again, end],
    ...[...get(bytes), ...number(4), and, ...when, ...plus(sum, of4), end],
    ...[...get(out), ...get(sum), 0x36, 2, 0],
    ...[...plus(out, number(4)), ...plus(at, get(bytes))],
    ...[...get(rows), ...number(1), subtract, 0x22, rows, ...again, end],
    end,
  ];
  const sized = (content: number[]) => [(content.length & 0x7f) | 0x80, content.length >>> 7, ...content];
  const text = (letters: string) => [letters.length, ...new TextEncoder().encode(letters)];
  const type = [1, 0x60, 5, i32, i32, i32, i32, i32, 0];
  return new Uint8Array([
    ...[0, ...new TextEncoder().encode("asm"), 1, 0, 0, 0],
    ...[1, ...sized(type)],
    ...[2, ...sized([1, ...text("e"), ...text("m"), 2, 0, 1])],
    ...[3, ...sized([1, 0])],
    ...[7, ...sized([1, ...text("count"), 0, 0])],
    ...[10, ...sized([1, ...sized(body)])],
  ]);
}
