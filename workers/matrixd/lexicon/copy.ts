/**
 * A copy of a build's database as it was at one of its generations. A copy begins where a backup ends and vectord's
 * part of the backup is younger: it may hold vectors of rows that came in between, under numbers that the copy has
 * not given yet. So the copy goes on far behind them, and remembers which numbers it has skipped.
 */
import type { Database } from "../../../runtime/sqlite/sqlite.ts";
import { guarded, type LexiconState, openDatabase, writeState } from "./database.ts";
import { undo } from "./write.ts";

/** Numbers that a copy has skipped: larger than `after`, and at most `upTo`. */
export interface SkippedNumbers {
  after: number;
  upTo: number;
}

/** More rows than a corpus gets in the time of a backup; numbers are exact up to 2^53, so this is had two million times. */
const skippedCount = 2 ** 32;

/**
 * Writes a copy to a path where nothing is, as of `state`: a generation that was held since it was the present one, so
 * that none of its rows is gone.
 */
export function copyDatabase(file: string, to: string, state: LexiconState): void {
  const database = openDatabase(file);
  try {
    guarded(() => database.query("VACUUM INTO ?").run(to));
  } finally {
    database.close();
  }
  const copy = openDatabase(to);
  try {
    copy.run("PRAGMA synchronous = OFF");
    writeState(copy, state);
    undo(copy);
    skipNumbers(copy);
  } finally {
    copy.close();
  }
}

function skipNumbers(copy: Database): void {
  const { seq } = (copy.query("SELECT seq FROM sqlite_sequence WHERE name = 'rows'").get() ?? { seq: 0 }) as {
    seq: number;
  };
  const skipped: SkippedNumbers = { after: seq, upTo: seq + skippedCount };
  copy.query("DELETE FROM sqlite_sequence WHERE name = 'rows'").run();
  copy.query("INSERT INTO sqlite_sequence (name, seq) VALUES ('rows', ?)").run(skipped.upTo);
  copy.query("INSERT OR REPLACE INTO meta (key, value) VALUES ('left_out', ?)").run(JSON.stringify(skipped));
}

/** What this database skipped when it was copied; null when it is none, or nothing is left to clear away. */
export function skipped(database: Database): SkippedNumbers | null {
  const found = database.query("SELECT value FROM meta WHERE key = 'left_out'").get() as {
    value: string;
  } | null;
  return found && JSON.parse(found.value);
}

export function forgetSkipped(database: Database): void {
  database.run("DELETE FROM meta WHERE key = 'left_out'");
}
