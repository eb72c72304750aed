/** A cache of query results, so that their pages come from one run of the statement. */
import { LRUCache } from "lru-cache";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

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

interface ResultCache {
  /** Caches the result and returns the cursor of its row `offset`. */
  add: (result: Result, offset: number) => string;
  /** The result and row of a cursor, which can be used again. Throws `not_found` when it is no longer cached. */
  find: (cursor: string) => { result: Result; id: string; offset: number };
}

/** The cursor of a row of a cached result. */
export const cursorOf = (id: string, offset: number): string => `${id}.${offset}`;

const resultsMax = 64;
/** Of all results: eight of the largest, as query_sql takes them. */
export const resultBytesDefault = 128 * 1024 * 1024;
const ttlMs = 10 * 60 * 1000;

/** Results take at most `bytesMax`, two bytes a character; the ones that were not used for the longest time go first. */
export function createResultCache(
  { elapsed }: Pick<Clock, "elapsed">,
  bytesMax: number = resultBytesDefault,
): ResultCache {
  const results = new LRUCache<string, Result>({
    max: resultsMax,
    maxSize: bytesMax,
    sizeCalculation: bytesOf,
    ttl: ttlMs,
    ttlResolution: 0,
    updateAgeOnGet: true,
    perf: { now: elapsed },
  });
  return {
    add: (result, offset) => {
      const id = crypto.randomUUID();
      results.set(id, result);
      return cursorOf(id, offset);
    },
    find: (cursor) => {
      const [, id = "", offset = ""] = /^([0-9a-f-]{36})\.(\d{1,9})$/.exec(cursor) ?? [];
      const result = results.get(id);
      if (!result || Number(offset) >= result.rows.length) {
        throw fail(
          "not_found",
          `this cursor leads to no result: the latest are held, for ${ttlMs / 60_000} minutes. Run the statement again without cursor.`,
        );
      }
      return { result, id, offset: Number(offset) };
    },
  };
}

/** Beside the characters: an object and its place in the list for each row, by a generous estimate. */
const rowBytes = 64;

const bytesOf = ({ sql, rows }: Result): number =>
  rows.reduce((sum, { length }) => sum + length * 2 + rowBytes, sql.length * 2 + rowBytes);
