/** Messages between the service's thread and an engine thread. Vectors of an index lie in shared memory. */
import type { WireError } from "../../../runtime/errors/errors.ts";
import type { EngineSpec, IndexPlan, Neighbours } from "../engine/engine.ts";
import type { Among } from "../native/native.ts";
import type { Bitmap, RowsShare } from "../rows/rows.ts";

/** What a thread is asked, and what `done` answers. `rows` are row counts. */
export type Ask =
  | {
      type: "open";
      spec: EngineSpec;
      plan: IndexPlan;
      blocks: RowsShare;
      built?: { path: string; rows: number };
    }
  | { type: "add"; rows: number; blocks: RowsShare }
  | { type: "search"; queries: Float32Array; k: number; ef: number; among?: Bitmap }
  | { type: "exact"; queries: Float32Array; k: number; among: Among; blocks: RowsShare }
  /** Rows stand in other files now: those of before are closed once it is answered. */
  | { type: "moved"; blocks: RowsShare }
  /** FAISS was trained: the file of its index without rows. */
  | { type: "begin"; start: string }
  | { type: "save"; path: string; gone: Uint32Array }
  | { type: "close" };

export type ToThread =
  | { type: "start"; threads: number }
  | { type: "ask"; call: number; engine: number; ask: Ask }
  | { type: "cancel"; call: number }
  | { type: "stop" };

export type FromThread =
  | { type: "done"; call: number; value: unknown }
  | { type: "failed"; call: number; error: WireError; cause: Record<string, unknown> }
  | { type: "progress"; engine: number; covered: number; bytes: number }
  | { type: "stopped" };

/** Answers to many queries in three arrays: three buffers to hand over instead of two a query. */
export interface PackedNeighbours {
  rows: Uint32Array;
  distances: Float32Array;
  counts: Uint32Array;
}

export function pack(answers: readonly Neighbours[]): PackedNeighbours {
  const counts = Uint32Array.from(answers, ({ rows }) => rows.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const packed = { rows: new Uint32Array(total), distances: new Float32Array(total), counts };
  let at = 0;
  for (const { rows, distances } of answers) {
    packed.rows.set(rows, at);
    packed.distances.set(distances, at);
    at += rows.length;
  }
  return packed;
}

export function unpack({ rows, distances, counts }: PackedNeighbours): Neighbours[] {
  let at = 0;
  return Array.from(counts, (count) => {
    const from = at;
    at += count;
    return { rows: rows.subarray(from, at), distances: distances.subarray(from, at) };
  });
}
