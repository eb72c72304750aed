/** The rows of an index in memory: ids, vectors in shared memory, metadata, and which of them are alive. */
import type { Batch, Metadata, Upserts } from "./batch.ts";
import { addRow, type Bitmap, emptyBitmap, removeRow, rowsOf } from "./bitmap.ts";
import { heapOfRow } from "./memory.ts";
import type { VectorBlocks } from "./vector-blocks.ts";

export {
  type Batch,
  deleteBatch,
  type Metadata,
  textField,
  type Upserts,
  upsertBatch,
  vectorsField,
} from "./batch.ts";
export {
  addRow,
  type Bitmap,
  complement,
  countRows,
  emptyBitmap,
  hasRow,
  intersect,
  rowsOf,
  unite,
} from "./bitmap.ts";
export { bytesOfItems, bytesOfRows, bytesOfStored, bytesOfVector, isOnDisk, rowsWithin } from "./memory.ts";
export { keptIn, mainName, pack, type Unpacked, unpack } from "./named-vectors.ts";
export type { OpenedRows, RowPlace } from "./row-files.ts";
export {
  createSharedRows,
  createVectorBlocks,
  gatherRows,
  type RowsShare,
  rowsToBlockEnd,
  type SharedRows,
  type VectorBlocks,
} from "./vector-blocks.ts";

// The rows of one index in memory: append-only. A row has an id, a vector and metadata that never change; an item
// that is replaced or deleted leaves a dead row behind, which compaction drops.

/** The rows at one moment: later batches do not change it. */
export interface View {
  /** Rows there were, dead ones too. */
  total: number;
  /** Rows that were alive. */
  live: number;
  alive: Bitmap;
}

export interface Applied {
  added: number;
  replaced: number;
  deleted: number;
  /** Ids to delete that were not there. */
  missing: number;
  /** Alive right after the batch, whatever was applied since. */
  count: number;
}

export interface Rows {
  blocks: VectorBlocks;
  /**
   * Takes the whole batch in one step; a view sees all of it or nothing. Items copied from an older store bring the
   * sequences they have there; others get new ones. Throws RangeError for sequences that do not ascend.
   */
  apply: (batch: Batch, sequences?: readonly number[]) => Applied;
  view: () => View;
  /** The row that is alive under the id. */
  find: (id: string) => number | undefined;
  /** The one that was alive under it when there were so many rows, as long as the id was not deleted since. */
  findBelow: (id: string, total: number) => number | undefined;
  id: (row: number) => string;
  metadata: (row: number) => Metadata | undefined;
  total: () => number;
  live: () => number;
  /** Where new sequences come from, for the store that takes the place of this one. */
  sequences: Sequences;
  /** Grows with the rows and stays with an item through compactions: what pages of a scroll go by. */
  sequence: (row: number) => number;
  /** The first row whose sequence is above. */
  after: (sequence: number) => number;
  /** Bytes of ids, row tables and metadata, roughly. */
  bytes: () => number;
}

/** Numbers of one index, shared by the stores that follow each other: none is given twice, not after a compaction either. */
interface Sequences {
  next: () => number;
}

function createSequences(): Sequences {
  let last = -1;
  return { next: () => ++last };
}

export function createRows(blocks: VectorBlocks, from: Sequences = createSequences()): Rows {
  const rowOf = new Map<string, number>();
  const ids: string[] = [];
  const metadata: (Metadata | undefined)[] = [];
  const sequences: number[] = [];
  const alive = createAlive();
  /** Of a row that replaced another, that one. */
  const before = new Map<number, number>();
  let heapBytes = 0;

  const remove = (id: string): number | undefined => {
    const row = rowOf.get(id);
    if (row === undefined) return undefined;
    rowOf.delete(id);
    alive.remove(row);
    return row;
  };
  const number = (sequence: number) => {
    const last = sequences.at(-1) ?? -1;
    if (sequence <= last) throw new RangeError(`a row after sequence ${last} cannot have ${sequence}`);
    sequences.push(sequence);
  };
  const append = (
    { ids: newIds, vectors, metadata: newMetadata, place }: Upserts,
    given?: readonly number[],
  ): number => {
    let replaced = 0;
    blocks.append(vectors, place);
    for (const [at, id] of newIds.entries()) {
      const row = ids.length;
      const old = remove(id);
      if (old !== undefined) {
        replaced += 1;
        before.set(row, old);
      }
      rowOf.set(id, row);
      number(given?.[at] ?? from.next());
      ids.push(id);
      metadata.push(newMetadata[at]);
      alive.add(row);
      heapBytes += heapOfRow(id, newMetadata[at]);
    }
    return replaced;
  };

  return {
    blocks,
    apply: ({ deletes, upserts }, given) => {
      const deleted = deletes.filter((id) => remove(id) !== undefined).length;
      const replaced = append(upserts, given);
      const { length } = upserts.ids;
      const missing = deletes.length - deleted;
      return { added: length - replaced, replaced, deleted, missing, count: rowOf.size };
    },
    view: () => ({ total: ids.length, live: rowOf.size, alive: alive.freeze() }),
    find: (id) => rowOf.get(id),
    findBelow: (id, total) => {
      let row = rowOf.get(id);
      while (row !== undefined && row >= total) row = before.get(row);
      return row;
    },
    id: (row) => ids[row] ?? "",
    metadata: (row) => metadata[row],
    total: () => ids.length,
    live: () => rowOf.size,
    sequences: from,
    sequence: (row) => sequences[row] ?? 0,
    after: (sequence) => firstAbove(sequences, sequence),
    bytes: () => heapBytes,
  };
}

/** Bits that are copied before they change when somebody holds them. */
function createAlive(): {
  add: (row: number) => void;
  remove: (row: number) => void;
  freeze: () => Bitmap;
} {
  let bits = emptyBitmap(1024);
  let held = false;
  const own = (rows: number) => {
    const room = bits.length * 32 >= rows ? bits.length * 32 : rows * 2;
    if (!held && room === bits.length * 32) return;
    const copy = emptyBitmap(room);
    copy.set(bits);
    bits = copy;
    held = false;
  };
  return {
    add: (row) => {
      own(row + 1);
      addRow(bits, row);
    },
    remove: (row) => {
      own(row + 1);
      removeRow(bits, row);
    },
    freeze: () => {
      held = true;
      return bits;
    },
  };
}

function firstAbove(sequences: readonly number[], sequence: number): number {
  let low = 0;
  let high = sequences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sequences[middle] ?? 0) > sequence) high = middle;
    else low = middle + 1;
  }
  return low;
}

// The live rows of a view, piece by piece, as what was once added.

/** Vectors of a piece, in bytes: a copy of that many takes about a millisecond. */
const pieceBytes = 4 * 1024 * 1024;

/** Pieces in row order. The view is fixed, so they may be taken at any pace; an abort ends them with its reason. */
export function* rowPieces(rows: Rows, view: View, signal: AbortSignal): Generator<Upserts> {
  const live = rowsOf(view.alive);
  const size = Math.max(1, Math.floor(pieceBytes / (rows.blocks.dimension * 4)));
  for (let from = 0; from < live.length; from += size) {
    signal.throwIfAborted();
    yield copyRows(rows, live.subarray(from, from + size));
  }
}

/** Copies of some rows. */
export function copyRows(rows: Rows, chosen: Uint32Array): Upserts {
  return {
    vectors: rows.blocks.gather(chosen),
    ids: Array.from(chosen, (row) => rows.id(row)),
    metadata: Array.from(chosen, (row) => rows.metadata(row)),
  };
}
