/**
 * What was acknowledged of an S3 bucket, apart from the bucket (ADR 0123): by it an object that is gone there, or is
 * an older one, is known for what it is. Keys that others wrote are not in it.
 */
import { fdatasync } from "node:fs";
import { promisify } from "node:util";
import { makeDirectory, storageError } from "../../../runtime/durable/durable.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { SQLiteError } from "../../../runtime/sqlite/sqlite.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import { type Entry, type InventoryFile, openInventoryFile } from "./file.ts";

export type { Entry } from "./file.ts";

/** The intent of a removal; that of a write is the mark of its request. */
export const removal = "";

/** Something is to be there, or is to be looked at; false of an object that is being written for the first time. */
export const isClaim = (entry: Entry | undefined): boolean =>
  entry !== undefined && (entry.etag !== null || entry.intent === null);

/** What a bucket has under a key. */
export interface Found {
  etag: string;
  /** Of the request that wrote it; none where another program did. */
  mark: string | null;
}

/** A change that is about to be sent to the server. */
export interface Begun {
  /** Resolves when the intent is on stable storage. */
  durable: Promise<void>;
  /** The server was not asked, or has refused. */
  undo: () => void;
}

export interface Inventory {
  get: (key: string) => Entry | undefined;
  /** Entries in the order of keys, after this one: a page of them, or so many at most. */
  after: (key: string, most?: number) => Entry[];
  /** From here on what is there and what the intent makes of it are both right. */
  begin: (key: string, intent: string) => Begun;
  /** What the bucket has now by the server's answer; null: nothing. */
  settle: (key: string, found: Found | null) => void;
  /** Another Lakehouse had the bucket: what it changed is no damage. */
  forget: (reason: string) => Promise<void>;
  close: () => void;
}

export const nothingBegun: Begun = { durable: Promise.resolve(), undo: () => {} };

/** Of a bucket in which others write as well. */
export const noInventory: Inventory = {
  get: () => undefined,
  after: () => [],
  begin: () => nothingBegun,
  settle: () => {},
  forget: async () => {},
  close: () => {},
};

interface InventoryOptions extends Pick<Deps, "marks" | "adopted" | "log" | "newId"> {
  directory: string;
  /** The bucket's name here. */
  bucket: string;
  /** The file's name, without `.sqlite`. */
  name: string;
}

const sync = promisify(fdatasync);
/** Codes of SQLite for a file that is not what it wrote. */
const damaged = /^SQLITE_(?:CORRUPT|NOTADB|IOERR_SHORT_READ|ERROR)/;

/**
 * Opens the inventory, or begins one: also in place of one that is damaged, or older than its mark says. Where the disk
 * gives no file, changes are refused until it does, and reads go on.
 */
export async function openInventory(options: InventoryOptions): Promise<Inventory> {
  const { directory, bucket, log } = options;
  await makeDirectory(directory);
  const files = createFiles(options);
  const { guarded } = files;
  const operation = `write the inventory of bucket '${bucket}'`;
  const syncNow = async () => {
    const { id, changes, log: descriptor } = guarded((file) => ({ ...file, changes: file.changes() }));
    await sync(descriptor).catch((cause) => {
      throw storageError(cause, operation);
    });
    files.isDurable({ id, changes });
  };
  const synced = inGroups(syncNow);
  let isFailing = false;
  /** For what can be done without: the answer, or else `missing`. */
  const tried = <T, M>(work: (file: InventoryFile) => T, missing: M): T | M => {
    try {
      const result = guarded(work);
      isFailing = false;
      return result;
    } catch (cause) {
      if (!isFailing) log.warn("the inventory of a bucket cannot be used", { bucket, ...describe(cause) });
      isFailing = true;
      return missing;
    }
  };

  if (options.adopted(`storaged/${bucket}`)) tried(acceptAll, undefined);
  return {
    get: (key) => tried((file) => file.get(key), undefined),
    after: (key, most) => tried((file) => file.after(key, most), []),
    begin: (key, intent) => {
      const before = guarded((file) => file.get(key));
      const { etag = null, mark = null } = before ?? {};
      guarded((file) => file.put(key, { etag, mark, intent }));
      const durable = synced();
      // Whoever began it may fail before this is waited for.
      durable.catch(() => undefined);
      return { durable, undo: () => tried((file) => file.put(key, before), undefined) };
    },
    // What cannot be written after the fact is explained by the intent.
    settle: (key, found) =>
      tried((file) => file.put(key, found ? { ...found, intent: null } : undefined), undefined),
    forget: async (reason) => {
      if (tried((file) => file.after(""), []).length === 0) return;
      log.info("the inventory of a bucket is begun anew", { bucket, reason });
      guarded((file) => file.clear());
      await synced();
    },
    close: files.close,
  };
}

/** The file in use, with its mark: opened when the disk gives it, and begun anew when it turns out to be damaged. */
function createFiles({ directory, bucket, name, marks, log, newId }: InventoryOptions) {
  const markName = `inventory/${name}.sqlite`;
  const operation = `write the inventory of bucket '${bucket}'`;
  const lost = (reason: string) =>
    log.error(
      "the inventory of a bucket is begun anew: of what is there now, nothing that is removed or replaced behind storaged is noticed",
      { bucket, reason },
    );
  let file: InventoryFile | undefined;
  const open = (isAnew = false): InventoryFile => {
    file?.close();
    file = undefined;
    const opened = openInventoryFile({ directory, name, newId, mark: marks.get(markName), lost, isAnew });
    marks.set(markName, { id: opened.id, changes: opened.changes() });
    file = opened;
    return opened;
  };
  return {
    guarded: <T>(work: (file: InventoryFile) => T): T => {
      try {
        return work(file ?? open());
      } catch (cause) {
        if (!(cause instanceof SQLiteError) || !damaged.test(cause.code ?? ""))
          throw storageError(cause, operation);
        lost(cause.message);
        return work(open(true));
      }
    },
    /** So much is on stable storage: less will be damage. */
    isDurable: ({ id, changes }: { id: string; changes: number }): void => {
      if (id === file?.id) marks.set(markName, { id, changes });
    },
    close: (): void => {
      file?.close();
      file = undefined;
    },
  };
}

/** Of calls at once the first runs, and one more after it for all others. */
function inGroups(work: () => Promise<void>): () => Promise<void> {
  let running = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= running.then(() => {
      const now = work();
      next = undefined;
      running = now.catch(() => undefined);
      return now;
    });
    return next;
  };
}

/** Whatever is there is right when it is next looked at. */
function acceptAll(file: InventoryFile): void {
  for (let page = file.after(""); page.length > 0; page = file.after(page.at(-1)?.key ?? ""))
    for (const { key } of page) file.put(key, { etag: null, mark: null, intent: null });
}
