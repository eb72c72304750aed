/** Vectors as points of a plane: their two principal components. */

export interface Projection {
  points: [x: number, y: number][];
  /** The share of all difference that the plane shows, 0 to 1. */
  share: number;
}

/** Rounds of power iteration: more move a point by less than a pixel. */
const rounds = 40;

/** Deterministic: the same vectors give the same picture. */
export function project(vectors: readonly (readonly number[])[]): Projection {
  const dimension = vectors[0]?.length ?? 0;
  const mean = new Float64Array(dimension);
  for (const vector of vectors)
    for (let at = 0; at < dimension; at++) mean[at] = (mean[at] ?? 0) + (vector[at] ?? 0) / vectors.length;
  const rows = vectors.map((vector) => Float64Array.from(mean, (centre, at) => (vector[at] ?? 0) - centre));
  const total = rows.reduce((sum, row) => sum + dot(row, row), 0);
  const first = component(rows, dimension, []);
  const second = component(rows, dimension, [first]);
  const points = rows.map((row): [number, number] => [dot(row, first), dot(row, second)]);
  const shown = points.reduce((sum, [x, y]) => sum + x * x + y * y, 0);
  return { points, share: total === 0 ? 1 : Math.min(1, shown / total) };
}

/** The direction of the largest variance that is at right angles to those before it. */
function component(
  rows: readonly Float64Array[],
  dimension: number,
  before: readonly Float64Array[],
): Float64Array {
  // Begins at the longest row, which no direction that counts is at right angles to by accident of a constant.
  const longest = rows.reduce(
    (best, row) => (dot(row, row) > dot(best, best) ? row : best),
    new Float64Array(dimension),
  );
  let direction = unit(without(longest.slice(), before), dimension);
  for (let round = 0; round < rounds; round++) {
    const next = new Float64Array(dimension);
    for (const row of rows) {
      const along = dot(row, direction);
      for (let at = 0; at < dimension; at++) next[at] = (next[at] ?? 0) + along * (row[at] ?? 0);
    }
    direction = unit(without(next, before), dimension);
  }
  return direction;
}

function without(vector: Float64Array, directions: readonly Float64Array[]): Float64Array {
  for (const direction of directions) {
    const along = dot(vector, direction);
    for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] ?? 0) - along * (direction[at] ?? 0);
  }
  return vector;
}

/** Where nothing is left, no direction counts: zero shows all points in one place of it. */
function unit(vector: Float64Array, dimension: number): Float64Array {
  const length = Math.sqrt(dot(vector, vector));
  return length < 1e-12 ? new Float64Array(dimension) : vector.map((value) => value / length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
