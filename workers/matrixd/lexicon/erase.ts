/** Rows that name a subject are taken out of a corpus's database, and then what pages and words still have of rows that went. */
import type { Subject } from "../../../runtime/contract/contract.ts";
import { isCell, isNamed, matcherOf } from "../../../runtime/erasure/erasure.ts";
import type { Database } from "../../../runtime/sqlite/sqlite.ts";
import { type LexiconState, readState, writeState } from "./database.ts";
import { deleteRows } from "./write.ts";

interface StoredRow {
  number: number;
  id: string;
  died: number | null;
  born: number;
  text: string | null;
  metadata: string | null;
}

/** What crosses to another thread of a subject, and the column whose values are the rows' ids. */
export type Named = Pick<Subject, "pattern" | "cells"> & { idColumn: string };

/** How many of them could be found; the state without them. Their vectors are garbage from then on. */
export function erase(
  database: Database,
  { pattern, cells, idColumn, dryRun }: Named & { dryRun: boolean },
): { live: number; state: LexiconState } {
  const isMentioned = pattern === undefined ? () => false : matcherOf(pattern).isMentioned;
  const isMeant = (row: Readonly<Record<string, unknown>>) =>
    cells.some((cell) =>
      Object.entries(row).some(([name, value]) => isNamed(name, cell) && isCell(value, cell.equals)),
    );
  const state = readState(database);
  const rows = database
    .query(
      `SELECT r.number, r.id, r.born, r.died, c.text, c.metadata
       FROM rows r LEFT JOIN content c ON c.number = r.number`,
    )
    .iterate() as IterableIterator<StoredRow>;
  const named: StoredRow[] = [];
  for (const row of rows) {
    const metadata = row.metadata === null ? null : JSON.parse(row.metadata);
    // Without its text: there may be many.
    if (isMentioned([row.id, row.text, metadata]) || isMeant({ ...metadata, [idColumn]: row.id }))
      named.push({ ...row, text: null, metadata: null });
  }
  const live = named.filter(({ born, died }) => born <= state.generation && died === null).length;
  if (dryRun || named.length === 0) return { live, state };
  const next = { ...state, rows: state.rows - live };
  database.transaction(() => {
    deleteRows(database, named);
    writeState(database, next);
  })();
  return { live, state: next };
}

/** Words of deleted rows leave FTS5's segments, free pages the file, and both the log. */
export function scrub(database: Database): void {
  database.run("INSERT INTO words (words) VALUES ('optimize')");
  database.run("VACUUM");
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
}
