/**
 * One change at a time, of all processes on a data directory. The lock is SQLite's on a file of its own, as in
 * `lock.ts`: the kernel lets it go however its process ends.
 */
import { Database } from "bun:sqlite";
import { errorCode } from "../durable/durable.ts";

const againMs = 10;
/** A change takes milliseconds; on a disk that is slower than this nothing else would work either. */
const triesMax = 6000;

/** Runs the work while no other process, thread or caller does such work on the same lock file. */
export async function exclusively<T>(lockFile: string, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const database = new Database(lockFile, { create: true });
    try {
      if (took(database, tries === triesMax)) return await work();
    } finally {
      database.close();
    }
    await Bun.sleep(againMs);
  }
}

function took(database: Database, isLast: boolean): boolean {
  try {
    database.run("BEGIN EXCLUSIVE");
    return true;
  } catch (cause) {
    if (isLast || !errorCode(cause)?.startsWith("SQLITE_BUSY")) throw cause;
    return false;
  }
}
