/** The only file that knows usearch: its mutable HNSW graph, and its exact search over a matrix. */
import { type BatchMatches, exactSearch, Index, MetricKind, type ScalarKind } from "usearch";
import type { EngineSpec, Metric } from "../engine/engine.ts";
import type { SharedRows } from "../rows/rows.ts";
import { type Candidates, type Graph, noRow } from "./graph.ts";

const metrics = { cosine: "cos", ip: "ip", l2: "l2sq" } as const;
const scalarBytes = { f32: 4, bf16: 2, i8: 1, b1: 1 / 8 } as const;

/** Candidates beside the k asked for: what bf16's rounding may have put behind them. ADR 0063 has the numbers. */
const spare = 8;

const scalar = (quantization: EngineSpec["quantization"]) => quantization as string as ScalarKind;
const metricKind = (metric: Metric) => metrics[metric] as string as MetricKind;

/** The low words of 64-bit keys: rows are numbered with 32 bits. */
function lowWords(keys: BigUint64Array): Uint32Array {
  const words = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
  const low = new Uint32Array(keys.length);
  for (let at = 0; at < low.length; at++) low[at] = words[at * 2] as number;
  return low;
}

/** An empty graph, or the one in the file, which must be whole: usearch reads what it finds. */
export function openUsearch(spec: EngineSpec, rows: SharedRows, threads: number, path?: string): Graph {
  const { dimension, quantization, connectivity } = spec;
  const index = new Index({
    dimensions: dimension,
    metric: quantization === "b1" ? MetricKind.Hamming : metricKind(spec.metric),
    quantization: scalar(quantization),
    connectivity,
    expansion_add: spec.ef_construction,
    // A search expands to as many candidates as it wants, or to this if that is more: so each names its own.
    expansion_search: 1,
    multi: false,
  });
  if (path !== undefined) index.load(path);
  const covered = () => Number(index.size());
  return {
    covered,
    add: (to) => {
      const from = covered();
      const keys = BigUint64Array.from({ length: to - from }, (_, at) => BigInt(from + at));
      // Always the same number of threads: usearch keeps as many contexts as the last call that reserved asked for.
      index.add(keys, rows.range(from, to), threads);
    },
    scored: (k, wanted) => {
      // They mix up neighbours within all of their candidates.
      if (quantization === "i8" || quantization === "b1") return wanted;
      return quantization === "f32" ? k : k + spare;
    },
    search: (queries, wanted) => searchGraph(index, queries, { dimension, wanted, threads }),
    write: (file) => index.save(file),
    bytes: () => graphBytes(spec, Number(index.capacity()), covered()),
  };
}

function searchGraph(
  index: Index,
  queries: Float32Array,
  { dimension, wanted, threads }: { dimension: number; wanted: number; threads: number },
): Candidates {
  const count = queries.length / dimension;
  if (count === 1) {
    const { keys } = index.search(queries, wanted, 1);
    const rows = new Uint32Array(wanted).fill(noRow);
    rows.set(lowWords(keys));
    return { rows, wanted };
  }
  // Its types do not know that many queries may come as one matrix, and are answered together.
  const found: unknown = index.search(queries, wanted, Math.min(threads, count));
  const { keys, counts } = found as BatchMatches;
  const rows = lowWords(keys);
  for (let query = 0; query < count; query++) {
    rows.fill(noRow, query * wanted + Number(counts[query]), (query + 1) * wanted);
  }
  return { rows, wanted };
}

/** usearch's own layout: a vector, a node with 2 M links at the base and M a level, and slots for look-ups. */
function graphBytes(
  { dimension, quantization, connectivity }: EngineSpec,
  capacity: number,
  rows: number,
): number {
  const node = 14 + (2 * connectivity + 1) * 4 + ((connectivity + 1) * 4) / Math.log(connectivity);
  return Math.round(rows * (dimension * scalarBytes[quantization] + node) + capacity * 32);
}

/**
 * The `k` nearest of the first `count` rows of a block, or of a buffer of gathered rows, with distances of usearch's
 * own precision. The block must begin where its buffer begins: usearch 2.26.2 looks at the buffer, not at the view.
 */
export function nearestInBlock(
  block: { rows: Float32Array; count: number },
  queries: Float32Array,
  { dimension, k, metric, threads }: { dimension: number; k: number; metric: Metric; threads: number },
): { rows: Uint32Array; distances: Float32Array } {
  if (block.rows.byteOffset !== 0) throw new RangeError("usearch would read the rows before the view");
  const dataset = new Float32Array(block.rows.buffer, 0, block.count * dimension);
  const own = queries.byteOffset === 0 ? queries : queries.slice();
  const { keys, distances } = exactSearch(dataset, own, dimension, k, metricKind(metric), threads);
  return { rows: lowWords(keys), distances };
}
