/** Vectors as embeddings lie: in clusters, spread inside a cluster along few directions and a little along all. */
import { seeded } from "./seeded.ts";

export interface Clustered {
  /** Row by row. */
  vectors: Float32Array;
  /** Drawn like the vectors, and none of them. */
  queries: Float32Array;
}

/** The same for the same numbers, on every machine. There are √rows clusters. */
export function clustered(rows: number, dimension: number, queries: number, seed = 1): Clustered {
  const random = seeded(seed);
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
    }
    return drawn;
  };
  return { vectors: draw(rows), queries: draw(queries) };
}
