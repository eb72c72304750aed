/**
 * Speculative writes: while a CSV that is clean so far is received, runs of it are written in the background, with the
 * types that the first rows suggest. Whether that was right is known at the end; if not, what was written is given up.
 */
import type { Engines } from "../engine/engine.ts";
import type { Registered, Run, Table } from "../tables/tables.ts";
import { matchRegistered, typesOf } from "../typing/typing.ts";
import { type Piece, planOf } from "./run.ts";
import type { Writers } from "./writers.ts";

export interface SpeculativeWrites {
  /** Begins to write a run. */
  write: (table: Table, run: Run) => void;
  /** The types that were taken; undefined when nothing was begun. */
  types: () => Promise<string[]> | undefined;
  /** The run at this index, or undefined when it was not begun. Rejects as the session does. */
  piece: (index: number) => Promise<Piece> | undefined;
}

interface SpeculativeOptions {
  engines: Engines;
  signal: AbortSignal;
  registered: () => Promise<Registered | undefined>;
  writers: Writers;
}

export function createSpeculativeWrites({
  engines,
  signal,
  registered,
  writers,
}: SpeculativeOptions): SpeculativeWrites {
  const pieces: Promise<Piece>[] = [];
  let begun: ReturnType<typeof begin> | undefined;

  const begin = async (table: Table) => {
    const session = await engines.open(signal);
    try {
      const before = await registered();
      const match = before && matchRegistered(table, before);
      const types = await typesOf(session, table, match);
      return { types, plan: planOf(table, match, types) };
    } finally {
      session.close();
    }
  };

  return {
    write: (table, run) => {
      begun ??= begin(table);
      pieces.push(
        writers.begin(
          run,
          begun.then(({ plan }) => plan),
        ),
      );
    },
    types: () => begun?.then(({ types }) => types),
    piece: (index) => pieces[index],
  };
}
