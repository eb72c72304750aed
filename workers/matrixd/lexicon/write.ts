/** What a build or refresh does to a corpus's database. Nothing of it is seen before `finish`. */

import { fail } from "../../../runtime/errors/errors.ts";
import { parseRows } from "../../../runtime/json/json.ts";
import type { Database } from "../../../runtime/sqlite/sqlite.ts";
import { digestOf, type LexiconState, readState, writeState } from "./database.ts";

/**
 * How rows come from queryd: `i` the id, `t0…` the texts, `m0…` the values of the metadata columns; numbers that a
 * double would change are kept as text.
 */
export interface RowShape {
  idColumn: string;
  texts: number;
  metadata: readonly string[];
  /** Longest metadata of a row as JSON, in bytes. */
  metadataBytesMax: number;
}

export interface Staged {
  rows: number;
  unchanged: number;
  /** New or changed rows whose text columns are all empty: kept, and found by no words and no vector. */
  withoutText: number;
}

export interface PendingRow {
  number: number;
  id: string;
  text: string;
  metadata: string;
}

/** Rows a transaction takes at most, where many are to be changed. */
const slice = 1000;
const idCharsMax = 512;
const eachText = "\n";

/** Begins a refresh: what an earlier one left is undone, and no row counts as seen. */
export function begin(database: Database): void {
  undo(database);
  database.run("CREATE TEMP TABLE IF NOT EXISTS seen (number INTEGER PRIMARY KEY)");
  database.run("DELETE FROM seen");
}

/**
 * Takes whole lines of NDJSON. Rows that are as they were are only marked as seen. Throws `unprocessable` naming the
 * row for an id that is NULL, empty, too long or comes twice; nothing of the lines is taken then.
 */
export function stage(database: Database, lines: Uint8Array, shape: RowShape): Staged {
  const { generation } = readState(database);
  const put = putter(database, generation + 1);
  const staged = { rows: 0, unchanged: 0, withoutText: 0 };
  database.transaction(() => {
    for (const line of new TextDecoder().decode(lines).split("\n")) {
      if (line === "") continue;
      const row = rowOf(parseRows(line) as Record<string, unknown>, shape);
      const isNew = put(row);
      staged.rows += 1;
      if (!isNew) staged.unchanged += 1;
      else if (row.text === "") staged.withoutText += 1;
    }
  })();
  return staged;
}

interface Row {
  id: string;
  text: string;
  metadata: string;
}

function rowOf(values: Record<string, unknown>, shape: RowShape): Row {
  const { i: id } = values;
  if (typeof id !== "string" || id === "")
    throw refused(`a row has ${id === "" ? "an empty text" : "NULL"} in the id column '${shape.idColumn}'`);
  if (id.length > idCharsMax)
    throw refused(
      `the id '${id.slice(0, 40)}…' has ${id.length} characters; at most ${idCharsMax} are taken`,
    );
  const texts = Array.from({ length: shape.texts }, (_, at) => values[`t${at}`]);
  const text = texts.filter((one) => typeof one === "string" && one.trim() !== "").join(eachText);
  const metadata = JSON.stringify(
    Object.fromEntries(shape.metadata.map((name, at) => [name, values[`m${at}`]])),
  );
  const bytes = Buffer.byteLength(metadata);
  if (bytes > shape.metadataBytesMax)
    throw refused(
      `the metadata of row '${id}' has ${bytes} bytes as JSON; at most ${shape.metadataBytesMax} are taken`,
    );
  return { id, text, metadata };
}

const refused = (message: string) => fail("unprocessable", message);

/** Puts one row; answers whether it is new or changed. */
function putter(database: Database, born: number): (row: Row) => boolean {
  const find = database.query("SELECT number, digest, born FROM rows WHERE id = ? AND died IS NULL");
  const see = database.query("INSERT OR IGNORE INTO seen (number) VALUES (?)");
  const die = database.query("UPDATE rows SET died = ? WHERE number = ?");
  const add = database.query(
    "INSERT INTO rows (id, digest, born, has_text) VALUES (?, ?, ?, ?) RETURNING number",
  );
  const keep = database.query("INSERT INTO content (number, text, metadata) VALUES (?, ?, ?)");
  const index = database.query("INSERT INTO words (rowid, text) VALUES (?, ?)");
  return ({ id, text, metadata }) => {
    const digest = digestOf(id, text, metadata);
    const old = find.get(id) as { number: number; digest: Uint8Array; born: number } | null;
    if (old) {
      const isSeen = old.born === born || see.run(old.number).changes === 0;
      if (isSeen) throw refused(`the id '${id}' comes twice; ids must be unique`);
      if (Buffer.compare(old.digest, digest) === 0) return false;
      die.run(born, old.number);
    }
    const { number } = add.get(id, digest, born, text === "" ? 0 : 1) as { number: number };
    keep.run(number, text, metadata);
    if (text !== "") index.run(number, text);
    return true;
  };
}

/** New rows with text after a number, in order: so many, or fewer where their texts reach `bytesMax`. */
export function pending(
  database: Database,
  { after, rowsMax, bytesMax }: { after: number; rowsMax: number; bytesMax: number },
): PendingRow[] {
  const from = Math.max(after, readState(database).last);
  const rows = database
    .query(
      `SELECT r.number, r.id, c.text, c.metadata FROM rows r JOIN content c ON c.number = r.number
       WHERE r.number > ? AND r.has_text = 1 ORDER BY r.number LIMIT ?`,
    )
    .all(from, rowsMax) as PendingRow[];
  let bytes = 0;
  const taken: PendingRow[] = [];
  for (const row of rows) {
    bytes += Buffer.byteLength(row.text);
    if (bytes > bytesMax && taken.length > 0) return taken;
    taken.push(row);
  }
  return taken;
}

/** Marks the rows that did not come as gone with the next generation. Their number. */
export function removeUnseen(database: Database): number {
  const { generation, last } = readState(database);
  const find = database.query(
    `SELECT number FROM rows WHERE number > ? AND number <= ? AND died IS NULL
     AND number NOT IN (SELECT number FROM seen) ORDER BY number LIMIT ${slice}`,
  );
  const die = database.query("UPDATE rows SET died = ? WHERE number = ?");
  let removed = 0;
  for (let after = 0; ; ) {
    const gone = find.all(after, last) as { number: number }[];
    database.transaction(() => {
      for (const { number } of gone) die.run(generation + 1, number);
    })();
    removed += gone.length;
    const end = gone.at(-1);
    if (end === undefined) return removed;
    after = end.number;
  }
}

/** The swap: one transaction that makes the next generation the one there is. */
export function finish(
  database: Database,
  changes: Omit<LexiconState, "generation" | "rows" | "last">,
): LexiconState {
  const swap = database.transaction((): LexiconState => {
    const { generation, last } = readState(database);
    const now = generation + 1;
    const live = database
      .query("SELECT count(*) AS rows FROM rows WHERE died IS NULL OR died > ?")
      .get(now) as { rows: number };
    const { highest } = database.query("SELECT max(number) AS highest FROM rows").get() as {
      highest: number | null;
    };
    const state = { ...changes, generation: now, rows: live.rows, last: Math.max(last, highest ?? 0) };
    writeState(database, state);
    return state;
  });
  return swap();
}

/** Takes back what an unfinished refresh did; vectors it may have added become orphans. */
export function undo(database: Database): void {
  const { generation, last } = readState(database);
  const born = database.query(`SELECT number FROM rows WHERE number > ? LIMIT ${slice}`);
  while (deleteRows(database, born.all(last) as { number: number }[]) > 0);
  database.query("UPDATE rows SET died = NULL WHERE died > ?").run(generation);
}

/** Deletes rows that are dead in every generation from `from` on, one slice; their vectors become orphans. How many. */
export function purge(database: Database, from: number): number {
  const dead = database.query(`SELECT number FROM rows WHERE died IS NOT NULL AND died <= ? LIMIT ${slice}`);
  return deleteRows(database, dead.all(from) as { number: number }[]);
}

/** Deletes rows, whatever generation has them; their vectors become orphans. How many. */
export function deleteRows(database: Database, rows: { number: number }[]): number {
  const statements = [
    "DELETE FROM words WHERE rowid = ?",
    "DELETE FROM content WHERE number = ?",
    "DELETE FROM rows WHERE number = ?",
    "INSERT OR IGNORE INTO garbage (number) VALUES (?)",
  ].map((text) => database.query(text));
  database.transaction(() => {
    for (const { number } of rows) for (const statement of statements) statement.run(number);
  })();
  return rows.length;
}

/** Numbers whose vectors are to be deleted, one slice of them. */
export const orphans = (database: Database): number[] =>
  (database.query(`SELECT number FROM garbage LIMIT ${slice}`).all() as { number: number }[]).map(
    ({ number }) => number,
  );

/** Forgets numbers whose vectors are deleted. */
export function forgetOrphans(database: Database, numbers: readonly number[]): void {
  const forget = database.query("DELETE FROM garbage WHERE number = ?");
  database.transaction(() => {
    for (const number of numbers) forget.run(number);
  })();
}
