/** Writes objects of a local bucket: staged, fsynced, then renamed into place under the key's lock. */
import { type FileHandle, lstat, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fail } from "../../runtime/errors.ts";
import { errorCode, makeDirectory, storageError, syncDirectory, writeAtomic } from "../../runtime/files.ts";
import type { KeyLock } from "../../runtime/key-lock.ts";
import { counted } from "./body-stream.ts";
import {
  type Conditions,
  checkConditions,
  type ReceiveOptions,
  type Sealed,
  type Staging,
  type Upload,
  type Written,
} from "./bucket.ts";
import type { Corruptions } from "./corruptions.ts";
import { hashFile } from "./file-stream.ts";
import { checkFitsDisk, type Layout, linkAbove } from "./local-layout.ts";
import { infoOf, type LocalReader } from "./local-reader.ts";
import { encodeRecord, type Generation, isStill } from "./object-record.ts";

/** A delete may remove the empty folder a writer has just made: then it is made again. */
const renameTries = 5;

export interface WriterDeps {
  layout: Layout;
  lock: KeyLock;
  reader: LocalReader;
  corruptions: Corruptions;
  newId: () => string;
}

export interface LocalWriter {
  receive: (key: string, body: AsyncIterable<Uint8Array>, options: ReceiveOptions) => Promise<Upload>;
  seal: Staging["seal"];
  adopt: Staging["adopt"];
  remove: (key: string, conditions: Conditions) => Promise<boolean>;
}

export function createLocalWriter(deps: WriterDeps): LocalWriter {
  const { layout, lock, reader, corruptions, newId } = deps;

  const uploadOf = (key: string, staged: string, generation: Generation): Upload => ({
    bytes: generation.bytes,
    sha256: generation.sha256,
    commit: (conditions) => lock(key, () => commit(deps, { key, staged, generation }, conditions)),
    discard: () => rm(staged, { force: true }),
  });

  return {
    receive: async (key, body, options) => {
      checkFitsDisk(key);
      const staged = join(layout.staging, newId());
      try {
        const generation = await stage(staged, body, options);
        return uploadOf(key, staged, generation);
      } catch (cause) {
        await rm(staged, { force: true });
        throw storageError(cause, `store '${key}'`);
      }
    },
    seal: async (path) => {
      try {
        return await seal(path);
      } catch (cause) {
        throw storageError(cause, "store a staged file");
      }
    },
    adopt: async (key, path, sealed) => {
      checkFitsDisk(key);
      try {
        const facts = await lstat(path, { bigint: true });
        const isKept = sealed !== undefined && facts.isFile() && isStill(sealed, facts);
        return uploadOf(key, path, isKept ? sealed : await seal(path));
      } catch (cause) {
        throw storageError(cause, `store '${key}'`);
      }
    },
    remove: (key, conditions) =>
      lock(key, async () => {
        const current = await onDisk(reader, key);
        checkConditions(key, current?.sha256, conditions);
        if (!current) return false;
        await rm(layout.data(key));
        await syncNearest(dirname(layout.data(key)));
        // From here on the object is gone for good; a sidecar left by a crash belongs to nothing and is harmless.
        await rm(layout.record(key), { force: true });
        corruptions.cleared(key);
        await pruneEmpty(layout.root, dirname(layout.data(key)));
        return true;
      }),
  };
}

/** Writes the body to a file of its own and makes it durable. */
async function stage(
  path: string,
  body: AsyncIterable<Uint8Array>,
  options: ReceiveOptions,
): Promise<Generation> {
  const hasher = new Bun.CryptoHasher("sha256");
  const handle = await open(path, "wx");
  try {
    for await (const chunk of counted(body, options)) {
      hasher.update(chunk);
      await handle.writeFile(chunk);
    }
    await handle.sync();
    const generation = await generationFrom(handle, hasher.digest("hex"));
    const { contentType } = options;
    return contentType === undefined ? generation : { ...generation, content_type: contentType };
  } finally {
    await handle.close();
  }
}

/** Makes a file that another wrote durable. */
async function seal(path: string): Promise<Sealed> {
  const handle = await openStaged(path);
  try {
    await handle.sync();
    return await generationFrom(handle, await hashFile(handle));
  } finally {
    await handle.close();
  }
}

async function openStaged(path: string): Promise<FileHandle> {
  const facts = await lstat(path);
  if (!facts.isFile()) throw fail("bad_request", "the staged file is no longer a plain file; stage again");
  return open(path, "r+");
}

async function generationFrom(handle: FileHandle, sha256: string): Promise<Sealed> {
  const { size, mtimeNs, ino } = await handle.stat({ bigint: true });
  return { sha256, bytes: Number(size), mtime_ns: String(mtimeNs), ino: String(ino) };
}

/** The generation there is; a corrupt one counts as an object whose etag nobody can name. */
async function onDisk(reader: LocalReader, key: string): Promise<Generation | undefined> {
  try {
    const opened = await reader.settle(key);
    await opened?.handle.close();
    return opened?.generation;
  } catch (error) {
    if (errorTypeOf(error) === "corrupt") return { sha256: "corrupt", bytes: -1, mtime_ns: "0", ino: "0" };
    throw error;
  }
}

const errorTypeOf = (error: unknown): unknown => (error as { type?: unknown }).type;

interface Staged {
  key: string;
  staged: string;
  generation: Generation;
}

/**
 * The order matters for a crash at any instant: the bytes are durable; the sidecar names the new generation and
 * the old one; then the rename switches. Between the two the file on disk is one that the sidecar names.
 */
async function commit(
  deps: WriterDeps,
  { key, staged, generation }: Staged,
  conditions: Conditions,
): Promise<Written> {
  const { layout, reader } = deps;
  const target = layout.data(key);
  try {
    const current = await onDisk(reader, key);
    checkConditions(key, current?.sha256, conditions);
    await refuseFolder(layout, key);
    await makeParents(layout, key);
    const record = layout.record(key);
    await makeDirectory(dirname(record));
    const previous = current && current.bytes >= 0 ? { previous: current } : {};
    await writeAtomic(record, encodeRecord({ key, current: generation, ...previous }));
    await moveTo(layout, key, staged);
    await syncDirectory(dirname(target));
    await reader.trust(key);
    return { info: infoOf(key, generation), created: current === undefined };
  } catch (cause) {
    await rm(staged, { force: true });
    await pruneEmpty(layout.root, dirname(target));
    throw storageError(cause, `store '${key}'`);
  }
}

async function moveTo(layout: Layout, key: string, staged: string): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      return await rename(staged, layout.data(key));
    } catch (cause) {
      if (errorCode(cause) === "EISDIR") throw clash(key, `${key}/…`);
      if (errorCode(cause) !== "ENOENT" || tried === renameTries) throw cause;
      await makeParents(layout, key);
    }
  }
}

const clash = (key: string, other: string) => {
  const text = `a local bucket cannot hold both '${key}' and '${other}': one is a file where the other needs a folder`;
  return fail("conflict", `${text}; choose another key or delete the other`, { details: { key, other } });
};

/** A folder at the object's place: empty ones are removed, others hold objects. */
async function refuseFolder(layout: Layout, key: string): Promise<void> {
  const facts = await lstat(layout.data(key)).catch(() => undefined);
  if (!facts?.isDirectory()) return;
  await removeEmptyTree(layout.data(key));
  const left = await lstat(layout.data(key)).catch(() => undefined);
  if (left?.isDirectory()) throw clash(key, `${key}/…`);
}

async function makeParents(layout: Layout, key: string): Promise<void> {
  const link = await linkAbove(layout.root, key);
  if (link !== undefined)
    throw fail(
      "conflict",
      `'${link}' is a link in the bucket's folder, and links are not followed: choose another key, or give what it leads to a bucket of its own`,
      { details: { key, link } },
    );
  for (let tried = 1; ; tried++) {
    try {
      return await makeDirectory(dirname(layout.data(key)));
    } catch (cause) {
      const code = errorCode(cause);
      const isTaken = code === "ENOTDIR" || code === "EEXIST";
      const other = isTaken ? await fileAbove(layout, key) : undefined;
      if (other !== undefined) throw clash(key, other);
      // A folder that was pruned while it was being made: it is made again.
      if ((!isTaken && code !== "ENOENT") || tried === renameTries) throw cause;
    }
  }
}

/** The object that stands where the key needs a folder, if there is one. */
async function fileAbove(layout: Layout, key: string): Promise<string | undefined> {
  for (let path = dirname(layout.data(key)); path !== layout.root; path = dirname(path)) {
    const facts = await lstat(path).catch(() => undefined);
    if (facts && !facts.isDirectory()) return relative(layout.root, path);
  }
  return undefined;
}

/** Makes the removal durable: of the file, or of its folder when another delete has pruned that already. */
async function syncNearest(folder: string): Promise<void> {
  for (let at = folder; ; at = dirname(at)) {
    try {
      await syncDirectory(at);
      return;
    } catch (cause) {
      if (errorCode(cause) !== "ENOENT" || at === dirname(at)) throw cause;
    }
  }
}

/** Removes empty folders from `path` upwards, up to the root, which stays. */
async function pruneEmpty(root: string, path: string): Promise<void> {
  for (let at = path; at !== root && at.startsWith(root); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (cause) {
      if (errorCode(cause) === "ENOENT") continue;
      return;
    }
  }
}

/** Removes a tree of folders that holds no file; stops where it finds one. */
async function removeEmptyTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isDirectory()) return;
    await removeEmptyTree(join(path, entry.name));
  }
  await rmdir(path).catch(() => undefined);
}
