/**
 * One owner for a directory. The lock is SQLite's own on a small file: the kernel lets it go when the process
 * ends, however it ends, and no process identifier is ever mistaken for another.
 */
import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../durable/durable.ts";
import { type Database, openSqlite } from "../sqlite/sqlite.ts";

/** Held until given back: a database that is garbage collected would release its lock. */
const held = new Set<Database>();

const noRoomHint = "is there room on its disk, and does it have working file locks?";

/** Takes the directory or throws, naming it and why: another process has it, or it cannot be written. Returns how to give it back. */
export function lockDirectory(directory: string): () => void {
  refuseReadOnly(directory);
  const database = openSqlite(join(directory, "lock.sqlite"), { create: true });
  try {
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    const code = errorCode(cause) ?? "";
    if (!code.startsWith("SQLITE_BUSY"))
      throw new Error(`${directory} cannot be locked (${code}): ${noRoomHint}`, { cause });
    throw new Error(`${directory} is in use by another process: is Lakehouse already running on it?`, {
      cause,
    });
  }
  held.add(database);
  return () => {
    held.delete(database);
    database.close();
  };
}

/**
 * A service could answer nothing but errors where it cannot write at all. A disk that is merely full is another matter:
 * what is there can be read.
 */
function refuseReadOnly(directory: string): void {
  const probe = join(directory, ".probe");
  try {
    closeSync(openSync(probe, "w"));
    rmSync(probe);
  } catch (cause) {
    const code = errorCode(cause) ?? "";
    if (code === "EROFS")
      throw new Error(`${directory} is on a read-only disk: make it writable, then start again`, { cause });
    if (code === "EACCES" || code === "EPERM")
      throw new Error(
        `${directory} may not be written by this user: give it to the user that runs Lakehouse, or set data_dir`,
        { cause },
      );
    if (code !== "ENOSPC" && code !== "EDQUOT") throw cause;
  }
}
