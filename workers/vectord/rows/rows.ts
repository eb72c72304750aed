/** The rows of an index in memory: ids, vectors in shared memory, metadata, and which of them are alive. */
export {
  type Batch,
  deleteBatch,
  type Metadata,
  type Upserts,
  upsertBatch,
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
export { bytesOfItems, bytesOfRows, bytesOfStored, bytesOfVector, rowsWithin } from "./memory.ts";
export { type Applied, copyRows, createRows, type Rows, rowPieces, type View } from "./store.ts";
export {
  createSharedRows,
  createVectorBlocks,
  rowsToBlockEnd,
  type SharedRows,
  type VectorBlocks,
} from "./vector-blocks.ts";
