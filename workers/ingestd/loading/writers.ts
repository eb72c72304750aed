/** Runs written beside each other, each on one core. */
import { type Engines, isExhausted } from "../engine/engine.ts";
import type { Run } from "../tables/tables.ts";
import { type NewTarget, type Piece, type Plan, writeRun } from "./run.ts";

export interface Writers {
  /** Begins to write a run as soon as a core is free for it, those that came before first. Rejects as the session does. */
  begin: (run: Run, plan: Plan | Promise<Plan>) => Promise<Piece>;
  /** Does the work as soon as the runs that were begun before leave a core free. Rejects as the work does. */
  after: <T>(work: () => Promise<T>) => Promise<T>;
  /** Interrupts what is under way, and waits for its end. */
  cancel: () => Promise<void>;
}

interface WritersOptions {
  engines: Engines;
  signal: AbortSignal;
  newTarget: NewTarget;
}

export function createWriters({ engines, signal, newTarget }: WritersOptions): Writers {
  let given = new AbortController();
  const underWay = new Set<Promise<unknown>>();
  const write = async (run: Run, plan: Plan, own: AbortController) => {
    const session = await engines.openAlone(AbortSignal.any([signal, own.signal]));
    try {
      return await writeRun(session, run, plan, newTarget);
    } catch (error) {
      // The file will not be read like this: the rest need not be written.
      if (!isExhausted(error)) own.abort(error);
      throw error;
    } finally {
      session.close();
    }
  };
  return {
    begin: (run, planned) => {
      const own = given;
      const work = Promise.resolve(planned).then((plan) => write(run, plan, own));
      // Callers get the failure through `work`; a speculative write that nobody asks for may fail unseen.
      const settled = work.catch(() => undefined).finally(() => underWay.delete(settled));
      underWay.add(settled);
      return work;
    },
    after: async (work) => {
      const free = await engines.core(AbortSignal.any([signal, given.signal]));
      try {
        return await work();
      } finally {
        free();
      }
    },
    cancel: async () => {
      given.abort();
      given = new AbortController();
      await Promise.all(underWay);
    },
  };
}
