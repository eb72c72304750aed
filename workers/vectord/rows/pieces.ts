/** The live rows of a view, piece by piece, as what was once added. */
import type { Upserts } from "./batch.ts";
import { rowsOf } from "./bitmap.ts";
import type { Rows, View } from "./store.ts";

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
  const { dimension, row: vector } = rows.blocks;
  const vectors = new Float32Array(chosen.length * dimension);
  for (const [at, row] of chosen.entries()) vectors.set(vector(row), at * dimension);
  return {
    vectors,
    ids: Array.from(chosen, (row) => rows.id(row)),
    metadata: Array.from(chosen, (row) => rows.metadata(row)),
  };
}
