/** Reads objects of a local bucket: one generation a reader, checked against its SHA-256 before it counts as whole. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, makeDirectory, writeAtomic } from "../../runtime/files.ts";
import type { KeyLock } from "../../runtime/key-lock.ts";
import type { ObjectInfo } from "./bucket.ts";
import type { Corruptions } from "./corruptions.ts";
import { fileStream, hashFile } from "./file-stream.ts";
import { type Layout, linkAbove } from "./local-layout.ts";
import {
  encodeRecord,
  type FileFacts,
  type Generation,
  generationByHash,
  generationOf,
  type ObjectRecord,
  readRecord,
} from "./object-record.ts";
import type { Span } from "./range.ts";
import { createVerifiedFiles } from "./verified-files.ts";

const mismatch = "its bytes do not match the checksum they were stored with";
const unknown = "there is no checksum record: the file was not written by this store";

/** A file held open: it stays readable, unchanged, whatever happens to its name. */
export interface Opened {
  handle: FileHandle;
  facts: FileFacts;
  generation: Generation;
}

export interface LocalReader {
  /** The object's generation without reading its bytes, or undefined when there is none. */
  peek: (key: string) => Promise<Generation | undefined>;
  /** The object held open, or undefined. Close the handle. */
  open: (key: string) => Promise<Opened | undefined>;
  /** As `open`, for a caller that holds the key's lock. */
  settle: (key: string) => Promise<Opened | undefined>;
  /** Reads the whole file once for each file, and remembers that it was whole. Throws `corrupt`. */
  verify: (key: string, opened: Opened) => Promise<void>;
  /** The file at the object's place has these bytes: it was just hashed. */
  trust: (key: string) => Promise<void>;
  /** A stream of all bytes (verified on the way) or of a span (of a verified file). It closes the handle. */
  body: (key: string, opened: Opened, span?: Span) => ReadableStream<Uint8Array>;
}

export interface ReaderDeps {
  layout: Layout;
  lock: KeyLock;
  corruptions: Corruptions;
}

export function createLocalReader({ layout, lock, corruptions }: ReaderDeps): LocalReader {
  const verified = createVerifiedFiles();

  const settle = async (key: string): Promise<Opened | undefined> => {
    const seen = await look(layout, key);
    if (!seen) return undefined;
    const { handle, facts, record } = seen;
    try {
      if (!record) throw corruptions.found(key, unknown);
      if ("damage" in record) throw corruptions.found(key, record.damage);
      const generation = seen.generation ?? (await repair(key, handle, facts, record));
      return { handle, facts, generation };
    } catch (error) {
      await handle.close();
      throw error;
    }
  };

  /** After a restore from a backup inode and time differ: the bytes themselves say which generation they are. */
  const repair = async (key: string, handle: FileHandle, facts: FileFacts, record: ObjectRecord) => {
    const current = generationByHash(record, await hashFile(handle), facts);
    if (!current) throw corruptions.found(key, mismatch);
    await makeDirectory(dirname(layout.record(key)));
    await writeAtomic(layout.record(key), encodeRecord({ key, current }));
    verified.add(facts);
    corruptions.cleared(key);
    return current;
  };

  const openObject = async (key: string): Promise<Opened | undefined> => {
    const seen = await look(layout, key);
    if (!seen) return undefined;
    const { handle, facts, generation } = seen;
    if (generation) return { handle, facts, generation };
    // A writer was at work between the two reads, or something is wrong: under the lock nothing moves.
    await handle.close();
    return lock(key, () => settle(key));
  };

  const verify = async (key: string, { handle, facts, generation }: Opened) => {
    const whole = await verified.once(facts, async () => (await hashFile(handle)) === generation.sha256);
    if (!whole) throw corruptions.found(key, mismatch);
    corruptions.cleared(key);
  };

  return {
    open: openObject,
    settle,
    verify,
    peek: async (key) => {
      const facts = await factsAt(layout, key);
      if (!facts) return undefined;
      const record = await readRecord(layout.record(key), key);
      const generation = record && "current" in record ? generationOf(record, facts) : undefined;
      if (generation) return generation;
      const opened = await openObject(key);
      await opened?.handle.close();
      return opened?.generation;
    },
    trust: async (key) => {
      const facts = await factsAt(layout, key);
      if (facts) verified.add(facts);
      corruptions.cleared(key);
    },
    body: (key, opened, span) => {
      if (span) return fileStream(opened.handle, span.first, span.last + 1, () => undefined);
      const hasher = new Bun.CryptoHasher("sha256");
      return fileStream(opened.handle, 0, opened.generation.bytes, (chunk, last) => {
        hasher.update(chunk);
        if (!last) return;
        if (hasher.digest("hex") !== opened.generation.sha256) throw corruptions.found(key, mismatch);
        verified.add(opened.facts);
        corruptions.cleared(key);
      });
    },
  };
}

/** Opens file and sidecar as they are now. `generation` is undefined when they do not fit together. */
async function look(layout: Layout, key: string) {
  const file = await openFile(layout, key);
  if (!file) return undefined;
  const record = await readRecord(layout.record(key), key);
  const generation = record && "current" in record ? generationOf(record, file.facts) : undefined;
  return { ...file, record, generation };
}

/** What clients are told of a generation. The etag is the hash of the bytes. */
export function infoOf(key: string, generation: Generation): ObjectInfo {
  const { bytes, sha256: etag, mtime_ns, content_type } = generation;
  const last_modified = new Date(Number(BigInt(mtime_ns) / 1_000_000n)).toISOString();
  return { key, bytes, etag, last_modified, ...(content_type !== undefined && { content_type }) };
}

const absent = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG"]);

/** Links are not followed, neither at the end of the path nor in it: they are no objects. */
async function openFile(
  layout: Layout,
  key: string,
): Promise<{ handle: FileHandle; facts: FileFacts } | undefined> {
  if ((await linkAbove(layout.root, key)) !== undefined) return undefined;
  let handle: FileHandle;
  try {
    handle = await open(layout.data(key), constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if (absent.has(errorCode(cause) ?? "")) return undefined;
    throw cause;
  }
  const facts = await handle.stat({ bigint: true });
  if (facts.isFile()) return { handle, facts };
  await handle.close();
  return undefined;
}

/** Status of the file at the path; undefined when there is none, or a directory. */
async function factsAt(layout: Layout, key: string): Promise<FileFacts | undefined> {
  if ((await linkAbove(layout.root, key)) !== undefined) return undefined;
  try {
    const facts = await lstat(layout.data(key), { bigint: true });
    return facts.isFile() ? facts : undefined;
  } catch (cause) {
    if (absent.has(errorCode(cause) ?? "")) return undefined;
    throw cause;
  }
}
