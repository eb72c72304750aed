/**
 * One owner for a directory. The lock is SQLite's own on a small file: the kernel lets it go when the process
 * ends, however it ends, and no process identifier is ever mistaken for another.
 */
import { Database } from "bun:sqlite";
import { join } from "node:path";

/** Held until given back: a database that is garbage collected would let go of its lock. */
const held = new Set<Database>();

/** Takes the directory or throws, naming it. Returns how to give it back. */
export function lockDirectory(directory: string): () => void {
  const database = new Database(join(directory, "lock.sqlite"), { create: true });
  try {
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
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
