/**
 * Writing while receiving: runs of a CSV that is clean so far are written in the background, with the types that the
 * first rows suggest. Whether that was right is known at the end; if not, what was written is given up.
 */
import type { Engine, Session } from "./engine.ts";
import type { Run, Table } from "./format.ts";
import { type NewTarget, type Piece, planOf, writeRun } from "./run.ts";
import { inferFromSample, matchRegistered, type Registered } from "./typing.ts";

export interface Early {
  /** Begins to write a run, after those before it. */
  write: (table: Table, run: Run) => void;
  /** The types that were taken; undefined when nothing was begun. */
  types: () => Promise<string[]> | undefined;
  /** The run at this index, or undefined when it was not begun. Rejects as the session does. */
  piece: (index: number) => Promise<Piece> | undefined;
  /** Interrupts, waits, and closes. */
  stop: () => Promise<void>;
}

export interface EarlyOptions {
  engine: Engine;
  signal: AbortSignal;
  registered: () => Promise<Registered | undefined>;
  newTarget: NewTarget;
}

export function createEarly({ engine, signal, registered, newTarget }: EarlyOptions): Early {
  const stopping = new AbortController();
  const pieces: Promise<Piece>[] = [];
  let begun: ReturnType<typeof begin> | undefined;
  let session: Session | undefined;

  const begin = async (table: Table) => {
    session = await engine.open(AbortSignal.any([signal, stopping.signal]));
    const before = await registered();
    const match = before && matchRegistered(table, before);
    const types = match?.types ?? (await inferFromSample(session, table));
    return { session, types, plan: planOf(table, match, types) };
  };
  const quiet = <T>(work: Promise<T>): Promise<T> => {
    // Whoever asks for it hears of its failure; when nobody does, it does not matter.
    work.catch(() => undefined);
    return work;
  };

  return {
    write: (table, run) => {
      begun ??= quiet(begin(table));
      const before = Promise.all([begun, pieces.at(-1)]);
      pieces.push(quiet(before.then(([{ session: own, plan }]) => writeRun(own, run, plan, newTarget))));
    },
    types: () => begun?.then(({ types }) => types),
    piece: (index) => pieces[index],
    stop: async () => {
      stopping.abort();
      await Promise.allSettled([begun, ...pieces]);
      session?.close();
      session = undefined;
    },
  };
}
