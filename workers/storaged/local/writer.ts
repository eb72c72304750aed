/** Writes objects of a local bucket: staged, fsynced, then renamed into place under the key's lock. */
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  discard,
  makeDirectory,
  storageError,
  syncDirectory,
  unlessAbsent,
  writeAtomic,
} from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import {
  type Conditions,
  type Corruptions,
  checkConditions,
  counted,
  type ReceiveOptions,
  type Sealed,
  type Staging,
  type Upload,
  type Written,
} from "../bucket/bucket.ts";
import { hashFile } from "./file-stream.ts";
import { makeParents, moveTo, pruneEmpty, refuseFolder, syncNearest } from "./folders.ts";
import { checkFitsDisk, isThere, type Layout } from "./layout.ts";
import { infoOf, type LocalReader } from "./reader.ts";
import { encodeRecord, type Generation, isStill } from "./sidecar.ts";

interface WriterDeps {
  layout: Layout;
  lock: KeyedMutex;
  reader: LocalReader;
  corruptions: Corruptions;
  newId: () => string;
}

export interface LocalWriter {
  receive: (key: string, body: AsyncIterable<Uint8Array>, options: ReceiveOptions) => Promise<Upload>;
  seal: Staging["seal"];
  adopt: Staging["adopt"];
  remove: (key: string, conditions: Conditions) => Promise<boolean>;
  /** Completes or rolls back a write or delete that a crash cut off; at most one sidecar is left. */
  finish: (key: string) => Promise<void>;
}

export function createLocalWriter(deps: WriterDeps): LocalWriter {
  const { layout, lock, corruptions, newId } = deps;

  const uploadOf = (key: string, staged: string, generation: Generation): Upload => ({
    bytes: generation.bytes,
    sha256: generation.sha256,
    commit: (conditions) => lock(key, () => commit(deps, { key, staged, generation }, conditions)),
    discard: () => discard(staged),
  });

  return {
    receive: async (key, body, options) => {
      checkFitsDisk(key);
      const staged = join(layout.staging, newId());
      try {
        const generation = await stage(staged, body, options);
        return uploadOf(key, staged, generation);
      } catch (cause) {
        await discard(staged);
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
        const current = await finished(deps, key);
        checkConditions(key, current?.sha256, conditions);
        if (!current) return false;
        await remove(layout, key);
        corruptions.cleared(key);
        await pruneEmpty(layout.root, dirname(layout.data(key)));
        return true;
      }),
    finish: (key) => lock(key, async () => void (await finished(deps, key))),
  };
}

/** The sidecar is renamed first: bytes that are missing without that were removed by something else. */
async function remove(layout: Layout, key: string): Promise<void> {
  const [record, deleted] = [layout.record(key), layout.deleted(key)];
  const isNamed = await rename(record, deleted).then(() => true, unlessAbsent);
  try {
    if (isNamed) await syncDirectory(dirname(record));
    await rm(layout.data(key), { force: true });
  } catch (cause) {
    await rename(deleted, record).catch(unlessAbsent);
    throw cause;
  }
  await syncNearest(dirname(layout.data(key)));
  // From here on the object is gone for good; what a crash leaves of the sidecar belongs to nothing.
  await rm(deleted, { force: true });
}

/** Writes the body to a file of its own and makes it durable. */
export async function stage(
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
export async function seal(path: string): Promise<Sealed> {
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

/**
 * The current generation after completing interrupted writes and deletes; a corrupt one counts as an object with an
 * unknown etag. The caller holds the lock.
 */
async function finished({ layout, reader }: WriterDeps, key: string): Promise<Generation | undefined> {
  const [record, next, deleted] = [layout.record(key), layout.next(key), layout.deleted(key)];
  try {
    const opened = await reader.settle(key);
    await opened?.handle.close();
    if (opened?.isNext) await rename(next, record);
    else await rm(next, { force: true });
    if (!opened && (await isThere(deleted))) {
      await rm(layout.data(key), { force: true });
      await syncNearest(dirname(layout.data(key)));
      await rm(deleted, { force: true });
    }
    return opened?.generation;
  } catch (error) {
    if (errorTypeOf(error) !== "corrupt") throw error;
    // A disk that fails may not open what is not there: no condition may take that for an object.
    if (!(await isThere(layout.data(key))) && !(await isThere(record))) return undefined;
    return { sha256: "corrupt", bytes: -1, mtime_ns: "0", ino: "0" };
  }
}

const errorTypeOf = (error: unknown): unknown => (error as { type?: unknown }).type;

interface Staged {
  key: string;
  staged: string;
  generation: Generation;
}

/**
 * Crash-safe at any instant by its order: the bytes are durable; the new sidecar is, beside the old one; the
 * bytes are moved into place, durably, or not at all; the new sidecar takes the place of the old one. That last step is
 * not synced and may fail: should it not be done, the new sidecar still says what is there.
 */
async function commit(
  deps: WriterDeps,
  { key, staged, generation }: Staged,
  conditions: Conditions,
): Promise<Written> {
  const { layout, reader } = deps;
  const target = layout.data(key);
  try {
    const current = await finished(deps, key);
    checkConditions(key, current?.sha256, conditions);
    await refuseFolder(layout, key);
    await makeParents(layout, key);
    const [record, next] = [layout.record(key), layout.next(key)];
    await makeDirectory(dirname(record));
    await writeAtomic(next, encodeRecord({ key, current: generation }));
    try {
      await moveTo(layout, key, staged);
    } catch (cause) {
      await discard(next);
      throw cause;
    }
    await rename(next, record).catch(() => undefined);
    await reader.trust(key);
    return { info: infoOf(key, generation), created: current === undefined };
  } catch (cause) {
    await discard(staged);
    await pruneEmpty(layout.root, dirname(target));
    throw storageError(cause, `store '${key}'`);
  }
}
