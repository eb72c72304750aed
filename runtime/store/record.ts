/** `<data_dir>/store.json`: which store the directory is, and what it has begun. */

import { join } from "node:path";
import { errorCode, readOrNull, seal, unseal, writeAtomic } from "../durable/durable.ts";
import { type Database, openSqlite } from "../sqlite/sqlite.ts";

export interface StoreRecord {
  format: 1;
  store_id: string;
  made_at: string;
  /** When the folder of each service, and each bucket, was begun. */
  services: Record<string, string>;
  buckets: Record<string, string>;
  /** Of a trial: what belongs to the store is looked at and used, and nothing is begun or held. */
  visitor?: true;
  /** Why this record may lack something that the store had begun; reported until it is accepted. */
  doubt?: string;
}

export const recordFile = "store.json";

/** The record; `damaged` when it is not as it was written. */
export async function readRecord(dataDir: string): Promise<StoreRecord | "damaged" | undefined> {
  const bytes = await readOrNull(join(dataDir, recordFile));
  if (bytes === null) return undefined;
  const record = unseal(bytes) as StoreRecord | undefined;
  return typeof record?.store_id === "string" ? record : "damaged";
}

/** Changes the record under its lock. The change is durable when this resolves. */
export const changeRecord = (
  dataDir: string,
  change: (current: StoreRecord | "damaged" | undefined) => Promise<StoreRecord>,
): Promise<StoreRecord> =>
  exclusively(join(dataDir, "store.lock"), async () => {
    const current = await readRecord(dataDir);
    const next = await change(current);
    const isSame = typeof current === "object" && JSON.stringify(next) === JSON.stringify(current);
    if (!isSame) await writeRecord(dataDir, next);
    return next;
  });

export const writeRecord = (directory: string, record: StoreRecord): Promise<void> =>
  writeAtomic(join(directory, recordFile), seal(record));

export const newRecord = (storeId: string, at: string): StoreRecord => ({
  format: 1,
  store_id: storeId,
  made_at: at,
  services: {},
  buckets: {},
});

export const begunAt = (record: StoreRecord, { kind, name }: { kind: string; name: string }) =>
  record[kind === "bucket" ? "buckets" : "services"][name];

// One change at a time, of all processes on a data directory. The lock is SQLite's on a file of its own, as in
// `lock.ts`: the kernel lets it go however its process ends.

const againMs = 10;
/** A change takes milliseconds; on a disk that is slower than this nothing else would work either. */
const triesMax = 6000;

/** Runs the work while no other process, thread or caller does such work on the same lock file. */
async function exclusively<T>(lockFile: string, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const database = openSqlite(lockFile, { create: true });
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
