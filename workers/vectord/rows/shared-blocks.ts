/** Vector blocks in another thread, which was handed their memory. */
import { blockRows } from "./vector-blocks.ts";

export interface SharedRows {
  dimension: number;
  /** The block that holds a row, from the block's first row on. */
  block: (row: number) => Float32Array;
  /** Where the row begins in its block. */
  offset: (row: number) => number;
  /** The rows from `from` up to `to`, which lie in one block. A view of the shared memory. */
  range: (from: number, to: number) => Float32Array;
  /** Takes over the blocks that are not known yet. */
  grow: (from: number, buffers: readonly SharedArrayBuffer[]) => void;
}

/** How many rows follow in the block of `row`, itself included. */
export const rowsToBlockEnd = (row: number): number => blockRows - (row % blockRows);

export function createSharedRows(dimension: number, buffers: readonly SharedArrayBuffer[]): SharedRows {
  const blocks = buffers.map((buffer) => new Float32Array(buffer));
  const offset = (row: number) => (row % blockRows) * dimension;
  const block = (row: number) => {
    const found = blocks[Math.floor(row / blockRows)];
    if (found === undefined) throw new RangeError(`row ${row} is beyond the ${blocks.length} shared blocks`);
    return found;
  };
  return {
    dimension,
    block,
    offset,
    range: (from, to) => block(from).subarray(offset(from), offset(from) + (to - from) * dimension),
    grow: (from, more) => {
      for (const [at, buffer] of more.entries()) blocks[from + at] ??= new Float32Array(buffer);
    },
  };
}
