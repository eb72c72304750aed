/**
 * DuckDB for ingesting: one instance on all cores, and a few of one core each. Several threads that write one file have
 * to put their rows in order, which takes about a fifth of the processor time; beside each other, with a file each,
 * they need not (ADR 0034).
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fail } from "../../runtime/errors.ts";
import { type Instance, openInstance, type Session, type SessionOptions } from "./instance.ts";
import { createTurns } from "./turns.ts";

export interface Engine {
  /** A session on all cores, whose statements are interrupted when the signal aborts. */
  open: (signal: AbortSignal, options?: SessionOptions) => Promise<Session>;
  /** The same on one core, as soon as one is free: the first come first. To be closed in every case. */
  openAlone: (signal: AbortSignal) => Promise<Session>;
  /** Interrupts every statement, waits until all have returned, and closes DuckDB: the thread may end then. */
  stop: () => Promise<void>;
}

export interface EngineOptions {
  /** 0: one a core. */
  threads: number;
  /** For all instances together, as DuckDB takes it: `2GB`. */
  memoryLimit: string;
  /** For what does not fit into memory. */
  directory: string;
}

/** Instances of one core: a file is not received faster than about so many write it. */
const aloneMax = 4;
/** Part of the memory that each of them has: with 2 GB, room for two of the largest row groups. */
const aloneShare = 1 / 8;

export async function openEngine({ threads, memoryLimit, directory }: EngineOptions): Promise<Engine> {
  const count = Math.min(aloneMax, threads > 0 ? threads : availableParallelism());
  const stopping = new AbortController();
  const all = await openInstance({
    threads,
    memoryLimit: partOf(memoryLimit, 1 - count * aloneShare),
    directory: join(directory, "all"),
  });
  const opened: Promise<Instance>[] = [];
  const idle: (() => Promise<Instance>)[] = Array.from({ length: count }, (_, index) => {
    let instance: Promise<Instance> | undefined;
    return () => {
      if (instance) return instance;
      const own = join(directory, `alone-${index}`);
      const opening = openInstance({
        threads: 1,
        memoryLimit: partOf(memoryLimit, aloneShare),
        directory: own,
      });
      opened.push(opening);
      opening.catch(() => {
        instance = undefined;
      });
      instance = opening;
      return opening;
    };
  });
  const turns = createTurns(count, Number.POSITIVE_INFINITY);

  return {
    open: all.open,
    openAlone: async (signal) => {
      const endTurn = await turns.take(undefined, AbortSignal.any([signal, stopping.signal]));
      const instance = idle.pop();
      if (instance === undefined) throw new Error("more turns than instances");
      const leave = () => {
        idle.push(instance);
        endTurn();
      };
      try {
        const session = await (await instance()).open(signal);
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
      const instances = await Promise.allSettled([all, ...opened]);
      await Promise.all(
        instances.map((each) => (each.status === "fulfilled" ? each.value.stop() : undefined)),
      );
    },
  };
}

/** `2GB` by an eighth is `0.25GB`; what has no number is left for DuckDB to refuse. */
const partOf = (memoryLimit: string, part: number): string =>
  memoryLimit.replace(/^\s*[0-9.]+/, (number) => String(Number(number) * part));
