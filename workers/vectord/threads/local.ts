/** One engine inside its thread: rows, graph, and the native calls of some 20 ms that its work is made of. */
import { rmSync } from "node:fs";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { distanceOf, type EngineSpec, type IndexPlan, type Neighbours } from "../engine/engine.ts";
import {
  type Among,
  checkFile,
  exactly,
  type Graph,
  loadFaiss,
  type NumberedGraph,
  noRow,
  numbered,
  openCodes,
  openFaiss,
  openUsearch,
  scored,
  sealFile,
} from "../native/native.ts";
import {
  type Bitmap,
  createSharedRows,
  type RowsShare,
  rowsToBlockEnd,
  type SharedRows,
} from "../rows/rows.ts";
import type { Ask } from "./protocol.ts";

/** Rows and queries in one native call at most, whatever the pace. */
const rowsAtOnce = 4096;
const queriesAtOnce = 4096;
/** FAISS multiplies matrices from 20 queries on: ten times as quick a query, so it gets more than a slice if need be. */
const faissQueriesAtOnce = 32;

export interface LocalEngine {
  spec: EngineSpec;
  grow: (blocks: RowsShare) => void;
  covered: () => number;
  bytes: () => number;
  /** One slice towards `rows`; whether that is all. */
  addSlice: (rows: number) => boolean;
  /** Queries for one slice of `search`. */
  queriesAtOnce: () => number;
  /** Undefined where `search` is a matter of `exactly`. */
  search:
    | ((queries: Float32Array, asked: { k: number; ef: number; among?: Bitmap | undefined }) => Neighbours[])
    | undefined;
  exactly: (queries: Float32Array, k: number, among: Among) => Generator<void, Neighbours[]>;
  /** Goes on with the index that FAISS made without rows; those that come are searched exactly until then. */
  begin: (start: string) => void;
  /** Writes it for rows that are numbered without those that are gone, ascending; how many it covers then, 0 for none that is worth it. */
  save: (path: string, gone: Uint32Array) => Promise<number>;
}

type OpenAsk = Ask & { type: "open" };

/** Opens the engine; throws `corrupt` when the file that was built is not whole. */
export async function openLocal(
  { spec, plan, blocks, built }: OpenAsk,
  { threads, clock }: { threads: number; clock: Clock },
): Promise<LocalEngine> {
  const shared = createSharedRows(spec.dimension, blocks);
  let graph: NumberedGraph | undefined;
  const { covers, gone } = built
    ? await checkFile(built.path, { spec, engine: plan.engine, rows: built.rows })
    : { covers: 0, gone: new Uint32Array() };
  const over = (open: (rows: SharedRows) => Graph) => numbered(gone, shared, open);
  if (plan.engine === "usearch") graph = over((rows) => openUsearch(spec, rows, threads, built?.path));
  if (plan.engine === "codes") graph = over((rows) => openCodes(spec, rows, built?.path));
  if (plan.engine === "faiss") {
    if (built) graph = over((rows) => openFaiss(spec, rows, built.path));
    else loadFaiss();
  }
  if (built && graph?.covered() !== covers) {
    throw fail(
      "corrupt",
      `the engine's file holds ${graph?.covered()} rows, expected ${covers}: build it anew`,
    );
  }
  const engine = plan.engine === "exact" ? exactEngine() : graphEngine({ spec, plan, shared, clock }, graph);
  return {
    spec,
    grow: shared.grow,
    exactly: (queries, k, among) => exactly({ queries, k, among, threads, metric: spec.metric }, shared),
    ...engine,
  };
}

type Engine = Omit<LocalEngine, "spec" | "grow" | "exactly">;

/** No graph: all rows are covered as soon as they are there. */
function exactEngine(): Engine {
  let covered = 0;
  return {
    covered: () => covered,
    bytes: () => 0,
    addSlice: (rows) => {
      covered = Math.max(covered, rows);
      return true;
    },
    queriesAtOnce: () => 0,
    search: undefined,
    begin: () => {},
    save: async () => covered,
  };
}

interface GraphEngine {
  spec: EngineSpec;
  plan: IndexPlan;
  shared: SharedRows;
  clock: Clock;
}

function graphEngine({ spec, plan, shared, clock }: GraphEngine, opened: NumberedGraph | undefined): Engine {
  let graph = opened;
  const adding = createPace(16, rowsAtOnce);
  const fewQueries = plan.engine === "faiss" ? faissQueriesAtOnce : 1;
  const searching = createPace(Math.max(16, fewQueries), queriesAtOnce, fewQueries);
  const distance = distanceOf(spec.metric);
  const timed = <T>(pace: typeof adding, units: number, work: () => T): T => {
    const started = clock.elapsed();
    const done = work();
    pace.took(units, clock.elapsed() - started);
    return done;
  };
  return {
    covered: () => graph?.covered() ?? 0,
    bytes: () => graph?.bytes() ?? 0,
    addSlice: (rows) => {
      // Not trained yet: the rows are searched exactly until there are enough of them.
      if (graph === undefined || (graph.covered() === 0 && rows < (graph.addsFrom ?? 0))) return true;
      const native = graph;
      const from = native.covered();
      const count = Math.min(adding.units(), rows - from, rowsToBlockEnd(from));
      if (count > 0) timed(adding, count, () => native.add(from + count));
      return native.covered() >= rows;
    },
    queriesAtOnce: searching.units,
    search: (queries, { k, ef, among }) => {
      const count = queries.length / spec.dimension;
      const native = graph;
      if (native === undefined || native.covered() === 0) {
        return Array.from({ length: count }, () => ({
          rows: new Uint32Array(),
          distances: new Float32Array(),
        }));
      }
      return timed(searching, count, () => {
        const { rows, wanted } = native.search(queries, Math.max(ef, native.scored(k, k)), among);
        const answers: Neighbours[] = [];
        for (let query = 0; query < count; query++) {
          const found = rows.subarray(query * wanted, (query + 1) * wanted).filter((row) => row !== noRow);
          const candidates = found.subarray(0, native.scored(k, wanted));
          const vector = queries.subarray(query * spec.dimension, (query + 1) * spec.dimension);
          answers.push(scored(vector, candidates, { k, distance, shared }));
        }
        return answers;
      });
    },
    begin: (start) => {
      graph ??= numbered(new Uint32Array(), shared, (rows) => openFaiss(spec, rows, start));
    },
    save: async (path, goneRows) => {
      if (graph === undefined)
        throw fail("conflict", "the engine is not trained yet: there is nothing to keep");
      const gone = graph.goneWith(goneRows);
      const rows = graph.covered() - (gone.length - graph.goneWith(new Uint32Array()).length);
      if (gone.length > rows) return 0;
      try {
        graph.write(path);
        await sealFile(path, { spec, engine: plan.engine, rows, gone });
      } catch (cause) {
        rmSync(path, { force: true });
        throw cause;
      }
      return rows;
    },
  };
}

// How much native work is done at once, so that nobody waits long behind it.

/** What a search may have to wait for a build, and a build for a search. */
const sliceMs = 20;

interface Pace {
  /** Units for the next slice. */
  units: () => number;
  /** How long that many took. */
  took: (units: number, ms: number) => void;
}

/** Finds the number of units that take one slice; at most twice as many or half as few from one to the next. */
function createPace(first: number, most: number, least = 1): Pace {
  let units = first;
  return {
    units: () => units,
    took: (done, ms) => {
      // A slice that had little to do says nothing about one that has much.
      if (done < units && ms < sliceMs) return;
      const ideal = (done * sliceMs) / Math.max(ms, 0.01);
      units = Math.round(Math.min(most, Math.max(least, Math.min(units * 2, Math.max(units / 2, ideal)))));
    },
  };
}
