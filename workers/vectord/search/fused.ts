/** A search by several vectors of an item: what is nearest by each, made one order by their scores. */
import type { Condition } from "../../../runtime/filter/filter.ts";
import { weightedMean } from "../../../runtime/ranking/ranking.ts";
import { distanceOf, type Metric, scoreOf } from "../engine/engine.ts";
import { hasRow, mainName, type Unpacked } from "../rows/rows.ts";
import { type Nearness, partOf } from "./named-index.ts";
import { nearestNeighbours, rowsMatching, type Searched } from "./nearest.ts";

export interface FusedQuery {
  /** Of the main vector, where it is asked by. */
  main: Float32Array | undefined;
  named: ReadonlyMap<string, Unpacked>;
  weights: ReadonlyMap<string, number>;
  metric: Metric;
  k: number;
  ef: number;
  exact: boolean;
  filter?: Condition;
  signal: AbortSignal;
}

export interface FusedHit {
  row: number;
  /** Of the only vector as it is, else the fused one, from −1 to 1. */
  score: number;
  distance: number;
  /** By each vector that the item has, on scales that can be added. */
  parts?: Record<string, number>;
}

/** Candidates by each vector, for each hit that is wanted, and at least: scores of all are known for all of them. */
const candidates = { perHit: 3, least: 100 };

/** Best first, ties by row. Each candidate of one vector is compared by all others, too. */
export async function fusedNeighbours(index: Searched, query: FusedQuery): Promise<FusedHit[]> {
  const { named, signal, filter } = query;
  if (filter) await index.fields.prepare(filter, signal);
  const among = () => {
    const view = index.rows.view();
    return filter ? rowsMatching(index, filter, view) : view.alive;
  };
  const depth = Math.max(candidates.least, query.k * candidates.perHit);
  const lists = new Map<string, Nearness>();
  for (const [name, vector] of named)
    lists.set(name, await index.named.nearness(name, vector, among, signal));
  const main = query.main && (await nearestNeighbours(index, { ...query, vectors: query.main, k: depth }));
  // What was replaced or deleted meanwhile is no hit: an item would stand there twice, or after its end.
  const alive = among();
  const rows = new Set<number>();
  for (const { row } of main?.[0] ?? []) rows.add(row);
  for (const { scores } of lists.values()) for (const row of nearestOf(scores, depth)) rows.add(row);
  const compare = query.main ? mainScore(index, query.main, query.metric) : undefined;
  const hits = [...rows]
    .filter((row) => hasRow(alive, row))
    .map((row) => hitOf(row, lists, compare, query))
    .sort((a, b) => b.score - a.score || a.row - b.row);
  return hits.slice(0, query.k);
}

function mainScore({ rows }: Searched, main: Float32Array, metric: Metric) {
  const distance = distanceOf(metric);
  return (row: number) => partOf(metric)(scoreOf(metric, distance(main, rows.blocks.row(row), 0)));
}

/** Rows of the largest scores. */
const nearestOf = (scores: ReadonlyMap<number, number>, count: number): number[] =>
  [...scores]
    .sort(([a, x], [b, y]) => y - x || a - b)
    .slice(0, count)
    .map(([row]) => row);

function hitOf(
  row: number,
  lists: ReadonlyMap<string, Nearness>,
  main: ((row: number) => number) | undefined,
  { weights }: FusedQuery,
): FusedHit {
  const [only] = lists.values();
  if (!main && only && lists.size === 1) {
    const score = only.scores.get(row) ?? 0;
    return { row, score, distance: only.distance(score) };
  }
  const parts: Record<string, number> = main ? { [mainName]: main(row) } : {};
  for (const [name, { scores, part }] of lists) {
    const score = scores.get(row);
    if (score !== undefined) parts[name] = part(score);
  }
  const all = [...weights].map(([name, weight]) => [parts[name] ?? 0, weight] as const);
  const score = weightedMean(all);
  // A fused score ends at 1, where nothing is farther than 0.
  return { row, score, distance: 1 - score, parts };
}
