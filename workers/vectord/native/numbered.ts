/**
 * A graph knows a row by the key that it was added under. Rows that were dead at a checkpoint are not in it, so that a start
 * numbers those behind them anew: their keys stay in the graph, are skipped, and the others are counted without them.
 */
import { addRow, type Bitmap, emptyBitmap, hasRow, type SharedRows } from "../rows/rows.ts";
import { type Graph, noRow } from "./graph.ts";

export interface NumberedGraph extends Graph {
  /** The keys that stand for no row once these rows, ascending, are gone too; rows are numbered without them then. */
  goneWith: (rows: Uint32Array) => Uint32Array;
}

/** Of ascending numbers, how many are below. */
function below(numbers: Uint32Array, value: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The keys of the rows, below `to`. */
function keysOf(among: Bitmap, to: number, gone: Uint32Array): Bitmap {
  const keys = emptyBitmap(to);
  for (let [key, before] = [0, 0]; key < to; key++) {
    if (gone[before] === key) before += 1;
    else if (hasRow(among, key - before)) addRow(keys, key);
  }
  return keys;
}

/** Opens a graph over the rows as if the keys that are gone were none; `open` gets the rows by their keys. */
export function numbered(
  gone: Uint32Array,
  shared: SharedRows,
  open: (rows: SharedRows) => Graph,
): NumberedGraph {
  const { length } = gone;
  const byKey: SharedRows = {
    ...shared,
    range: (from, to) => shared.range(from - length, to - length),
    block: (key) => shared.block(key - length),
    offset: (key) => shared.offset(key - length),
  };
  const graph = open(length === 0 ? shared : byKey);
  // The keys less their places: how many rows are before each, which ascends too.
  const rowsBefore = gone.map((key, at) => key - at);
  const keyOf = (row: number) => row + below(rowsBefore, row + 1);
  const rowOf = (key: number) => {
    const before = below(gone, key);
    return gone[before] === key ? noRow : key - before;
  };
  const covered = () => graph.covered() - length;
  return {
    ...graph,
    covered,
    goneWith: (rows) =>
      rows.length === 0
        ? gone
        : Uint32Array.from([...gone, ...rows.subarray(0, below(rows, covered())).map(keyOf)]).sort(),
    add: (to) => graph.add(to + length),
    search: (queries, wanted, among) => {
      if (length === 0) return graph.search(queries, wanted, among);
      const share = graph.covered() / Math.max(1, covered());
      const keys = among && keysOf(among, graph.covered(), gone);
      const { rows, wanted: found } = graph.search(queries, Math.ceil(wanted * share), keys);
      return { rows: rows.map((key) => (key === noRow ? noRow : rowOf(key))), wanted: found };
    },
  };
}
