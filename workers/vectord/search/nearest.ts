/**
 * The nearest neighbours of some queries, as of one moment: what the engine covers is searched through it, the rows added
 * since are compared one by one, dead and filtered rows are skipped, and the parts are merged.
 */
import type { Condition } from "../../../runtime/filter/filter.ts";
import type { Engine, Neighbour, Neighbours } from "../engine/engine.ts";
import { type Bitmap, countRows, hasRow, intersect, type Rows, rowsOf, type View } from "../rows/rows.ts";
import type { MetadataIndex } from "./metadata-index.ts";
import type { NamedIndex } from "./named-index.ts";
import { type Plan, planSearch, planWider, remainingMin, type Situation } from "./planner.ts";

export interface Searched {
  rows: Rows;
  engine: Engine;
  fields: MetadataIndex;
  named: NamedIndex;
}

type Compared = Omit<Searched, "named">;

export interface Query {
  /** One vector after the other, checked. */
  vectors: Float32Array;
  k: number;
  ef: number;
  filter?: Condition;
  /** Compares with every row instead of using the graph. */
  exact: boolean;
  signal: AbortSignal;
}

/** Nearest first, ties by row; one list a query, with `k` entries unless fewer rows match. */
export async function nearestNeighbours(index: Compared, query: Query): Promise<Neighbour[][]> {
  if (query.filter) await index.fields.prepare(query.filter, query.signal);
  // From here on the moment is fixed: no await before everything that changes was read.
  const view = index.rows.view();
  const covered = Math.min(index.engine.covered(), view.total);
  const among = query.filter ? rowsMatching(index, query.filter, view) : view.alive;
  const matching = query.filter ? countRows(among) : view.live;
  const scope: Scope = { view, covered, among, matching };
  const k = Math.min(query.k, matching);
  const queries = query.vectors.length / index.rows.blocks.dimension;
  if (k === 0) return Array.from({ length: queries }, () => []);
  const away = query.exact ? undefined : index.engine.away?.();
  if (away) throw away;
  if (query.exact || covered === 0) return exactly(index, query, scope, 0);
  return throughEngine(index, { ...query, k }, scope);
}

interface Scope {
  view: View;
  /** Rows that go through the engine. */
  covered: number;
  /** Rows that may be in the answer, and how many. */
  among: Bitmap;
  matching: number;
}

/** The live rows of the view that match; `prepare` was awaited for the filter. */
export function rowsMatching(
  { fields }: Pick<Searched, "fields">,
  filter: Condition,
  { total, alive }: View,
): Bitmap {
  const rows = fields.matching(filter, total);
  intersect(rows, alive);
  return rows;
}

/** Compares with each row that may be in the answer, from `from` on. */
async function exactly(index: Compared, query: Query, scope: Scope, from: number): Promise<Neighbour[][]> {
  const { k, signal } = query;
  const { view, among, covered } = scope;
  const behind = scope.matching === view.total ? view.total : countRows(among);
  const count = from === 0 ? behind : behind - countRows(among, covered);
  const queries = query.vectors.length / index.rows.blocks.dimension;
  if (count === 0) return Array.from({ length: queries }, () => []);
  const isWhole = count === view.total - from;
  const which = isWhole ? { from, to: view.total } : { rows: rowsOf(among, from) };
  const found = await index.engine.exact(query.vectors, which, { k: Math.min(k, count), signal });
  return found.map((neighbours) => sorted(neighboursOf(neighbours)));
}

async function throughEngine(index: Compared, query: Query, scope: Scope): Promise<Neighbour[][]> {
  const { covered, among, matching, view } = scope;
  const inside = matching === view.total ? covered : countRows(among, covered);
  const isWhole = matching === view.total;
  const { candidatesMax = Number.POSITIVE_INFINITY, filters = false } = index.engine;
  const situation = { k: query.k, ef: query.ef, covered, matching: inside, isWhole, candidatesMax, filters };
  const plan = inside === 0 ? undefined : planSearch(situation);
  if (plan?.kind === "exact") return exactly(index, query, scope, 0);
  const [tail, head] = await Promise.all([
    covered < view.total ? exactly(index, query, scope, covered) : [],
    plan ? throughGraph(index, query, { ...situation, scope, plan }) : [],
  ]);
  const queries = query.vectors.length / index.rows.blocks.dimension;
  return Array.from({ length: queries }, (_, at) =>
    sorted([...(head[at] ?? []), ...(tail[at] ?? [])]).slice(0, query.k),
  );
}

/** Asks the graph for more candidates until each query has its rows; what costs too much is compared exactly. */
async function throughGraph(
  index: Compared,
  query: Query,
  situation: Situation & { scope: Scope; plan: Plan },
): Promise<Neighbour[][]> {
  const { dimension } = index.rows.blocks;
  const { covered, matching, scope, filters } = situation;
  const wanted = Math.min(query.k, matching);
  const results: Neighbour[][] = [];
  let open = Array.from({ length: query.vectors.length / dimension }, (_, at) => at);
  let { plan } = situation;
  while (open.length > 0) {
    const vectors = picked(query.vectors, open, dimension);
    if (plan.kind === "exact") {
      const found = await exactly(index, { ...query, vectors }, scope, 0);
      for (const [at, number] of open.entries()) results[number] = found[at] ?? [];
      return results;
    }
    const { candidates } = plan;
    const ef = matching < covered ? Math.max(query.ef, candidates) : query.ef;
    const found = await index.engine.search(vectors, {
      ...{ k: candidates, ef, upTo: covered, signal: query.signal },
      ...(filters && matching < covered && { among: scope.among }),
    });
    const short: number[] = [];
    for (const [at, number] of open.entries()) {
      const near = neighboursOf(found[at]).filter(({ row }) => row < covered && hasRow(scope.among, row));
      const isWide = filters || matching === covered || near.length >= remainingMin(wanted, matching);
      if (near.length < wanted || !isWide) short.push(number);
      else results[number] = near.slice(0, query.k);
    }
    open = short;
    plan = planWider(candidates, situation);
  }
  return results;
}

function picked(vectors: Float32Array, numbers: readonly number[], dimension: number): Float32Array {
  if (numbers.length * dimension === vectors.length) return vectors;
  const some = new Float32Array(numbers.length * dimension);
  for (const [at, number] of numbers.entries())
    some.set(vectors.subarray(number * dimension, (number + 1) * dimension), at * dimension);
  return some;
}

function neighboursOf(neighbours: Neighbours | undefined): Neighbour[] {
  if (!neighbours) return [];
  return Array.from(neighbours.rows, (row, at) => ({ row, distance: neighbours.distances[at] ?? 0 }));
}

const sorted = (near: Neighbour[]): Neighbour[] =>
  near.sort((a, b) => a.distance - b.distance || a.row - b.row);
