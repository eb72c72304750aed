/**
 * DuckDB for queries, in a pool of child processes: each query leases one. Which definitions of datasets a child has is
 * recorded here, so that only missing ones are sent to it.
 */

import { type ChildPool, createChildPool, type Lease } from "../../../runtime/child/child.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { program } from "../../../runtime/program/program.ts";
import { type Clock, createShares } from "../../../runtime/scheduling/scheduling.ts";
import type { Log, Metrics } from "../../../runtime/telemetry/telemetry.ts";
import { CutShortError, EngineError } from "../errors/errors.ts";
import type { GivenParameters } from "../statements/statements.ts";
import type { Column } from "../values/values.ts";
import {
  type Described,
  type EngineInit,
  type Failure,
  type Piece,
  type QueryEngine,
  queryEngine,
  type RunRequest,
} from "./child.ts";
import { createCrashes } from "./crashes.ts";
import { createTableCache, type TableCache } from "./table-cache.ts";

export type { Described, Piece, RunRequest } from "./child.ts";

/** The views that a child has: folded name to the statement that made it. */
export type AppliedViews = ReadonlyMap<string, string>;

/** What a child has: definitions of datasets, its table cache, and its share of memory. */
interface Known {
  /** The snapshot whose views it has, and the views. */
  views: { etag: string | undefined; applied: AppliedViews };
  /** The macros it has, and the paths that each reads. */
  macros: Map<string, string>;
  /** The count of dropped versions when it last dropped the macros of those. */
  dropped: number;
  tableCache: TableCache;
  /** It may use one part of memory of so many. */
  parts: number;
  /** What it runs, or ran last. */
  statement: string | undefined;
  /** Bounds the memory and the temporary files that it may use. */
  bound: (limits: Limits) => void;
}

interface Limits {
  memoryBytes: number;
  tempBytes: number;
}

/** A child leased to one query. Its calls reject with `EngineError` where DuckDB refuses, with what ended the child where it ended. */
export interface Session {
  known: Known;
  /**
   * Runs statements of the service itself to their end, also when the query's caller goes away: they make what the child
   * keeps for later queries, which must not be there by half.
   */
  execute: (statements: readonly string[]) => Promise<void>;
  /** Binds a statement of the service itself without running it. */
  bind: (sql: string) => Promise<void>;
  /** Runs to the end; few rows, as text. */
  rows: (sql: string, params?: GivenParameters) => Promise<string[][]>;
  /** The types of a marked statement's parameters and its columns, without running it. */
  describe: (sql: string) => Promise<Described>;
  /** The columns of a marked statement that gives no rows. */
  columns: (sql: string, params?: GivenParameters) => Promise<readonly Column[]>;
  /** Begins a result; undefined when it has more rows than `rowsMax`. */
  run: (request: RunRequest) => Promise<Piece | undefined>;
  next: () => Promise<Piece>;
  /** Gives the child back. */
  release: () => void;
}

export interface Engines {
  /** A child whose calls are interrupted when the signal aborts. `statement` is what it will run. */
  session: (signal: AbortSignal, statement: string) => Promise<Session>;
  tableCacheBytes: () => number;
  /** Why no statement can run now. */
  problems: () => string[];
  stop: () => Promise<void>;
}

export interface EnginesOptions {
  init: Omit<EngineInit, "memoryLimit" | "maxTempBytes">;
  memoryBytes: number;
  tempBytes: number;
  /** For what does not fit into memory. */
  scratch: string;
  /** What all children may read, and the folder into which they write results. */
  readable: readonly string[];
  results: string;
  tableCacheBytes: number;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

/** A query may take as long as its own deadline allows: its signal ends it. */
const callTimeoutMs = 2 ** 31 - 1;
/** DuckDB ends most interrupted statements within milliseconds. */
const graceMs = 500;
/** DuckDB keeps its own bound first; text under way, and what its allocator holds back, come on top of that. */
const besideDuckDb = 1.5;
/** Files of one query: objects, and what is spilled. */
const openFilesMax = 8192;

export function openEngines(options: EnginesOptions): Engines {
  const { memoryBytes, tempBytes, log } = options;
  const pool = openPool(options);
  const shares = createShares();
  const crashes = createCrashes(options.clock);
  const kept = new Map<object, Known>();
  const knownOf = (lease: Lease<QueryEngine>): Known => {
    const found = kept.get(lease.identity);
    if (found) return found;
    const own = { execute: executing(lease), rows: readingRows(lease, {}) };
    const tableCache = createTableCache({ maxBytes: options.tableCacheBytes, own, log });
    const known = {
      views: { etag: undefined, applied: new Map() },
      macros: new Map(),
      dropped: 0,
      tableCache,
      parts: 1,
      bound: bounding(lease),
      statement: undefined,
    };
    kept.set(lease.identity, known);
    void lease.ended.then(({ type }) => {
      kept.delete(lease.identity);
      if (type === "engine_crashed" && known.statement !== undefined) crashes.add(known.statement);
    });
    return known;
  };
  return {
    session: async (signal, statement) => {
      crashes.check(statement);
      const lease = await pool.lease(signal);
      const known = knownOf(lease);
      const endShare = shares.take(known.parts, (parts) => {
        const limits = {
          memoryBytes: Math.floor(memoryBytes / parts),
          tempBytes: Math.floor(tempBytes / parts),
        };
        known.bound(limits);
      });
      known.statement = statement;
      const release = (isUnfinished: boolean) => {
        known.parts = endShare();
        lease.release(isUnfinished);
      };
      return createSession(lease, { signal, known, release });
    },
    tableCacheBytes: () => [...kept.values()].reduce((sum, { tableCache }) => sum + tableCache.bytes(), 0),
    problems: pool.problems,
    stop: pool.stop,
  };
}

function openPool(options: EnginesOptions): ChildPool<QueryEngine> {
  const { memoryBytes, tempBytes } = options;
  return createChildPool({
    contract: queryEngine,
    entry: program("workers/queryd/engine/main.ts"),
    init: { ...options.init, memoryLimit: `${memoryBytes}B`, maxTempBytes: tempBytes },
    scratch: options.scratch,
    readable: options.readable,
    writable: async () => [options.results],
    openFilesMax,
    callTimeoutMs,
    graceMs,
    memoryBytesMax: memoryBytes * besideDuckDb,
    clock: options.clock,
    log: options.log,
    metrics: options.metrics,
  });
}

interface Held {
  signal: AbortSignal;
  known: Known;
  release: (isUnfinished: boolean) => void;
}

function createSession(lease: Lease<QueryEngine>, { signal, known, release }: Held): Session {
  const options = { signal };
  let isOpen = false;
  const taken = <T extends Piece | undefined>(piece: T): T => {
    isOpen = piece !== undefined && !piece.done;
    return piece;
  };
  return {
    known,
    execute: executing(lease),
    rows: readingRows(lease, options),
    bind: async (sql) => void (await answered(lease, lease.verbs.bind({ sql }, options))),
    describe: async (sql) => answered(lease, lease.verbs.describe({ sql }, options)),
    columns: async (sql, params) =>
      (await answered(lease, lease.verbs.columns({ sql, ...(params && { params }) }, options))).columns,
    run: async (request) => {
      const answer = await answered(lease, lease.verbs.run(request, options));
      return taken("tooMany" in answer ? undefined : answer);
    },
    next: async () => taken(await answered(lease, lease.verbs.next({}, options))),
    release: () => {
      // A result that was not read to its end still holds threads and memory: it is ended before the next query's calls.
      if (isOpen) lease.verbs.end({}).catch(() => undefined);
      release(isOpen);
    },
  };
}

/**
 * Sends the newest limits, one call at a time: a child that does not answer must not collect more open calls than a
 * connection may have.
 */
function bounding({ verbs }: Pick<Lease<QueryEngine>, "verbs">): (limits: Limits) => void {
  let newest: Limits | undefined;
  let isSending = false;
  const send = async () => {
    isSending = true;
    while (newest) {
      const limits = newest;
      newest = undefined;
      // Its query reports what became of a child that does not answer.
      await verbs.limit(limits).catch(() => undefined);
    }
    isSending = false;
  };
  return (limits) => {
    newest = limits;
    if (!isSending) void send();
  };
}

const executing = (lease: Lease<QueryEngine>) => async (statements: readonly string[]) =>
  void (await answered(lease, lease.verbs.execute({ statements: [...statements] })));

const readingRows =
  (lease: Lease<QueryEngine>, options: { signal?: AbortSignal }) =>
  async (sql: string, params?: GivenParameters): Promise<string[][]> =>
    (await answered(lease, lease.verbs.rows({ sql, ...(params && { params }) }, options))).rows;

/** DuckDB takes no statement any more after these. */
const lastKinds = new Set(["FATAL", "INTERNAL"]);

async function answered<T extends object>(
  lease: Lease<QueryEngine>,
  work: Promise<T | Failure>,
): Promise<Exclude<T, Failure>> {
  const answer = await work;
  if ("cutShort" in answer) throw new CutShortError("the rows ended before their end marker");
  if (!("refused" in answer)) return answer as Exclude<T, Failure>;
  const { kind, message, position } = answer.refused as { kind: string; message: string; position?: number };
  const error = new EngineError(kind, message, position);
  if (!lastKinds.has(kind)) throw error;
  const why = fail("engine_crashed", "DuckDB met a fault of its own while it ran the statement", {
    cause: error,
  });
  lease.kill(why);
  throw why;
}
