/**
 * What searches vectors: interchangeable, and ignorant of ids, metadata and durability. A row is a number; rows are
 * added in order and never change. The caller knows which rows are deleted.
 */

import type { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Bitmap, VectorBlocks } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";

export type EngineSpec = Pick<
  IndexConfig,
  | "dimension"
  | "metric"
  | "type"
  | "quantization"
  | "memory"
  | "connectivity"
  | "ef_construction"
  | "ef_search"
>;

/** Nearest first; fewer than asked for when there are no more. Distances as in the contract's `Hit`. */
export interface Neighbours {
  rows: Uint32Array;
  distances: Float32Array;
}

export interface SearchOptions {
  k: number;
  /** Candidates the graph keeps; the spec's `ef_search` unless given. Ignored by exact engines. */
  ef?: number;
  /** Rows from here on are not looked for: an engine that knows rows by their ids answers with those before them. */
  upTo?: number;
  /** Rows that may be in the answer, for an engine that `filters`. */
  among?: Bitmap;
  signal?: AbortSignal;
}

/** One index in one engine, in a thread of its own choosing. Every call may be made while others are open. */
export interface Engine {
  /** usearch, faiss or exact, or the name of an engine of others. */
  name: string;
  /** Rows that `search` covers: 0 up to here. Grows while `add` works. */
  covered: () => number;
  /** Covers the rows of the blocks up to `rows`, in slices, so that searches are answered in between. */
  add: (rows: number, signal?: AbortSignal) => Promise<void>;
  /** The nearest of the covered rows, deleted ones too, for each query (`queries.length / dimension` of them). */
  search: (queries: Float32Array, options: SearchOptions) => Promise<Neighbours[]>;
  /** Exactly the nearest among these rows (ascending), or among those from `from` on; the engine need not cover them. */
  exact: (
    queries: Float32Array,
    among: { rows: Uint32Array } | { from: number; to: number },
    options: Pick<SearchOptions, "k" | "signal">,
  ) => Promise<Neighbours[]>;
  /** Reads the rows where the blocks have them now; resolves when it reads nowhere else. */
  moved: () => Promise<void>;
  /**
   * Writes what it built to a file, for `open` with `built` over rows without those that are gone, ascending; returns how many of
   * them it covers, 0 where so much is gone that it is not worth it. Undefined: it has nothing to keep.
   */
  save: ((path: string, gone?: Uint32Array) => Promise<number>) | undefined;
  /** Memory that `save` takes meanwhile, in bytes. */
  saveBytes: () => number;
  /** Native memory, in bytes, without the blocks. */
  memoryBytes: () => number;
  /** Why it covers no rows although there are enough. */
  problem: () => string | undefined;
  /** Whether `add` has something to do although all rows are covered, such as to remove some. */
  owes?: () => boolean;
  /** Why it cannot be searched at all, though its rows can be compared exactly. */
  away?: () => ServiceError | undefined;
  /** Whether `search` keeps to the rows it is given: no more candidates are asked for than are wanted. It finds none where it cannot tell which of them are nearest. */
  filters?: boolean;
  /** Most candidates of one search, where there is such a bound. */
  candidatesMax?: number;
  close: () => Promise<void>;
}

/** Threads for native work, shared by all indexes; a queue that is full is `too_many_requests` with Retry-After. */
export interface Engines {
  /** Opens an engine over the blocks, empty or from a file that `save` wrote, which covers no more than `rows`. Throws `unavailable` naming the fix when FAISS is needed and missing, `bad_request` for a type that is not known. */
  open: (spec: EngineSpec, blocks: VectorBlocks, built?: { path: string; rows: number }) => Promise<Engine>;
  stop: () => Promise<void>;
}

/** One row near a query. */
export interface Neighbour {
  row: number;
  distance: number;
}
