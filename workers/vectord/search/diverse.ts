/** Hits that are near the query and unlike each other. */
import { createSlices } from "../../../runtime/scheduling/scheduling.ts";
import { distanceOf, type Metric, type Neighbour, scoreOf } from "../engine/engine.ts";
import type { Rows } from "../rows/rows.ts";

interface Choice {
  metric: Metric;
  /** How many are chosen. */
  count: number;
  /** What nearness counts; the rest is what likeness to those chosen before takes away. */
  lambda: number;
  signal: AbortSignal;
}

/**
 * Maximal marginal relevance (Carbonell & Goldstein 1998): each next one has the most of
 * lambda × score − (1 − lambda) × its score against the chosen one that it is most like. In slices.
 */
export async function diverse(
  near: readonly Neighbour[],
  rows: Rows,
  { metric, count, lambda, signal }: Choice,
): Promise<Neighbour[]> {
  const slices = createSlices(signal);
  const distance = distanceOf(metric);
  const vectors = near.map(({ row }) => rows.blocks.row(row));
  const likest = near.map(() => 0);
  const left = new Set(near.keys());
  const chosen: Neighbour[] = [];
  while (chosen.length < count && left.size > 0) {
    const next = best(near, left, (at) => {
      const nearness = lambda * scoreOf(metric, near[at]?.distance ?? 0);
      return nearness - (1 - lambda) * (chosen.length === 0 ? 0 : (likest[at] ?? 0));
    });
    left.delete(next);
    chosen.push(near[next] as Neighbour);
    const vector = vectors[next] as Float32Array;
    for (const at of left) {
      const like = scoreOf(metric, distance(vector, vectors[at] as Float32Array, 0));
      likest[at] = chosen.length === 1 ? like : Math.max(likest[at] ?? like, like);
      const rest = slices(vector.length);
      if (rest) await rest;
    }
  }
  return chosen;
}

/** The candidate with the most; of equals the nearest. */
function best(near: readonly Neighbour[], left: ReadonlySet<number>, worth: (at: number) => number): number {
  let [top, most] = [-1, Number.NEGATIVE_INFINITY];
  for (const at of near.keys()) {
    const value = left.has(at) ? worth(at) : Number.NEGATIVE_INFINITY;
    if (top < 0 ? left.has(at) : value > most) [top, most] = [at, value];
  }
  return top;
}
