/** The engines of all indexes, over a fixed number of threads. */
import { availableParallelism } from "node:os";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import {
  type Engine,
  type EngineSpec,
  type Engines,
  type IndexPlan,
  type Neighbours,
  planIndex,
} from "../engine/engine.ts";
import { type FaissIndexes, type FaissOptions, openFaissIndexes, type Trainer } from "../faiss/faiss.ts";
import type { RowsShare, VectorBlocks } from "../rows/rows.ts";
import { type EngineHost, startEngineHost } from "./host.ts";
import { type PackedNeighbours, unpack } from "./protocol.ts";

export interface EnginesOptions extends FaissOptions {
  /** JavaScript threads that hold engines; 0: one a core. */
  threads: number;
  /** Searches that may be open at once, over all engines. */
  maxWaiting: number;
  hnswEngine: "usearch" | "faiss";
}

interface Pool {
  options: EnginesOptions;
  host: (plan: IndexPlan) => EngineHost;
  faiss: FaissIndexes;
  /** Counts a search as open while it is. Throws `too_many_requests`. */
  admitted: <T>(work: () => Promise<T>) => Promise<T>;
  /** Engines that are open, by how to close them. */
  closers: Set<() => Promise<void>>;
}

/**
 * All FAISS indexes of this process live in one thread: faiss-node 0.5.1 keeps its constructors in static variables,
 * and the process ends when a thread makes an index after another has loaded it.
 */
let faissHost: EngineHost | undefined;

/** Starts no thread before the first index needs it. */
export async function openEngines(options: EnginesOptions): Promise<Engines> {
  const { threads, log } = options;
  const cores = availableParallelism();
  const hosts = new Set<EngineHost>();
  const closers: Pool["closers"] = new Set();
  let isStopping = false;
  const start = (ended: () => void): EngineHost => {
    if (isStopping) throw fail("unavailable", "the service stops");
    return startEngineHost(cores, { log, ended });
  };
  const leastUsed = () => {
    const [least] = [...hosts].sort((a, b) => a.engines() - b.engines());
    if (least && (least.engines() === 0 || hosts.size >= (threads || cores))) return least;
    const host = start(() => void hosts.delete(host));
    hosts.add(host);
    return host;
  };
  const forFaiss = () => {
    const host =
      faissHost ??
      start(() => {
        if (faissHost === host) faissHost = undefined;
      });
    faissHost = host;
    return host;
  };
  const faiss = openFaissIndexes(options);
  const pool: Pool = {
    options,
    faiss,
    host: ({ engine }) => (engine === "faiss" ? forFaiss() : leastUsed()),
    admitted: admission(options),
    closers,
  };
  return {
    open: (spec, blocks, built) => openEngine(pool, { spec, blocks }, built),
    stop: async () => {
      isStopping = true;
      await Promise.allSettled([...closers].map((close) => close()));
      await faiss.stop();
      const idle = faissHost?.engines() === 0 ? [faissHost] : [];
      await Promise.all([...hosts, ...idle].map((host) => host.stop()));
    },
  };
}

/** Lets so many searches be open at once. */
function admission({ maxWaiting, metrics }: EnginesOptions): Pool["admitted"] {
  let open = 0;
  metrics.gauge("vectord_engine_calls", "Searches that wait for or run in an engine.", () => open);
  const refused = metrics.counter(
    "vectord_engine_refused_total",
    "Searches refused because too many waited.",
  );
  return async (work) => {
    if (open >= maxWaiting) {
      refused.add();
      const message = `${open} searches wait already, the most there may be: try again`;
      throw fail("too_many_requests", message, { retryAfterSeconds: 1 });
    }
    open += 1;
    try {
      return await work();
    } finally {
      open -= 1;
    }
  };
}

/** An engine as its thread knows it. */
interface Remote {
  host: EngineHost;
  engine: number;
  spec: EngineSpec;
  plan: IndexPlan;
  blocks: VectorBlocks;
  /** The blocks the thread has not been handed yet; counts them as handed. */
  newBlocks: () => RowsShare;
  state: { covered: number; bytes: number; ended?: ServiceError };
}

/** An engine that is open. */
interface Opened extends Remote {
  trainer: Trainer;
  /** Ends what it does outside of its thread. */
  end: () => Promise<void>;
}

async function openEngine(
  pool: Pool,
  { spec, blocks }: { spec: EngineSpec; blocks: VectorBlocks },
  built?: { path: string; rows: number },
): Promise<Engine> {
  const plan = planIndex(spec, pool.options.hnswEngine);
  const host = pool.host(plan);
  const state: Remote["state"] = { covered: 0, bytes: 0 };
  const engine = host.enter({
    progress: (covered, bytes) => {
      state.covered = covered;
      state.bytes = bytes;
    },
    ended: (why) => {
      state.ended = why;
    },
  });
  let handed = 0;
  const newBlocks = () => {
    const share = blocks.share(handed);
    handed += share.buffers.length;
    return share;
  };
  const remote = { host, engine, spec, plan, blocks, newBlocks, state };
  try {
    await host.ask(engine, { type: "open", spec, plan, blocks: newBlocks(), ...(built ? { built } : {}) });
    if (plan.engine === "faiss" && !built) await pool.faiss.probe(spec, plan);
  } catch (cause) {
    // One that never opened, or whose thread is gone, has nothing to close.
    await host.ask(engine, { type: "close" }).catch(() => undefined);
    host.leave(engine);
    throw cause;
  }
  const closing = new AbortController();
  const trainer = pool.faiss.trainer({
    ...{ spec, blocks, signal: closing.signal },
    plan: plan.engine === "faiss" && !built ? plan : undefined,
    begin: (start) => host.ask(engine, { type: "begin", start }),
  });
  const end = () => {
    closing.abort(fail("unavailable", "the engine was closed"));
    return trainer.ended();
  };
  return engineOver(pool, { ...remote, trainer, end });
}

function engineOver(
  { admitted, closers }: Pool,
  { host, engine, spec, plan, blocks, state, newBlocks, trainer, end }: Opened,
): Engine {
  const neighbours = async (answer: Promise<unknown>): Promise<Neighbours[]> =>
    unpack((await answer) as PackedNeighbours);
  const close = async () => {
    if (!closers.delete(close)) return;
    await end();
    try {
      if (!state.ended) await host.ask(engine, { type: "close" });
    } finally {
      host.leave(engine);
    }
  };
  closers.add(close);
  return {
    name: plan.engine,
    covered: () => state.covered,
    memoryBytes: () => state.bytes,
    add: async (rows, signal) => {
      if (rows > blocks.rows()) throw new RangeError(`there are ${blocks.rows()} rows, not ${rows}`);
      await trainer.train(rows, signal);
      signal?.throwIfAborted(); // Before the blocks count as handed over.
      await host.ask(engine, { type: "add", rows, blocks: newBlocks() }, signal);
    },
    moved: async () => {
      if (!state.ended) await host.ask(engine, { type: "moved", blocks: newBlocks() });
    },
    search: (queries, { k, ef = spec.ef_search, among, signal }) => {
      const ask = { type: "search" as const, queries, k, ef, ...(among && { among }) };
      return admitted(() => neighbours(host.ask(engine, ask, signal)));
    },
    filters: plan.engine === "codes",
    exact: (queries, among, { k, signal }) =>
      admitted(async () => {
        signal?.throwIfAborted();
        return neighbours(
          host.ask(engine, { type: "exact", queries, k, among, blocks: newBlocks() }, signal),
        );
      }),
    save:
      plan.engine === "exact"
        ? undefined
        : async (path, gone = new Uint32Array()) =>
            (await host.ask(engine, { type: "save", path, gone })) as number,
    // FAISS writes to memory first: a file as large as what it holds, of which a piece of 4 MiB at a time is copied.
    saveBytes: () => (plan.engine === "faiss" ? state.bytes + 4 * 1024 * 1024 : 0),
    problem: trainer.problem,
    close,
  };
}
