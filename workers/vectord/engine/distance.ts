/** Exact distances in double precision, so that every engine answers with the same ones. */
import type { EngineSpec, Neighbours } from "./interface.ts";

export type Metric = EngineSpec["metric"];

/** The distance between a query and the row that begins at `at` in `rows`, both of the query's length. */
export type Distance = (query: Float32Array, rows: Float32Array, at: number) => number;

// Four sums at once: additions that wait for each other cost three times as much.
function dot(a: Float32Array, b: Float32Array, at: number): number {
  const length = a.length;
  const even = length - (length % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < even; i += 4) {
    s0 += (a[i] as number) * (b[at + i] as number);
    s1 += (a[i + 1] as number) * (b[at + i + 1] as number);
    s2 += (a[i + 2] as number) * (b[at + i + 2] as number);
    s3 += (a[i + 3] as number) * (b[at + i + 3] as number);
  }
  for (let i = even; i < length; i++) s0 += (a[i] as number) * (b[at + i] as number);
  return s0 + s1 + s2 + s3;
}

function squaredEuclidean(a: Float32Array, b: Float32Array, at: number): number {
  const length = a.length;
  const even = length - (length % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < even; i += 4) {
    s0 += ((a[i] as number) - (b[at + i] as number)) ** 2;
    s1 += ((a[i + 1] as number) - (b[at + i + 1] as number)) ** 2;
    s2 += ((a[i + 2] as number) - (b[at + i + 2] as number)) ** 2;
    s3 += ((a[i + 3] as number) - (b[at + i + 3] as number)) ** 2;
  }
  for (let i = even; i < length; i++) s0 += ((a[i] as number) - (b[at + i] as number)) ** 2;
  return s0 + s1 + s2 + s3;
}

/** One pass for both sums: two passes took four times as long. `queryNorm` is the query's length. */
function cosineDistance(a: Float32Array, b: Float32Array, at: number, queryNorm: number): number {
  const length = a.length;
  const even = length - (length % 2);
  let s0 = 0;
  let s1 = 0;
  let n0 = 0;
  let n1 = 0;
  for (let i = 0; i < even; i += 2) {
    const x0 = b[at + i] as number;
    const x1 = b[at + i + 1] as number;
    s0 += (a[i] as number) * x0;
    s1 += (a[i + 1] as number) * x1;
    n0 += x0 * x0;
    n1 += x1 * x1;
  }
  if (even < length) {
    const last = b[at + even] as number;
    s0 += (a[even] as number) * last;
    n0 += last * last;
  }
  const product = queryNorm * Math.sqrt(n0 + n1);
  return product === 0 ? 1 : 1 - (s0 + s1) / product;
}

/** The length of a vector that begins at `at`. */
export function norm(vector: Float32Array, at: number, length: number): number {
  let sum = 0;
  for (let i = at; i < at + length; i++) sum += (vector[i] as number) ** 2;
  return Math.sqrt(sum);
}

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
    return cosineDistance(query, rows, at, lastNorm);
  };
}

/** Larger is nearer: the cosine, the product, or 1 / (1 + distance). */
export function scoreOf(metric: Metric, distance: number): number {
  if (metric === "cosine") return 1 - distance;
  return metric === "ip" ? -distance : 1 / (1 + distance);
}

// The k nearest rows seen so far, of one query.

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
