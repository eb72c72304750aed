/** Results of statements, held for a while so that their pages come from one run of the statement. */

import { fail } from "../../runtime/errors/errors.ts";
import { dropOldest } from "../../runtime/memory/memory.ts";
import type { Clock } from "../../runtime/scheduling/scheduling.ts";

export interface Result {
  sql: string;
  columns: { name: string; type: string }[];
  /** Each row as the JSON text that came. */
  rows: string[];
  /** The statement gives more rows than these. */
  truncated: boolean;
  elapsed_ms: number;
  query_id: string;
}

export interface HeldResults {
  /** Keeps the result and gives the cursor of its row `offset`. */
  hold: (result: Result, offset: number) => string;
  /** The result and row of a cursor, which can be used again. Throws `not_found` when it is no longer held. */
  find: (cursor: string) => { result: Result; id: string; offset: number };
  /** The cursor of another row of a held result. */
  cursor: (id: string, offset: number) => string;
}

const resultsMax = 8;
const heldMs = 10 * 60 * 1000;

export function createHeldResults(clock: Pick<Clock, "elapsed">): HeldResults {
  const held = new Map<string, { result: Result; usedAt: number }>();
  const dropOld = (): void => {
    for (const [id, { usedAt }] of held) if (clock.elapsed() - usedAt > heldMs) held.delete(id);
    dropOldest(held, resultsMax);
  };
  const cursor = (id: string, offset: number): string => `${id}.${offset}`;
  return {
    cursor,
    hold: (result, offset) => {
      const id = crypto.randomUUID();
      held.set(id, { result, usedAt: clock.elapsed() });
      dropOld();
      return cursor(id, offset);
    },
    find: (given) => {
      dropOld();
      const [, id = "", offset = ""] = /^([0-9a-f-]{36})\.(\d{1,9})$/.exec(given) ?? [];
      const found = held.get(id);
      if (!found || Number(offset) >= found.result.rows.length) {
        throw fail(
          "not_found",
          `this cursor leads to no result: the ${resultsMax} latest are held, for ${heldMs / 60_000} minutes. Run the statement again without cursor.`,
        );
      }
      // Used again: the newest, so that the others go first.
      held.delete(id);
      held.set(id, { ...found, usedAt: clock.elapsed() });
      return { result: found.result, id, offset: Number(offset) };
    },
  };
}
