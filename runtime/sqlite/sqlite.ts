/** SQLite, opened in one way: no file of it is ever mapped into memory. */
import { constants, Database } from "bun:sqlite";
import { pathToFileURL } from "node:url";

export { type Database, SQLiteError } from "bun:sqlite";

/**
 * Opens a database file. Its log's index is kept in the process's own memory (`unix-excl`, sqlite.org/vfs.html): by
 * default SQLite maps it from a file beside the database, and a page of that file which the disk has no room for ends
 * the process by SIGBUS. All connections of one process share that memory; meanwhile other processes get SQLITE_BUSY,
 * as the first lock that is taken is one on the whole file and held until the last of these connections is closed.
 * Throws what SQLite throws; without `create` also when the file is not there.
 */
export function openSqlite(file: string, { create = false } = {}): Database {
  const url = pathToFileURL(file);
  url.searchParams.set("vfs", "unix-excl");
  const { SQLITE_OPEN_URI, SQLITE_OPEN_READWRITE, SQLITE_OPEN_CREATE } = constants;
  const flags = SQLITE_OPEN_URI | SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
  const database = new Database(url.href, flags);
  // The pages themselves are not mapped by default; a library of the system may have been built otherwise.
  database.run("PRAGMA mmap_size = 0");
  return database;
}

/** An empty database without a file. */
export const sqliteInMemory = (): Database => new Database(":memory:");

/**
 * Somebody's database, to be read. Functions that its views may not call are closed to them. Integers come as bigint.
 * Throws what SQLite throws.
 */
export function openForeignSqlite(file: string): Database {
  const database = new Database(file, { safeIntegers: true, readonly: true });
  database.run("PRAGMA trusted_schema = 0");
  return database;
}
