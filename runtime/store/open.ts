/**
 * Which store a data directory is, and what belongs to it: `store.json` knows what was begun, and each folder of a
 * service and each bucket has a stamp. What was begun and has no stamp is gone; what has another's is not ours
 * (ADR 0136).
 */
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, readOrNull, seal, storageError, unseal } from "../durable/durable.ts";
import { ServiceError } from "../errors/errors.ts";
import type { Log } from "../telemetry/telemetry.ts";
import {
  begunAt,
  changeRecord,
  newRecord,
  readRecord,
  recordFile,
  type StoreRecord,
  writeRecord,
} from "./record.ts";

/** In the folder of a service, and in a bucket beside its own files. */
export const stampFile = "stamp.json";
/** In the data directory; also what `--adopt` calls it. */
export const storeFile = recordFile;

/** A place that carries a stamp. */
export interface Stamped extends Place {
  /** Where it is, for people. */
  at: string;
  /** The stamp's bytes; null when there are none. */
  read: () => Promise<Uint8Array | null>;
  write: (text: string) => Promise<void>;
  /** Keeps the stamp that is there under its name with this at its end. */
  setAside: (suffix: string) => Promise<void>;
}

/** Whether an operator accepts a place that would be refused, for the reason given. */
export type Adopted = (place: string, reason?: string) => boolean;

export interface Store {
  /** Unguessable, and the same for as long as the data directory is. */
  id: string;
  /** Nothing is begun by a visitor, and what is new is used as it is. */
  isVisitor: boolean;
  /** Why not all that was begun is known; undefined when it is. */
  doubt: string | undefined;
  /** What is true of the place; nothing is changed. */
  look: (stamped: Stamped) => Promise<Verdict>;
  /**
   * Looks at the places, and begins the new ones: stamped, then recorded. One that is not ours is begun anew when
   * `adopted` says so, and else left as it is. The answers are `ours`, or why the place stays closed.
   */
  admit: (places: readonly Stamped[], adopted: Adopted) => Promise<("ours" | { refusal: string })[]>;
  /** Takes the doubt back. */
  trust: () => Promise<void>;
}

interface StoreOptions {
  dataDir: string;
  /** The time as RFC 3339. */
  now: () => string;
  log: Pick<Log, "warn">;
}

/**
 * The store of the directory. One without a record gets one, however many processes ask at once; where there had been
 * one, by the stamps of the services' folders, the new one says so. On a full disk nothing new is written: what is not
 * begun today is begun at another start.
 */
export async function openStore({ dataDir, now, log }: StoreOptions): Promise<Store> {
  const written = unlessFull(log);
  const found = await readRecord(dataDir);
  const make = (current: StoreRecord | "damaged" | undefined) =>
    isRecord(current) ? Promise.resolve(current) : made(dataDir, current, now);
  const record = isRecord(found)
    ? found
    : ((await written(changeRecord(dataDir, make))) ?? newRecord(crypto.randomUUID(), now()));
  const storeId = record.store_id;
  const isVisitor = record.visitor === true;
  const change = (step: (current: StoreRecord) => StoreRecord) =>
    written(changeRecord(dataDir, async (current) => step(isRecord(current) ? current : record)));
  const latest = async () => {
    const current = await readRecord(dataDir);
    return isRecord(current) ? current : record;
  };
  return {
    id: storeId,
    isVisitor,
    doubt: record.doubt,
    look: async (stamped) => judged(await latest(), stamped),
    admit: async (places, adopted) => {
      const current = await latest();
      const begun: Place[] = [];
      const verdicts = await Promise.all(
        places.map(async (stamped) => {
          const verdict = await judged(current, stamped);
          if (typeof verdict === "object" && !adopted(stamped.name, verdict.refusal)) return verdict;
          if (isVisitor) return "ours";
          if (typeof verdict === "object") await stamped.setAside(asideSuffix("adopted", now));
          // Before it is recorded: a place that is recorded and has no stamp would be taken for lost.
          const stamp = async () => {
            if (verdict !== "ours") await stamped.write(stampText(storeId, stamped));
            return stamped;
          };
          const stampedNow = await written(stamp());
          if (stampedNow && begunAt(current, stamped) === undefined) begun.push(stamped);
          return "ours";
        }),
      );
      if (begun.length > 0) await change((known) => begun.reduce(withPlace(now()), known));
      return verdicts;
    },
    trust: async () => {
      await change(({ doubt: _, ...rest }) => rest);
    },
  };
}

/** The store of a directory as it is, without making one; undefined where its record cannot be read. */
export async function visitStore(dataDir: string): Promise<Pick<Store, "look" | "doubt"> | undefined> {
  const record = await readRecord(dataDir);
  if (!isRecord(record)) return undefined;
  return { doubt: record.doubt, look: (stamped) => judged(record, stamped) };
}

/** Makes the directory one that looks at the buckets of this store, where there is one, and begins and holds nothing. */
export async function writeVisitor(directory: string, dataDir: string, at: string): Promise<void> {
  const found = await readRecord(dataDir);
  const record = isRecord(found) ? found : newRecord(crypto.randomUUID(), at);
  await writeRecord(directory, { ...record, services: {}, visitor: true });
}

async function judged(record: StoreRecord, stamped: Stamped): Promise<Verdict> {
  const known = { storeId: record.store_id, begunAt: begunAt(record, stamped), at: stamped.at };
  return judge(stamped, known, readStamp(await stamped.read()));
}

/** What was to be written; undefined when the disk is full, which is logged. */
const unlessFull =
  (log: Pick<Log, "warn">) =>
  async <T>(writing: Promise<T>): Promise<T | undefined> => {
    try {
      return await writing;
    } catch (cause) {
      const error = storageError(cause, "write what belongs to the store");
      if (!(error instanceof ServiceError) || error.type !== "storage_full") throw cause;
      log.warn("what belongs to the store could not be written down", { reason: error.message });
      return undefined;
    }
  };

const isRecord = (found: StoreRecord | "damaged" | undefined): found is StoreRecord =>
  typeof found === "object";

const asideSuffix = (why: string, now: () => string): string => `.${why}-${now().replaceAll(/[:.]/g, "-")}`;

const withPlace =
  (at: string) =>
  (record: StoreRecord, { kind, name }: Place): StoreRecord => {
    const table = kind === "bucket" ? "buckets" : "services";
    return { ...record, [table]: { ...record[table], [name]: record[table][name] ?? at } };
  };

/** A first record, or one in place of a record that is lost: with the identity that the folders' stamps still have. */
async function made(dataDir: string, found: "damaged" | undefined, now: () => string): Promise<StoreRecord> {
  const path = join(dataDir, storeFile);
  const stamps = await stampsIn(dataDir);
  if (found === "damaged") await rename(path, path + asideSuffix("damaged", now));
  const [first] = stamps;
  const fresh = newRecord(first?.store_id ?? crypto.randomUUID(), now());
  if (found === undefined && first === undefined) return fresh;
  const own = stamps.filter(({ store_id }) => store_id === fresh.store_id);
  const doubt =
    `${path} was ${found === "damaged" ? "damaged" : "gone"} and was made anew from what is here: a folder or bucket ` +
    "that is missing as well is not known to be. See that all is here, then say so with bun run supervisor --adopt=" +
    storeFile;
  return { ...own.reduce(withPlace(now()), fresh), doubt };
}

/** Those in the folders of services. */
async function stampsIn(dataDir: string) {
  const names = (await readdir(dataDir)).sort();
  const found = await Promise.all(
    names.map(async (name) => readStamp(await readOrNull(join(dataDir, name, stampFile)).catch(noFolder))),
  );
  return found.filter((stamp) => typeof stamp === "object");
}

const noFolder = (cause: unknown): null => {
  if (errorCode(cause) === "ENOTDIR") return null;
  throw cause;
};

// What a place says of itself: of which store it is, and which of its places.

/** The folder of a service, or a bucket. */
interface Place {
  kind: "service" | "bucket";
  name: string;
}

interface Stamp {
  store_id: string;
  kind: Place["kind"];
  name: string;
}

/** What was found where the stamp belongs. */
type Found = Stamp | "damaged" | undefined;

const stampText = (storeId: string, { kind, name }: Place): string =>
  seal({ format: 1, store_id: storeId, kind, name });

/** Reads a stamp's file; null is that there is none. */
function readStamp(bytes: Uint8Array | null): Found {
  if (bytes === null) return undefined;
  const stamp = unseal(bytes) as Stamp | undefined;
  return typeof stamp?.store_id === "string" ? stamp : "damaged";
}

/** The store that a service's folder is part of; undefined where it was not begun yet, as on a full disk. */
export async function storeIdOf(folder: string): Promise<string | undefined> {
  const stamp = readStamp(await readOrNull(join(folder, stampFile)));
  return typeof stamp === "object" ? stamp.store_id : undefined;
}

interface Known {
  storeId: string;
  /** When the store began this place; undefined when it never did. */
  begunAt: string | undefined;
  /** Where it is, for people. */
  at: string;
}

/** `ours`: as it should be. `new`: to be begun. Else why it stays closed. */
type Verdict = "ours" | "new" | { refusal: string };

/** Whether the place is the one that belongs here. Nothing is asked but what is given. */
function judge(place: Place, { storeId, begunAt, at }: Known, found: Found): Verdict {
  const named = nameOf(place);
  const accept = `or accept what is there with bun run supervisor --adopt=${place.name}`;
  if (found === "damaged")
    return { refusal: `the stamp of ${named} in ${at} is damaged: restore it from a backup, ${accept}` };
  if (found === undefined) {
    if (begunAt === undefined) return "new";
    return {
      refusal:
        `${named} is gone or emptied: it was begun at ${begunAt}, and ${at} has no stamp of it. Bring it back ` +
        `(is its disk mounted, is it the right place?), restore a backup, ${accept}`,
    };
  }
  if (found.store_id === storeId && found.kind === place.kind && found.name === place.name) return "ours";
  const owner = found.store_id === storeId ? "this store" : `another store (${found.store_id})`;
  return {
    refusal:
      `${at} is ${nameOf(found)} of ${owner}, where ${named} of store ${storeId} is expected: correct the ` +
      `configuration or bring the right one back, ${accept}`,
  };
}

const nameOf = ({ kind, name }: Place): string =>
  kind === "bucket" ? `bucket '${name}'` : `the folder of ${name}`;
