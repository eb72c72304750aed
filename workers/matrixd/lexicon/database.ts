/**
 * A corpus build's database: SQLite with FTS5.
 *
 * Every row carries the generation it was born in and, once it is replaced or gone, the one it died in; it is live in
 * generation g when born ≤ g and not dead by then. What a refresh writes is born in a generation that nobody can see
 * until `state` names it: that one small transaction is the swap.
 */
import { existsSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { checksum, storageError } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Database, openSqlite, SQLiteError } from "../../../runtime/sqlite/sqlite.ts";
import type { CorpusSpec } from "../schemas/schemas.ts";

/** What a database holds, as of its latest swap. */
export interface LexiconState {
  spec: CorpusSpec;
  /** 0 before the first swap, unless the build replaces another, whose generation it goes on from. */
  generation: number;
  /** Live rows. */
  rows: number;
  /** The largest number a row had at the swap: larger ones are unfinished. */
  last: number;
  /** vectord's index. */
  index: string;
  /** Embedd's full name of the model, and the length of its vectors; absent until it was asked. */
  model?: string;
  dimension?: number;
  built_at?: string;
  dataset_version?: number;
}

/** Of the file, kept in SQLite's `user_version`. */
const formatVersion = 1;

/** Porter stems English words; accents are folded. Words of other languages pass through. */
export const tokenizer = "porter unicode61 remove_diacritics 2";

const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER,
    has_text INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX rows_id ON rows (id, born);
  CREATE INDEX rows_died ON rows (died) WHERE died IS NOT NULL;
  CREATE TABLE content (number INTEGER PRIMARY KEY, text TEXT NOT NULL, metadata TEXT NOT NULL);
  CREATE TABLE garbage (number INTEGER PRIMARY KEY);
  CREATE VIRTUAL TABLE words USING fts5 (
    text, content='', contentless_delete=1, tokenize='${tokenizer}'
  );
  PRAGMA user_version = ${formatVersion};
`;

/** Memory SQLite may use to keep pages, a connection, in KiB. */
const cacheKiB = 16 * 1024;

/** Makes a new database. Whatever is at the path must not be one. */
export function createDatabase(file: string, state: LexiconState): Database {
  const database = openSqlite(file, { create: true });
  prepare(database);
  database.transaction(() => {
    for (const statement of schema.split(";\n")) if (statement.trim() !== "") database.run(statement);
    writeState(database, state);
  })();
  return database;
}

/**
 * Opens one that is there. Throws `corrupt` when it is missing, damaged, or of a newer format, `unavailable` while another
 * process has it open.
 */
export function openDatabase(file: string): Database {
  return guarded(() => {
    // SQLite says the same of a file that is gone and of one too many that is open.
    if (!existsSync(file)) throw damaged(`${basename(file)} is gone`);
    // Versions that mapped the index of the log leave it behind when they are killed; nothing reads it.
    rmSync(`${file}-shm`, { force: true });
    const database = openSqlite(file);
    try {
      prepare(database);
      const { user_version: version } = database.query("PRAGMA user_version").get() as {
        user_version: number;
      };
      if (version > formatVersion) throw newer(version);
      if (version !== formatVersion) throw fail("corrupt", "the corpus's database is not one: rebuild it");
      return database;
    } catch (cause) {
      database.close();
      throw isBusy(cause) ? openElsewhere(file, cause) : cause;
    }
  });
}

const isBusy = (cause: unknown): boolean =>
  cause instanceof SQLiteError && (cause.code ?? "").startsWith("SQLITE_BUSY");

const openElsewhere = (file: string, cause: unknown) =>
  fail("unavailable", `${file} is open in another process: close it there, then start again`, {
    cause,
    retryAfterSeconds: 1,
  });

/** Told apart by its details: a database of a newer format must not be rebuilt over. */
const newer = (version: number) =>
  fail(
    "corrupt",
    `written in format ${version}, and this version of Lakehouse reads up to ${formatVersion}`,
    {
      details: { newer: true },
    },
  );

function prepare(database: Database): void {
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = FULL");
  database.run("PRAGMA busy_timeout = 5000");
  database.run(`PRAGMA cache_size = -${cacheKiB}`);
}

/** Looks through the whole file for pages that make no sense. Rows are checked by their digests when they are read. */
export function checkDatabase(database: Database): void {
  guarded(() => {
    const found = database.query("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (found.quick_check !== "ok") throw damaged(found.quick_check);
  });
}

/** The state with the checksum it is stored under. Throws `corrupt`. */
export function readState(database: Database): LexiconState {
  const found = database.query("SELECT value FROM meta WHERE key = 'state'").get() as {
    value: string;
  } | null;
  const text = found?.value ?? "";
  const body = text.slice(9);
  if (text.slice(0, 8) !== checksum(body)) throw damaged("the checksum of its state does not fit");
  return JSON.parse(body);
}

/** Belongs into a transaction with what it tells of. */
export function writeState(database: Database, state: LexiconState): void {
  const body = JSON.stringify(state);
  database
    .query("INSERT OR REPLACE INTO meta (key, value) VALUES ('state', ?)")
    .run(`${checksum(body)} ${body}`);
}

/** What a row's bytes are held to, and how a changed one is known: 16 bytes of SHA-256. */
export const digestOf = (id: string, text: string, metadata: string): Uint8Array =>
  Bun.CryptoHasher.hash("sha256", `${id.length} ${text.length} ${id}${text}${metadata}`).subarray(0, 16);

/** Told by `corrupt`; only a rebuild helps. */
export const damaged = (why: string, cause?: unknown) =>
  fail("corrupt", `the corpus's database is damaged (${why}); build the corpus again to repair it`, {
    cause,
  });

const damageCodes = /^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ|FORMAT)/;

/** SQLite's words for damage and for a disk that takes nothing, as `corrupt` and `storage_full`; all else as it is. */
export function translated(cause: unknown): unknown {
  if (!(cause instanceof SQLiteError)) return cause;
  const { code = "" } = cause;
  return damageCodes.test(code) ? damaged(code, cause) : storageError(cause, "use the corpus's database");
}

/** Runs work on a database, and throws its errors `translated`. */
export function guarded<R>(work: () => R): R {
  try {
    return work();
  } catch (cause) {
    throw translated(cause);
  }
}
