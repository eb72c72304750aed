/** Vectors that lie in clusters, as embeddings of real texts do, the same for the same seed on every machine. */
import { createProgress } from "../command-line/command-line.ts";

interface Clustered {
  /** Row by row. */
  vectors: Float32Array;
  /** Drawn like the vectors, and none of them. */
  queries: Float32Array;
}

/** A row takes some microseconds. */
const rowsToldOnce = 256;

/** Mulberry32: 32 bits of state, uniform in [0, 1). */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Spread inside a cluster along few directions and a little along all; there are √rows clusters. */
export function clustered(rows: number, dimension: number, queries: number, seed = 1): Clustered {
  const bar = createProgress("vectors", { unit: "rows" });
  const random = uniform(seed);
  // Four uniform numbers are normal enough, and quick.
  const normal = () => (random() + random() + random() + random() - 2) * 1.732;
  const filled = (length: number) => Float32Array.from({ length }, normal);
  const clusters = Math.max(1, Math.round(Math.sqrt(rows)));
  const directions = Math.min(24, dimension);
  const centres = filled(clusters * dimension);
  const axes = filled(directions * dimension);
  const draw = (count: number): Float32Array => {
    const drawn = new Float32Array(count * dimension);
    for (let row = 0; row < count; row++) {
      const centre = Math.floor(random() * clusters) * dimension;
      const along = Array.from({ length: directions }, () => normal() * 0.15);
      for (let i = 0; i < dimension; i++) {
        let value = (centres[centre + i] as number) + 0.1 * (random() - 0.5);
        for (let axis = 0; axis < directions; axis++) {
          value += (along[axis] as number) * (axes[axis * dimension + i] as number);
        }
        drawn[row * dimension + i] = value;
      }
      if (row % rowsToldOnce === 0) bar.step(row, count);
    }
    return drawn;
  };
  const made = { vectors: draw(rows), queries: draw(queries) };
  bar.end();
  return made;
}

/** The k nearest rows to a query by cosine, found by looking at every row; `keep` leaves rows out. */
export function nearestByCosine(
  { vectors, dimension }: { vectors: Float32Array; dimension: number },
  query: Float32Array,
  k: number,
  keep: (row: number) => boolean = () => true,
): number[] {
  const found: { row: number; score: number }[] = [];
  const length = vectors.length / dimension;
  for (let row = 0; row < length; row++) {
    if (!keep(row)) continue;
    let dot = 0;
    let own = 0;
    for (let at = 0; at < dimension; at++) {
      const value = vectors[row * dimension + at] ?? 0;
      dot += value * (query[at] ?? 0);
      own += value * value;
    }
    const score = dot / Math.sqrt(own);
    if (found.length === k && score <= (found.at(-1)?.score ?? 0)) continue;
    found.push({ row, score });
    found.sort((a, b) => b.score - a.score);
    if (found.length > k) found.pop();
  }
  return found.map(({ row }) => row);
}
