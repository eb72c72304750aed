/**
 * Rows that stand in files: runs of them, row by row as little-endian f32. They are read at their positions, never mapped:
 * a mapped file that is cut ends the process. What is read is compared with a checksum that stays in memory.
 */
import { readSync } from "node:fs";
import { storageError } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";

/** Numbers of a run in `runs`: its first row, the descriptor of its file, the offset of its first row there. */
const runNumbers = 3;

export interface Placed {
  /** Ascending by row, without gaps from row 0 on. */
  runs: Float64Array;
  /** Rows that are placed. */
  upTo: number;
  /** A checksum for each of them. */
  sums: Uint32Array;
}

export interface Run {
  first: number;
  descriptor: number;
  offset: number;
}

export const noneIsPlaced = (): Placed => ({ runs: new Float64Array(), upTo: 0, sums: new Uint32Array() });

export const runsOf = (runs: readonly Run[]): Float64Array =>
  Float64Array.from(runs.flatMap(({ first, descriptor, offset }) => [first, descriptor, offset]));

export const sumOf = (row: Float32Array): number =>
  Bun.hash.xxHash32(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));

/** Reads rows `from` up to `to`, which are placed, into the beginning of `into`. Throws `corrupt` naming the row that is not what was written. */
export function readPlaced({ runs, upTo, sums }: Placed, from: number, to: number, into: Float32Array): void {
  const dimension = into.length / (to - from);
  const rowBytes = dimension * 4;
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  for (let row = from; row < to; ) {
    const at = runAt(runs, row) * runNumbers;
    const [first = 0, descriptor = -1, offset = 0] = runs.subarray(at, at + runNumbers);
    const end = Math.min(to, runs[at + runNumbers] ?? upTo);
    const piece = bytes.subarray((row - from) * rowBytes, (end - from) * rowBytes);
    readWhole(descriptor, piece, offset + (row - first) * rowBytes, row);
    row = end;
  }
  for (let row = from; row < to; row++)
    if (sumOf(into.subarray((row - from) * dimension, (row - from + 1) * dimension)) !== sums[row])
      throw damaged(row, "its bytes changed");
}

function readWhole(descriptor: number, into: Uint8Array, offset: number, row: number): void {
  for (let done = 0; done < into.length; ) {
    const count = readAt(descriptor, into.subarray(done), offset + done, row);
    if (count === 0) throw damaged(row, "its file ends before it");
    done += count;
  }
}

function readAt(descriptor: number, into: Uint8Array, offset: number, row: number): number {
  try {
    return readSync(descriptor, into, 0, into.length, offset);
  } catch (cause) {
    throw storageError(cause, `read row ${row} of an index from its file`);
  }
}

const damaged = (row: number, why: string) =>
  fail(
    "corrupt",
    `row ${row} of an index is not what was written to its file: ${why}; restart vectord, which reads the journal again, and run fsck`,
  );

/** The run that holds the row. */
function runAt(runs: Float64Array, row: number): number {
  let [low, high] = [0, runs.length / runNumbers - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((runs[middle * runNumbers] as number) <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}
