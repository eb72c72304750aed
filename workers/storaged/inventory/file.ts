/** An inventory's file: SQLite, so that memory is bounded however many keys there are. */
import { closeSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Mark } from "../../../runtime/marks/marks.ts";
import { type Database, openSqlite, SQLiteError } from "../../../runtime/sqlite/sqlite.ts";

export interface Entry {
  key: string;
  /** Of the object that was acknowledged last; null: nothing is claimed of what is there. */
  etag: string | null;
  mark: string | null;
  /** The change under way, or one whose outcome is not known. With neither it an etag: what is there was accepted. */
  intent: string | null;
}

interface Stored extends Entry {
  checksum: number;
}

const format = 1;
/** Entries read at once. */
const pageEntries = 500;

/** SQLite's pages have no checksums: an entry that a disk has changed must not accuse an object. */
const checksumOf = ({ key, etag, mark, intent }: Entry): number =>
  Bun.hash.crc32(JSON.stringify([key, etag, mark, intent]));
const isWhole = (entry: Stored): boolean => entry.checksum === checksumOf(entry);

interface FileOptions {
  directory: string;
  name: string;
  /** How far it had come. */
  mark: Mark | undefined;
  /** Called with the reason when it is begun anew. */
  lost: (reason: string) => void;
  /** Begins anew whatever is there. */
  isAnew: boolean;
  newId: () => string;
}

export type InventoryFile = ReturnType<typeof openInventoryFile>;

/** Opens the file. One that cannot be used is set aside, and another one is begun. */
export function openInventoryFile(options: FileOptions) {
  const path = join(options.directory, `${options.name}.sqlite`);
  const { database, meta } = openOrBegin(path, options);
  // Opened when its log is there. Nothing of SQLite's is locked on it, so that closing this costs no lock.
  const log = openSync(`${path}-wal`, "r+");
  const one = database.prepare<Stored, [string]>("SELECT * FROM objects WHERE key = ?");
  const some = database.prepare<Stored, [string, number]>(
    "SELECT * FROM objects WHERE key > ? ORDER BY key LIMIT ?",
  );
  const write = database.prepare("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)");
  const remove = database.prepare("DELETE FROM objects WHERE key = ?");
  let changes = meta.changes;
  return {
    id: meta.id,
    /** The descriptor of SQLite's log: when it is synced, all that was put before is on stable storage. */
    log,
    /** How many intents there were. */
    changes: () => changes,
    get: (key: string): Entry | undefined => {
      const entry = one.get(key) ?? undefined;
      return entry && isWhole(entry) ? entry : undefined;
    },
    after: (key: string, most = pageEntries): Entry[] => {
      for (let from = key; ; ) {
        const page = some.all(from, most);
        const whole = page.filter(isWhole);
        if (whole.length > 0 || page.length === 0) return whole;
        from = page.at(-1)?.key ?? "";
      }
    },
    /** In the system's page cache when it returns. */
    put: (key: string, entry: Omit<Entry, "key"> | undefined): void => {
      if (!entry) return void remove.run(key);
      const { etag, mark, intent } = entry;
      write.run(key, etag, mark, intent, checksumOf({ key, ...entry }));
      if (intent !== null) changes += 1;
    },
    clear: (): void => void database.run("DELETE FROM objects"),
    close: (): void => {
      closeSync(log);
      // A statement that is left would keep the file open, with its log beside it.
      for (const statement of [one, some, write, remove]) statement.finalize();
      database.close();
    },
  };
}

interface Meta {
  id: string;
  changes: number;
}

function openOrBegin(path: string, options: FileOptions): { database: Database; meta: Meta } {
  const { mark, lost, isAnew, newId } = options;
  if (!isAnew && existsSync(path)) {
    try {
      const database = openSqlite(path);
      const meta = readMeta(database);
      const isOlder = mark && (meta?.id !== mark.id || Number(meta?.changes) < Number(mark.changes));
      if (meta && !isOlder) return { database, meta };
      database.close();
      lost(isOlder ? "it is older than what was written last" : "it is of another format");
    } catch (cause) {
      if (!(cause instanceof SQLiteError)) throw cause;
      lost(cause.message);
    }
  } else if (!isAnew && mark) lost("it is gone");
  if (existsSync(path)) renameSync(path, `${path}.damaged`);
  rmSync(`${path}-wal`, { force: true });
  const database = openSqlite(path, { create: true });
  prepare(database);
  const meta = { id: newId(), changes: 0 };
  database.run(
    "CREATE TABLE objects (key TEXT PRIMARY KEY, etag TEXT, mark TEXT, intent TEXT, checksum INTEGER) WITHOUT ROWID",
  );
  database.run("CREATE TABLE meta (id TEXT, changes INTEGER)");
  // Counted by the statement that writes it: there is no moment between the two.
  database.run(
    "CREATE TRIGGER counted AFTER INSERT ON objects WHEN NEW.intent IS NOT NULL BEGIN UPDATE meta SET changes = changes + 1; END",
  );
  database.run("INSERT INTO meta VALUES (?, ?)", [meta.id, meta.changes]);
  database.run(`PRAGMA user_version = ${format}`);
  return { database, meta };
}

/** Undefined for a file of another format. */
function readMeta(database: Database): Meta | undefined {
  prepare(database);
  const version = rowOf<{ user_version: number }>(database, "PRAGMA user_version");
  if (version?.user_version !== format) return undefined;
  const meta = rowOf<Meta>(database, "SELECT id, changes FROM meta");
  // Makes its log, and shows whether it can be written.
  if (meta) database.run("UPDATE meta SET changes = ?", [meta.changes]);
  return meta;
}

function rowOf<T>(database: Database, query: string): T | undefined {
  const statement = database.prepare<T, []>(query);
  try {
    return statement.get() ?? undefined;
  } finally {
    statement.finalize();
  }
}

/** Commits reach the page cache; the caller syncs the log for those that must survive a power loss. */
function prepare(database: Database): void {
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = NORMAL");
  // A key may name a person: with its entry it goes.
  database.run("PRAGMA secure_delete = ON");
}
