/**
 * DuckDB for ingesting: one engine on all cores, and a few of one core each. Several threads that write one file have
 * to put their rows in order, which takes about a fifth of the processor time; beside each other, with a file each,
 * they need not (ADR 0034).
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fail } from "../../runtime/errors.ts";
import { type Engine, openEngine, type Session, type SessionOptions } from "./engine.ts";
import { createTurns } from "./turns.ts";

export interface Engines {
  /** A session on all cores, whose statements are interrupted when the signal aborts. */
  open: (signal: AbortSignal, options?: SessionOptions) => Promise<Session>;
  /**
   * The same on one core, as soon as one is free: the first come first. To be closed in every case. With too little
   * memory to share, on all cores.
   */
  openAlone: (signal: AbortSignal) => Promise<Session>;
  /** Interrupts every statement, waits until all have returned, and closes DuckDB: the thread may end then. */
  stop: () => Promise<void>;
}

export interface EnginesOptions {
  /** 0: one a core. */
  threads: number;
  /** For all engines together, in bytes. */
  memoryBytes: number;
  /** For what does not fit into memory. */
  directory: string;
}

/** Engines of one core: a file is not received faster than about so many write it. */
const aloneMax = 4;
/** Memory of each of them: room for two of the largest row groups. Together they have half of all at most. */
const aloneBytes = 240_000_000;

export async function openEngines({ threads, memoryBytes, directory }: EnginesOptions): Promise<Engines> {
  const cores = threads > 0 ? threads : availableParallelism();
  const count = Math.min(aloneMax, cores, Math.floor(memoryBytes / 2 / aloneBytes));
  const stopping = new AbortController();
  const opened: Promise<Engine>[] = [];
  const open = (name: string, size: { threads: number; memoryBytes: number }) => {
    const engine = openEngine({ ...size, directory: join(directory, name) });
    opened.push(engine);
    return engine;
  };
  const all = await open("all", { threads, memoryBytes: memoryBytes - count * aloneBytes });
  const idle = Array.from({ length: count }, (_, index) =>
    whenAsked(() => open(`alone-${index}`, { threads: 1, memoryBytes: aloneBytes })),
  );
  const turns = createTurns(count, Number.POSITIVE_INFINITY);

  return {
    open: all.open,
    openAlone: async (signal) => {
      if (count === 0) return all.open(signal);
      const endTurn = await turns.take(undefined, AbortSignal.any([signal, stopping.signal]));
      const engine = idle.pop();
      if (engine === undefined) throw new Error("more turns than engines");
      const leave = () => {
        idle.push(engine);
        endTurn();
      };
      try {
        stopping.signal.throwIfAborted();
        const session = await (await engine()).open(signal);
        return {
          ...session,
          close: () => {
            session.close();
            leave();
          },
        };
      } catch (error) {
        leave();
        throw error;
      }
    },
    stop: async () => {
      stopping.abort(fail("unavailable", "ingestd is stopping", { retryAfterSeconds: 1 }));
      const engines = await Promise.allSettled(opened);
      await Promise.all(engines.map((each) => (each.status === "fulfilled" ? each.value.stop() : undefined)));
    },
  };
}

/** Opened at the first call, once; after a failure the next call tries again. */
function whenAsked<T>(open: () => Promise<T>): () => Promise<T> {
  let opening: Promise<T> | undefined;
  return () => {
    opening ??= open().catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
}
