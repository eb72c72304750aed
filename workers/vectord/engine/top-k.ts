/** The k nearest rows seen so far, of one query. */
import type { Neighbours } from "./interface.ts";

export interface TopK {
  /** Takes a candidate into account. */
  offer: (row: number, distance: number) => void;
  /** Nothing farther than this can still be among them. */
  bound: () => number;
  /** Nearest first, equal distances by row. */
  result: () => Neighbours;
}

/** Keeps at most `limit` rows. */
export function createTopK(limit: number): TopK {
  // Sorted and cut only now and then: a candidate costs one comparison, most of the time.
  const roomMax = limit + Math.max(64, limit);
  let kept: { row: number; distance: number }[] = [];
  let farthest = Number.POSITIVE_INFINITY;

  const settle = () => {
    kept.sort((a, b) => a.distance - b.distance || a.row - b.row);
    if (kept.length < limit) return;
    kept = kept.slice(0, limit);
    farthest = kept.at(-1)?.distance ?? farthest;
  };
  return {
    offer: (row, distance) => {
      if (distance > farthest) return;
      kept.push({ row, distance });
      if (kept.length >= roomMax) settle();
    },
    bound: () => farthest,
    result: () => {
      settle();
      return {
        rows: Uint32Array.from(kept, ({ row }) => row),
        distances: Float32Array.from(kept, ({ distance }) => distance),
      };
    },
  };
}
