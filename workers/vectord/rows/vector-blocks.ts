/**
 * The f32 vectors of one index: the service's thread fills blocks of shared memory, engine threads read. With a folder for
 * files only the last block stays in memory: rows are read from the checkpoint that holds them, others from a file without a
 * name that goes with the process.
 */
import { storageError } from "../../../runtime/durable/durable.ts";
import { noneIsPlaced, type Placed, readPlaced, sumOf } from "./placed.ts";
import { createRowFiles, type OpenedRows, type RowFiles, type RowPlace } from "./row-files.ts";

/** Rows in a block: small indexes stay small, and growing never copies. */
export const blockRows = 4096;

export interface VectorBlocks {
  dimension: number;
  rows: () => number;
  /** Appends rows; returns the number of the first. They may stand in a file already. */
  append: (vectors: Float32Array, place?: RowPlace) => number;
  /** One row; not to be written to. Throws `corrupt` for one that its file does not hold any more. */
  row: (row: number) => Float32Array;
  /** These rows, ascending, one after the other. */
  gather: (chosen: Uint32Array) => Float32Array;
  /** What another thread needs to read them that has `handed` blocks already. */
  share: (handed: number) => RowsShare;
  /** Of rows in files: where they are opened, and read from another one. */
  files:
    | (Pick<RowFiles, "open"> & {
        /** Reads the first rows there from now on; the files of before stay open until the returned function is called. */
        moveTo: (opened: OpenedRows) => () => void;
      })
    | undefined;
  /** Memory, in bytes. */
  bytes: () => number;
  /** Why rows that should stand in a file are in memory. */
  problem: () => string | undefined;
  /** Closes its files. */
  close: () => void;
}

/** Memory and files of rows, for another thread. */
export interface RowsShare {
  from: number;
  /** The blocks from `from` on; undefined where all of one stands in files. */
  buffers: readonly (SharedArrayBuffer | undefined)[];
  placed: Placed;
}

/** Rows in memory, or in files but for the last block when there is a folder for them. */
export function createVectorBlocks(dimension: number, folder?: string): VectorBlocks {
  const buffers: (SharedArrayBuffer | undefined)[] = [];
  const files = folder === undefined ? undefined : createRowFiles(dimension, folder);
  let rows = 0;
  let problem: string | undefined;
  const placed = () => files?.placed() ?? noneIsPlaced();
  // What is in files moves; where all rows are in memory, one reader serves each of them.
  const inMemory = files ? undefined : rowReader(dimension, buffers, noneIsPlaced());
  const reader = () => inMemory ?? rowReader(dimension, buffers, placed());

  /** Writes what is in memory of the blocks that are full. */
  const spill = (to: RowFiles) => {
    const full = rows - (rows % blockRows);
    try {
      while (to.placed().upTo < full) {
        const from = to.placed().upTo;
        to.write(reader().range(from, from + rowsToBlockEnd(from)));
      }
      problem = undefined;
    } catch (cause) {
      const error = storageError(cause, "write rows to their file");
      problem = `rows are kept in memory: ${error instanceof Error ? error.message : error}`;
    }
    forget(buffers, to.placed().upTo);
  };
  const keep = (vectors: Float32Array) => {
    const count = vectors.length / dimension;
    for (let done = 0; done < count; ) {
      const at = rows % blockRows;
      const block = Math.floor(rows / blockRows);
      const buffer = buffers[block] ?? new SharedArrayBuffer(blockRows * dimension * 4);
      buffers[block] = buffer;
      const some = Math.min(blockRows - at, count - done);
      const part = vectors.subarray(done * dimension, (done + some) * dimension);
      new Float32Array(buffer).set(part, at * dimension);
      done += some;
      rows += some;
    }
  };
  return {
    dimension,
    rows: () => rows,
    append: (vectors, place) => {
      const first = rows;
      if (files && place && files.placed().upTo === rows) {
        files.take(vectors, place);
        rows = files.placed().upTo;
      } else keep(vectors);
      if (files && rows - files.placed().upTo >= blockRows) spill(files);
      return first;
    },
    row: (row) => {
      if (row >= rows) throw new RangeError(`there is no row ${row} of ${rows}`);
      return reader().range(row, row + 1);
    },
    gather: (chosen) => {
      const all = new Float32Array(chosen.length * dimension);
      gatherRows(reader(), chosen, all);
      return all;
    },
    share: (from) => ({ from, buffers: buffers.slice(from), placed: placed() }),
    files: files && {
      open: files.open,
      moveTo: (opened) => {
        const release = files.moveTo(opened, (row) => sumOf(reader().range(row, row + 1)));
        forget(buffers, files.placed().upTo);
        return release;
      },
    },
    bytes: () =>
      buffers.reduce((sum, buffer) => sum + (buffer?.byteLength ?? 0), 0) + placed().sums.byteLength,
    problem: () => problem,
    close: () => files?.close(),
  };
}

/** Lets the blocks go of which every row is placed. */
function forget(buffers: (SharedArrayBuffer | undefined)[], upTo: number): void {
  for (let block = Math.floor(upTo / blockRows) - 1; block >= 0 && buffers[block]; block--)
    buffers[block] = undefined;
}

/** How many rows follow in the block of `row`, itself included. */
export const rowsToBlockEnd = (row: number): number => blockRows - (row % blockRows);

interface RowReader {
  /** Copies rows that lie in one block. */
  copy: (from: number, to: number, into: Float32Array) => void;
  /** The same rows: a view of the memory they are in, or a copy of what their file holds. */
  range: (from: number, to: number) => Float32Array;
}

function rowReader(
  dimension: number,
  buffers: readonly (SharedArrayBuffer | undefined)[],
  placed: Placed,
): RowReader {
  const view = (from: number, to: number) => {
    const buffer = buffers[Math.floor(from / blockRows)];
    if (buffer === undefined) throw new RangeError(`row ${from} is beyond the blocks there are`);
    return new Float32Array(buffer, (from % blockRows) * dimension * 4, (to - from) * dimension);
  };
  const copy: RowReader["copy"] = (from, to, into) => {
    const middle = Math.max(from, Math.min(to, placed.upTo));
    if (from < middle) readPlaced(placed, from, middle, into.subarray(0, (middle - from) * dimension));
    if (middle < to) into.set(view(middle, to), (middle - from) * dimension);
  };
  return {
    copy,
    range: (from, to) => {
      if (from >= placed.upTo) return view(from, to);
      const own = new Float32Array((to - from) * dimension);
      copy(from, to, own);
      return own;
    },
  };
}

/** Copies the rows, ascending, together; those that follow each other at once. */
export function gatherRows({ copy }: Pick<RowReader, "copy">, chosen: Uint32Array, into: Float32Array): void {
  const dimension = into.length / chosen.length;
  for (let at = 0; at < chosen.length; ) {
    const row = chosen[at] as number;
    const roomInBlock = rowsToBlockEnd(row);
    let run = 1;
    while (run < roomInBlock && chosen[at + run] === row + run) run += 1;
    copy(row, row + run, into.subarray(at * dimension, (at + run) * dimension));
    at += run;
  }
}

// Rows in another thread, which was handed what it needs to read them.

export interface SharedRows extends RowReader {
  dimension: number;
  /** The array that holds a row: of one on disk, an array that the next call fills anew. */
  block: (row: number) => Float32Array;
  /** Where the row begins in that. */
  offset: (row: number) => number;
  /** Takes over what it does not know yet. */
  grow: (share: RowsShare) => void;
}

export function createSharedRows(dimension: number, first: RowsShare): SharedRows {
  const buffers: (SharedArrayBuffer | undefined)[] = [];
  const blocks: (Float32Array | undefined)[] = [];
  const one = new Float32Array(dimension);
  let placed = noneIsPlaced();
  let reader = rowReader(dimension, buffers, placed);
  const grow = ({ from, buffers: more, placed: now }: RowsShare) => {
    for (const [at, buffer] of more.entries()) {
      buffers[from + at] ??= buffer;
      blocks[from + at] ??= buffer && new Float32Array(buffer);
    }
    placed = now;
    forget(buffers, placed.upTo);
    forget(blocks as (SharedArrayBuffer | undefined)[] & typeof blocks, placed.upTo);
    reader = rowReader(dimension, buffers, placed);
  };
  grow(first);
  return {
    dimension,
    block: (row) => {
      if (row < placed.upTo) {
        reader.copy(row, row + 1, one);
        return one;
      }
      const found = blocks[Math.floor(row / blockRows)];
      if (found === undefined)
        throw new RangeError(`row ${row} is beyond the ${blocks.length} shared blocks`);
      return found;
    },
    offset: (row) => (row < placed.upTo ? 0 : (row % blockRows) * dimension),
    copy: (from, to, into) => reader.copy(from, to, into),
    range: (from, to) => reader.range(from, to),
    grow,
  };
}
