/**
 * DuckDB for ingesting, in child processes: sessions on all cores, and a few of one core each. Several threads that
 * write one file have to put their rows in order, which takes about a fifth of the processor time; beside each other,
 * with a file each, they need not (ADR 0034).
 */
import { availableParallelism } from "node:os";
import { createChildPool, stopped } from "../../../runtime/child/child.ts";
import { program } from "../../../runtime/program/program.ts";
import { type Clock, createLimiter, createShares } from "../../../runtime/scheduling/scheduling.ts";
import type { Log, Metrics } from "../../../runtime/telemetry/telemetry.ts";
import { ingestEngine } from "./child.ts";
import { openSession, type Session } from "./session.ts";

export type { Described, EngineRow, Shape, Value } from "./child.ts";
export { EngineError, isExhausted, type Session } from "./session.ts";

export interface Engines {
  /** A session on all cores, whose statements are interrupted when the signal aborts. */
  open: (signal: AbortSignal, options?: { measured?: boolean }) => Promise<Session>;
  /**
   * The same on one core, as soon as one is free: the first come first. To be closed in every case. With too little
   * memory to share, on all cores.
   */
  openAlone: (signal: AbortSignal) => Promise<Session>;
  /** Resolves, as soon as a core is free, with the function that frees it again. */
  core: (signal: AbortSignal) => Promise<() => void>;
  /** Has a process ready, or begins to start one. */
  warm: () => void;
  /** Why nothing can be read or written now. */
  problems: () => string[];
  /** Ends every statement and its process. */
  stop: () => Promise<void>;
}

interface EnginesOptions {
  /** 0: one a core. */
  threads: number;
  /** For all engines together, in bytes. */
  memoryBytes: number;
  /** For what does not fit into memory. */
  directory: string;
  /** Folders in which files are written and read, asked for when a process starts. */
  folders: () => Promise<readonly string[]>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

/** Sessions of one core: a file is not received faster than about so many write it. */
const aloneMax = 4;
/** Memory of each of them: room for two of the largest row groups. Together they have half of all at most. */
const aloneBytes = 240_000_000;
/** Calls that are no statements are answered at once, but for a busy machine. */
const callTimeoutMs = 60_000;
/** DuckDB keeps its own limit first; rows under way, and what its allocator holds back, come on top of that. */
const besideDuckDb = 1.5;
/** DuckDB ends an interrupted statement after at most a batch of rows. */
const graceMs = 1000;

export function openEngines(options: EnginesOptions): Engines {
  const { threads, memoryBytes, directory } = options;
  const cores = threads > 0 ? threads : availableParallelism();
  const count = Math.min(aloneMax, cores, Math.floor(memoryBytes / 2 / aloneBytes));
  const pool = createChildPool({
    contract: ingestEngine,
    entry: program("workers/ingestd/engine/main.ts"),
    init: {},
    scratch: directory,
    readable: [],
    writable: options.folders,
    openFilesMax: 1024,
    callTimeoutMs,
    graceMs,
    memoryBytesMax: memoryBytes * besideDuckDb,
    clock: options.clock,
    log: options.log,
    metrics: options.metrics,
  });
  const stopping = new AbortController();
  const shares = createShares();
  const sharedBytes = memoryBytes - count * aloneBytes;
  const alone = createLimiter(Math.max(1, count));
  /** Threads that a process had last: with the same it keeps its memory from one session to the next. */
  const threadsOf = new WeakMap<object, number>();
  const lease = async (signal: AbortSignal, count: number) => {
    const child = await pool.lease(signal, (identity) => threadsOf.get(identity) === count);
    threadsOf.set(child.identity, count);
    return child;
  };
  const core = (signal: AbortSignal) => alone.take(AbortSignal.any([signal, stopping.signal]));

  const open: Engines["open"] = async (signal, { measured = false } = {}) => {
    const child = await lease(signal, threads);
    let parts = 1;
    const endShare = shares.take(undefined, (now) => {
      parts = now;
      // Its statement reports what became of a child that does not answer.
      child.verbs.limit({ memoryBytes: Math.floor(sharedBytes / parts) }).catch(() => undefined);
    });
    const close = () => {
      endShare();
      child.release();
    };
    const request = { threads, memoryBytes: Math.floor(sharedBytes / parts), measured };
    return openSession({ ...child, release: close }, request, signal);
  };
  return {
    open,
    openAlone: async (signal) => {
      if (count === 0) return open(signal);
      const freeCore = await core(signal);
      const child = await lease(signal, 1).catch((error) => {
        freeCore();
        throw error;
      });
      const close = () => {
        freeCore();
        child.release();
      };
      const request = { threads: 1, memoryBytes: aloneBytes, measured: false };
      return openSession({ ...child, release: close }, request, signal);
    },
    core,
    warm: pool.warm,
    problems: pool.problems,
    stop: () => {
      stopping.abort(stopped());
      return pool.stop();
    },
  };
}
