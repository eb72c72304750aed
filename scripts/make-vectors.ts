/** Vectors that lie in clusters, as embeddings of real texts do, the same for the same seed on every machine. */

export interface ClusteredVectors {
  /** rows × dimension. */
  rows: Float32Array;
  /** queries × dimension, from the same clusters and not among the rows. */
  queries: Float32Array;
}

export interface Shape {
  rows: number;
  queries: number;
  dimension: number;
  seed: number;
  /** One to 200 rows unless told. */
  clusters?: number;
}

/** How far points lie around the centre of their cluster, in units of the centres' own spread. */
const spread = 0.5;

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

/** Near enough to normal, and cheap: the sum of four uniforms, centred, with variance 1. */
const normal = (random: () => number): number =>
  (random() + random() + random() + random() - 2) * Math.sqrt(3);

export function clusteredVectors({ rows, queries, dimension, seed, clusters }: Shape): ClusteredVectors {
  const random = uniform(seed);
  const count = clusters ?? Math.max(1, Math.ceil(rows / 200));
  const centres = Float32Array.from({ length: count * dimension }, () => normal(random));
  const points = (length: number) => {
    const made = new Float32Array(length * dimension);
    for (let row = 0; row < length; row++) {
      const centre = Math.floor(random() * count) * dimension;
      for (let at = 0; at < dimension; at++)
        made[row * dimension + at] = (centres[centre + at] ?? 0) + spread * normal(random);
    }
    return made;
  };
  return { rows: points(rows), queries: points(queries) };
}

/** The k nearest rows to a query by cosine, found by looking at every row; `keep` leaves rows out. */
export function nearestByCosine(
  { rows, dimension }: { rows: Float32Array; dimension: number },
  query: Float32Array,
  k: number,
  keep: (row: number) => boolean = () => true,
): number[] {
  const found: { row: number; score: number }[] = [];
  const length = rows.length / dimension;
  for (let row = 0; row < length; row++) {
    if (!keep(row)) continue;
    let dot = 0;
    let own = 0;
    for (let at = 0; at < dimension; at++) {
      const value = rows[row * dimension + at] ?? 0;
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
