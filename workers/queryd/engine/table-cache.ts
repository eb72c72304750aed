/**
 * The table cache: small datasets that are asked for again are kept as tables in DuckDB's memory. To open and plan a
 * Parquet file takes longer than most queries over few rows do (ADR 0045).
 */
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";

/** One version of a dataset; `macro` is what statements read it by. */
interface Readable {
  manifest: { name: string; objects: readonly { bytes: number }[] };
  macro: string;
}

export interface TableCache {
  /** Counts one more use; a small version that is used again becomes a table in the background. Gives what to read. */
  use: (version: Readable) => string;
  /** The table of a version that is kept; no use of it is counted. */
  table: (macro: string) => string | undefined;
  /** Whether a version may become a table, by the size of its objects. */
  fits: (manifest: Readable["manifest"]) => boolean;
  /** Drops a version; gives the statements that drop its macro and its table. */
  drop: (macro: string) => string[];
  /** Bytes of text of all that is kept. */
  bytes: () => number;
}

interface TableCacheOptions {
  /** Bytes of text of all tables; no table takes more than an eighth. */
  maxBytes: number;
  /** Statements of the service itself, beside the query that runs. */
  own: OwnSession;
  log: Log;
}

interface OwnSession {
  execute: (statements: readonly string[]) => Promise<void>;
  rows: (sql: string) => Promise<string[][]>;
}

/** A version becomes a table at its second use: what is asked for once may never be again. */
const usesBefore = 2;
/** The share of the cache that one table may take. Parquet is seldom larger than its rows as text: larger files are not measured. */
const shareOfOne = 1 / 8;

export function createTableCache({ maxBytes, own, log }: TableCacheOptions): TableCache {
  const uses = new Map<string, number>();
  const kept = new Map<string, number>();
  const ready = new Set<string>();
  const total = () => [...kept.values()].reduce((sum, bytes) => sum + bytes, 0);
  const fits = ({ objects }: Readable["manifest"]) =>
    objects.reduce((sum, object) => sum + object.bytes, 0) <= room();
  const room = () => Math.min(maxBytes * shareOfOne, maxBytes - total());

  const keep = async (macro: string) => {
    const { execute, rows } = own;
    if (!uses.has(macro)) return; // Dropped meanwhile.
    const [[text = "0"] = []] = await rows(
      `SELECT coalesce(sum(strlen(t::VARCHAR)), 0) FROM ${macro}() AS t`,
    );
    if (Number(text) > room()) return;
    kept.set(macro, Number(text));
    await execute([`CREATE OR REPLACE TABLE ${tableOf(macro)} AS FROM ${macro}()`]);
    if (kept.has(macro)) ready.add(macro);
    else await execute([`DROP TABLE IF EXISTS ${tableOf(macro)}`]);
  };
  return {
    use: ({ manifest, macro }) => {
      if (ready.has(macro)) return tableOf(macro);
      const count = (uses.get(macro) ?? 0) + 1;
      uses.set(macro, count);
      if (count === usesBefore && fits(manifest)) {
        keep(macro).catch((cause) => {
          kept.delete(macro);
          log.info("a small dataset could not be kept in memory", {
            dataset: manifest.name,
            ...describe(cause),
          });
        });
      }
      return `${macro}()`;
    },
    fits,
    table: (macro) => (ready.has(macro) ? tableOf(macro) : undefined),
    drop: (macro) => {
      uses.delete(macro);
      kept.delete(macro);
      ready.delete(macro);
      return [`DROP MACRO TABLE IF EXISTS ${macro}`, `DROP TABLE IF EXISTS ${tableOf(macro)}`];
    },
    bytes: total,
  };
}

const tableOf = (macro: string): string => `${macro}_rows`;
