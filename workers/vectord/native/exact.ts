/** Searching without a graph: type `flat`, rows a graph does not cover yet, and rows a filter chose. */
import {
  createTopK,
  type Distance,
  distanceOf,
  type Metric,
  type Neighbours,
  type TopK,
} from "../engine/engine.ts";
import { gatherRows, rowsToBlockEnd, type SharedRows } from "../rows/rows.ts";
import { nearestInBlock } from "./usearch.ts";

export type Among = { rows: Uint32Array } | { from: number; to: number };

interface ExactSearch {
  queries: Float32Array;
  k: number;
  metric: Metric;
  among: Among;
  /** Native threads. */
  threads: number;
}

/** Queries in one native call: with 4,096 rows about 15 ms, and 16 bytes of its memory a row and query. */
const queriesMax = 64;
/** Rows × queries below which a loop here beats copying the rows together for usearch: measured in ADR 0063. */
const loopMax = 64;
/** Rows copied together at once, 16 MiB. */
const gatheredNumbersMax = 4 * 1024 * 1024;
/** Candidates beside k: usearch's distances differ from ours in their last digits. */
const spare = 8;

/**
 * The `k` nearest of each query, in steps of some 20 ms at most; it yields between them and returns the answer.
 */
export function* exactly(search: ExactSearch, shared: SharedRows): Generator<void, Neighbours[]> {
  const { dimension } = shared;
  const count = search.queries.length / dimension;
  const answers: Neighbours[] = [];
  for (let first = 0; first < count; first += queriesMax) {
    const last = Math.min(count, first + queriesMax);
    const queries = search.queries.subarray(first * dimension, last * dimension);
    const nearest = Array.from({ length: last - first }, () => createTopK(search.k + spare));
    const part = { ...search, queries, nearest };
    yield* "rows" in search.among
      ? amongRows(part, search.among.rows, shared)
      : amongRange(part, search.among, shared);
    const distance = distanceOf(search.metric);
    for (const [at, found] of nearest.entries()) {
      const query = queries.subarray(at * dimension, (at + 1) * dimension);
      answers.push(scored(query, found.result().rows, { k: search.k, distance, shared }));
    }
  }
  return answers;
}

type Part = ExactSearch & { nearest: TopK[] };

function* amongRange(
  part: Part,
  { from, to }: { from: number; to: number },
  shared: SharedRows,
): Generator<void> {
  for (let row = from; row < to; ) {
    const end = Math.min(to, row + rowsToBlockEnd(row));
    const first = row;
    const range = shared.range(row, end);
    if (range.byteOffset === 0)
      inBlock(part, { rows: range, count: end - row, numberOf: (at) => first + at });
    else
      yield* amongRows(
        part,
        Uint32Array.from({ length: end - row }, (_, at) => first + at),
        shared,
      );
    row = end;
    yield;
  }
}

function* amongRows(part: Part, rows: Uint32Array, shared: SharedRows): Generator<void> {
  const { dimension } = shared;
  if (rows.length * part.nearest.length <= loopMax) return inLoop(part, rows, shared);
  const pieceRows = Math.max(1, Math.min(4096, Math.floor(gatheredNumbersMax / dimension)));
  const gathered = new Float32Array(Math.min(pieceRows, rows.length) * dimension);
  for (let first = 0; first < rows.length; first += pieceRows) {
    const piece = rows.subarray(first, first + pieceRows);
    gatherRows(shared, piece, gathered.subarray(0, piece.length * dimension));
    inBlock(part, { rows: gathered, count: piece.length, numberOf: (at) => piece[at] as number });
    yield;
  }
}

interface Block {
  rows: Float32Array;
  count: number;
  numberOf: (at: number) => number;
}

function inBlock({ queries, nearest, k, metric, threads }: Part, { rows, count, numberOf }: Block): void {
  const wanted = Math.min(k + spare, count);
  const dimension = queries.length / nearest.length;
  const found = nearestInBlock({ rows, count }, queries, { dimension, k: wanted, metric, threads });
  for (const [query, kept] of nearest.entries()) {
    for (let at = query * wanted; at < (query + 1) * wanted; at++) {
      const distance = found.distances[at] as number;
      if (distance > kept.bound()) break;
      kept.offer(numberOf(found.rows[at] as number), distance);
    }
  }
}

function inLoop({ queries, nearest, metric }: Part, rows: Uint32Array, shared: SharedRows): void {
  const { dimension } = shared;
  for (const [query, kept] of nearest.entries()) {
    const distance = distanceOf(metric);
    const vector = queries.subarray(query * dimension, (query + 1) * dimension);
    for (const row of rows) kept.offer(row, distance(vector, shared.block(row), shared.offset(row)));
  }
}

/** The candidates by their distances in double precision: the k nearest, equal ones by row. */
export function scored(
  query: Float32Array,
  candidates: Uint32Array,
  { k, distance, shared }: { k: number; distance: Distance; shared: SharedRows },
): Neighbours {
  const nearest = createTopK(k);
  // By number: an iterator of a typed array costs as much as the distance.
  for (let at = 0; at < candidates.length; at++) {
    const row = candidates[at] as number;
    nearest.offer(row, distance(query, shared.block(row), shared.offset(row)));
  }
  return nearest.result();
}
