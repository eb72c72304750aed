/** Exact distances in double precision, so that every engine answers with the same ones. */
import type { EngineSpec } from "./engine.ts";

export type Metric = EngineSpec["metric"];

/** The distance between a query and the row that begins at `at` in `rows`, both of the query's length. */
export type Distance = (query: Float32Array, rows: Float32Array, at: number) => number;

// Four sums at once: additions that wait for each other cost three times as much.
function dot(a: Float32Array, b: Float32Array, at: number): number {
  const length = a.length;
  const even = length - (length % 4);
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let i = 0; i < even; i += 4) {
    s0 += (a[i] as number) * (b[at + i] as number);
    s1 += (a[i + 1] as number) * (b[at + i + 1] as number);
    s2 += (a[i + 2] as number) * (b[at + i + 2] as number);
    s3 += (a[i + 3] as number) * (b[at + i + 3] as number);
  }
  for (let i = even; i < length; i++) s0 += (a[i] as number) * (b[at + i] as number);
  return s0 + s1 + s2 + s3;
}

function squaredNorm(b: Float32Array, at: number, length: number): number {
  const even = length - (length % 4);
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let i = at; i < at + even; i += 4) {
    s0 += (b[i] as number) ** 2;
    s1 += (b[i + 1] as number) ** 2;
    s2 += (b[i + 2] as number) ** 2;
    s3 += (b[i + 3] as number) ** 2;
  }
  for (let i = at + even; i < at + length; i++) s0 += (b[i] as number) ** 2;
  return s0 + s1 + s2 + s3;
}

function squaredEuclidean(a: Float32Array, b: Float32Array, at: number): number {
  const length = a.length;
  const even = length - (length % 4);
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let i = 0; i < even; i += 4) {
    s0 += ((a[i] as number) - (b[at + i] as number)) ** 2;
    s1 += ((a[i + 1] as number) - (b[at + i + 1] as number)) ** 2;
    s2 += ((a[i + 2] as number) - (b[at + i + 2] as number)) ** 2;
    s3 += ((a[i + 3] as number) - (b[at + i + 3] as number)) ** 2;
  }
  for (let i = even; i < length; i++) s0 += ((a[i] as number) - (b[at + i] as number)) ** 2;
  return s0 + s1 + s2 + s3;
}

/** The length of a vector that begins at `at`. */
export const norm = (vector: Float32Array, at: number, length: number): number =>
  Math.sqrt(squaredNorm(vector, at, length));

/** 1 − cos, −dot or squared Euclidean. A zero vector has no direction: its cosine distance is 1 to everything. */
export function distanceOf(metric: Metric): Distance {
  if (metric === "ip") return (query, rows, at) => -dot(query, rows, at);
  if (metric === "l2") return squaredEuclidean;
  let last: Float32Array | undefined;
  let lastNorm = 0;
  return (query, rows, at) => {
    if (query !== last) {
      last = query;
      lastNorm = norm(query, 0, query.length);
    }
    const product = lastNorm * norm(rows, at, query.length);
    return product === 0 ? 1 : 1 - dot(query, rows, at) / product;
  };
}
