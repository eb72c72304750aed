/** The f32 vectors of one index, in blocks of shared memory: the service's thread fills them, engine threads read. */

/** Rows in a block: small indexes stay small, and growing never copies. */
export const blockRows = 4096;

export interface VectorBlocks {
  dimension: number;
  rows: () => number;
  /** Appends rows; returns the number of the first. */
  append: (vectors: Float32Array) => number;
  /** A view of one row; not to be written to. */
  row: (row: number) => Float32Array;
  /** The memory itself, block by block, for other threads. */
  buffers: () => readonly SharedArrayBuffer[];
  bytes: () => number;
}

export function createVectorBlocks(dimension: number): VectorBlocks {
  const buffers: SharedArrayBuffer[] = [];
  const blocks: Float32Array[] = [];
  let rows = 0;
  return {
    dimension,
    rows: () => rows,
    append: (vectors) => {
      const first = rows;
      const count = vectors.length / dimension;
      for (let done = 0; done < count; ) {
        const at = rows % blockRows;
        if (at === 0) {
          const buffer = new SharedArrayBuffer(blockRows * dimension * 4);
          buffers.push(buffer);
          blocks.push(new Float32Array(buffer));
        }
        const some = Math.min(blockRows - at, count - done);
        blocks.at(-1)?.set(vectors.subarray(done * dimension, (done + some) * dimension), at * dimension);
        done += some;
        rows += some;
      }
      return first;
    },
    row: (row) => {
      const block = blocks[Math.floor(row / blockRows)];
      if (row >= rows || block === undefined) throw new RangeError(`there is no row ${row} of ${rows}`);
      const at = (row % blockRows) * dimension;
      return block.subarray(at, at + dimension);
    },
    buffers: () => buffers,
    bytes: () => buffers.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

// Vector blocks in another thread, which was handed their memory.

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
