/** What the bindings of usearch and FAISS implement to stand behind an engine. */

import type { Bitmap } from "../rows/rows.ts";

/** For each query the same number of places; those without a row hold `noRow`. */
export interface Candidates {
  rows: Uint32Array;
  wanted: number;
}

export const noRow = 0xffff_ffff;

/** Lives in an engine thread; every call blocks it, so the caller asks for little at a time. */
export interface Graph {
  covered: () => number;
  /** Rows it must have before it takes any; none unless it says so. */
  addsFrom?: number;
  /** Takes in the rows after those it covers, up to `to`; all of them lie in one block. */
  add: (to: number) => void;
  /** How many of its candidates, nearest first, are scored again by the f32 rows to find the `k` nearest. */
  scored: (k: number, wanted: number) => number;
  /**
   * The nearest by its own, possibly rounded, distances; it looks among `wanted` candidates, as HNSW's `ef` says. One that can
   * looks at those of the set alone.
   */
  search: (queries: Float32Array, wanted: number, among?: Bitmap) => Candidates;
  /** Writes what it built to a file that `path` may not name yet. */
  write: (path: string) => void;
  /** Native memory, in bytes; estimated where the library does not tell. */
  bytes: () => number;
}
