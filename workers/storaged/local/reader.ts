/** Reads objects of a local bucket: one generation a reader, checked against its SHA-256 before it counts as whole. */
import { constants } from "node:fs";
import { type FileHandle, lstat, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { LRUCache } from "lru-cache";
import { errorCode, makeDirectory, opened, writeAtomic } from "../../../runtime/durable/durable.ts";
import type { KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import type { Corruptions, ObjectInfo, Span } from "../bucket/bucket.ts";
import { fileStream, hashFile } from "./file-stream.ts";
import { isAbsence, isThere, type Layout, linkAbove } from "./layout.ts";
import {
  type Damage,
  encodeRecord,
  type FileFacts,
  type Generation,
  generationByHash,
  generationOf,
  type ObjectRecord,
  readRecord,
} from "./sidecar.ts";

const mismatch = "its bytes do not match the checksum they were stored with";
const unread = "the disk does not give its bytes back (EIO): look at the kernel's log";
const unknown = "there is no checksum record: the file was not written by this store";
const gone = "its bytes are gone: its checksum record is there, and no delete was asked for";

/** An open file: it stays readable and unchanged whatever happens to its name. */
interface Opened {
  handle: FileHandle;
  facts: FileFacts;
  generation: Generation;
  /** Taken from the sidecar of a write that has not ended, or was cut off at its very end. */
  isNext: boolean;
}

export interface LocalReader {
  /** The object's generation without reading its bytes; undefined when there is none. */
  peek: (key: string) => Promise<Generation | undefined>;
  /** The opened object, or undefined. The caller closes the handle. */
  open: (key: string) => Promise<Opened | undefined>;
  /** As `open`, for a caller that holds the key's lock. */
  settle: (key: string) => Promise<Opened | undefined>;
  /** Reads the whole file once for each file, and remembers that it was whole. Throws `corrupt`. */
  verify: (key: string, opened: Opened) => Promise<void>;
  /** Records the file as verified: it was just hashed. */
  trust: (key: string) => Promise<void>;
  /** A stream of all bytes (verified on the way) or of a span (of a verified file). It closes the handle. */
  body: (key: string, opened: Opened, span?: Span) => ReadableStream<Uint8Array>;
}

interface ReaderDeps {
  layout: Layout;
  lock: KeyedMutex;
  corruptions: Corruptions;
}

export function createLocalReader({ layout, lock, corruptions }: ReaderDeps): LocalReader {
  const verified = createVerifiedFiles();
  const { named, naming } = createNaming(corruptions);

  const settle = async (key: string): Promise<Opened | undefined> => {
    const seen = await look(layout, key);
    if (!seen) {
      // A delete puts its sidecar away before it touches the bytes.
      if (await isThere(layout.record(key))) throw corruptions.found(key, gone);
      return undefined;
    }
    const { handle, record, generation } = seen;
    try {
      if (generation) return { ...seen, generation };
      if (!record && (await isThere(layout.deleted(key)))) {
        await handle.close();
        return undefined;
      }
      const current = await repair(layout, corruptions, { key, seen });
      verified.add(seen.facts);
      corruptions.cleared(key);
      return { ...seen, generation: current, isNext: false };
    } catch (error) {
      await handle.close();
      throw error;
    }
  };

  const openObject = async (key: string): Promise<Opened | undefined> => {
    const seen = await look(layout, key);
    if (!seen && !(await isThere(layout.record(key)))) return undefined;
    const generation = seen?.generation;
    if (generation) return { ...seen, generation };
    // A writer was active between the two reads, or something is wrong: check again under the lock.
    await seen?.handle.close();
    return lock(key, () => settle(key));
  };

  const verify = async (key: string, { handle, facts, generation }: Opened) => {
    const whole = await verified.once(facts, async () => (await hashFile(handle)) === generation.sha256);
    if (!whole) throw corruptions.found(key, mismatch);
    corruptions.cleared(key);
  };

  return {
    open: (key) => naming(key, () => openObject(key)),
    settle: (key) => naming(key, () => settle(key)),
    verify: (key, opened) => naming(key, () => verify(key, opened)),
    peek: (key) =>
      naming(key, async () => {
        const generation = await generationAt(layout, key);
        if (generation) return generation;
        const opened = await openObject(key);
        await opened?.handle.close();
        return opened?.generation;
      }),
    trust: async (key) => {
      // Only an optimization: the write is durable without it.
      const facts = await factsAt(layout, key).catch(() => undefined);
      if (facts) verified.add(facts);
      corruptions.cleared(key);
    },
    body: (key, opened, span) => {
      if (span) return fileStream(opened.handle, span.first, span.last + 1, () => undefined, named(key));
      const hasher = new Bun.CryptoHasher("sha256");
      return fileStream(
        opened.handle,
        0,
        opened.generation.bytes,
        (chunk, last) => {
          hasher.update(chunk);
          if (!last) return;
          if (hasher.digest("hex") !== opened.generation.sha256) throw corruptions.found(key, mismatch);
          verified.add(opened.facts);
          corruptions.cleared(key);
        },
        named(key),
      );
    },
  };
}

/** A read error of the disk is damage of this object alone. */
function createNaming(corruptions: Corruptions) {
  const named = (key: string) => (cause: unknown) =>
    errorCode(cause) === "EIO" ? corruptions.found(key, unread) : cause;
  const naming = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    try {
      const found = await work();
      // An absent object is not damaged.
      if (found === undefined) corruptions.cleared(key);
      return found;
    } catch (cause) {
      throw named(key)(cause);
    }
  };
  return { named, naming };
}

/** After a restore from a backup inode and time differ: the bytes themselves say which generation they are. */
async function repair(
  layout: Layout,
  corruptions: Corruptions,
  { key, seen: { handle, facts, record, next } }: { key: string; seen: Seen },
): Promise<Generation> {
  const why = record && "damage" in record ? record.damage : undefined;
  const sound = [record, next].filter((one) => one !== null && "current" in one);
  if (sound.length === 0) throw corruptions.found(key, why ?? unknown);
  const hash = await hashFile(handle);
  const current = sound.map((one) => generationByHash(one, hash, facts)).find((one) => one !== undefined);
  if (!current) throw corruptions.found(key, why ?? mismatch);
  await makeDirectory(dirname(layout.record(key)));
  await writeAtomic(layout.record(key), encodeRecord({ key, current }));
  await rm(layout.next(key), { force: true });
  return current;
}

interface Seen extends Omit<Opened, "generation"> {
  record: ObjectRecord | Damage | null;
  next: ObjectRecord | Damage | null;
  /** Undefined when the file matches none of its sidecars. */
  generation: Generation | undefined;
}

/** Opens the file and its sidecar; where they do not match, also the sidecar of an unfinished write. */
async function look(layout: Layout, key: string): Promise<Seen | undefined> {
  const file = await openFile(layout, key);
  if (!file) return undefined;
  try {
    const record = await readRecord(layout.record(key), key);
    const generation = fitting(record, file.facts);
    if (generation) return { ...file, record, next: null, generation, isNext: false };
    const next = await readRecord(layout.next(key), key);
    return { ...file, record, next, generation: fitting(next, file.facts), isNext: true };
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

const fitting = (
  record: ObjectRecord | Damage | null | undefined,
  facts: FileFacts,
): Generation | undefined => (record && "current" in record ? generationOf(record, facts) : undefined);

/** A generation as clients see it. The etag is the hash of the bytes. */
export function infoOf(key: string, generation: Generation): ObjectInfo {
  const { bytes, sha256: etag, mtime_ns, content_type } = generation;
  const last_modified = new Date(Number(BigInt(mtime_ns) / 1_000_000n)).toISOString();
  return { key, bytes, etag, last_modified, ...(content_type !== undefined && { content_type }) };
}

/** Links are not followed, neither at the end of the path nor in it: they are no objects. */
async function openFile(
  layout: Layout,
  key: string,
): Promise<{ handle: FileHandle; facts: FileFacts } | undefined> {
  if ((await linkAbove(layout.root, key)) !== undefined) return undefined;
  try {
    return await opened(layout.data(key), constants.O_RDONLY | constants.O_NOFOLLOW, async (handle) => {
      const facts = await handle.stat({ bigint: true });
      if (facts.isFile()) return { handle, facts };
      await handle.close();
      return undefined;
    });
  } catch (cause) {
    if (isAbsence(cause)) return undefined;
    throw cause;
  }
}

/** The generation of the file at the path by its sidecar, without opening it. */
async function generationAt(layout: Layout, key: string): Promise<Generation | undefined> {
  const facts = await factsAt(layout, key);
  return facts && fitting(await readRecord(layout.record(key), key), facts);
}

/** Status of the file at the path; undefined when there is none, or a directory. */
async function factsAt(layout: Layout, key: string): Promise<FileFacts | undefined> {
  if ((await linkAbove(layout.root, key)) !== undefined) return undefined;
  try {
    const facts = await lstat(layout.data(key), { bigint: true });
    return facts.isFile() ? facts : undefined;
  } catch (cause) {
    if (isAbsence(cause)) return undefined;
    throw cause;
  }
}

// A cache of files whose checksum was verified: each is hashed once, not at every use.

/** Files remembered; others are hashed again when they are asked for. Counted as sizes: `max` takes the room of all at once. */
const remembered = { maxSize: 100_000, sizeCalculation: () => 1 };

/** Files known to be whole, by everything that changes when a file is written to. */
function createVerifiedFiles() {
  const known = new LRUCache<string, true>(remembered);
  const running = new Map<string, Promise<boolean>>();
  const idOf = ({ ino, mtimeNs, ctimeNs, size }: FileFacts) => `${ino}:${mtimeNs}:${ctimeNs}:${size}`;
  const add = (facts: FileFacts) => {
    known.set(idOf(facts), true);
  };
  return {
    add,
    /** True when known; else runs `work`, once for all who ask meanwhile. */
    once: async (facts: FileFacts, work: () => Promise<boolean>): Promise<boolean> => {
      const id = idOf(facts);
      if (known.get(id)) return true;
      const run = running.get(id) ?? work().finally(() => running.delete(id));
      running.set(id, run);
      const whole = await run;
      if (whole) add(facts);
      return whole;
    },
  };
}
