/**
 * A backup on disk: `format.json`; `blobs/<aa>/<sha256>`, each content once, however many points have it; and
 * `points/<time>.jsonl`, written last. A backup that is killed leaves blobs that the next one finds.
 */
import { mkdir, open, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  errorCode,
  makeDirectory,
  readOrNull,
  renameDurably,
  sizeOf,
  storageError,
  syncDirectory,
  writeAtomic,
} from "../../runtime/durable/durable.ts";
import { lockDirectory } from "../../runtime/store/store.ts";
import { decodePoint, encodePoint, isName, nameOf, type PointRecord } from "./point-file.ts";

const format = 1;
const blobForm = /^[0-9a-f]{64}$/;

/** A failure whose message is for the operator. */
export class BackupError extends Error {}

interface Blob {
  sha256: string;
  bytes: number;
}

export interface Repository {
  path: string;
  /** Names of points, oldest first; also of those that turn out not to be whole. */
  points: () => Promise<string[]>;
  /** Throws a BackupError that names the point and what is wrong with it. */
  read: (name: string) => Promise<PointRecord>;
  blobPath: (sha256: string) => string;
  /** Whether there is a blob of that size. Blobs get their name when they are whole. */
  has: (blob: Blob) => Promise<boolean>;
  /** Keeps the bytes durably, unless they are there. Bytes that are not those expected are refused with a `Mismatch`. */
  add: (body: AsyncIterable<Uint8Array>, expected: Partial<Blob>) => Promise<Blob & { isNew: boolean }>;
  /** Makes the point one: its blobs are there. Returns its name. */
  seal: (record: PointRecord) => Promise<string>;
  /** Drops all but the newest points, then the blobs that none of those left has. Counts what went. */
  keep: (count: number) => Promise<{ points: number; blobs: number; bytes: number }>;
  close: () => void;
}

/** What came is not what the service said it would be. */
export class Mismatch extends Error {}

interface OpenOptions {
  /** To write: creates it where there is nothing yet, and keeps others from writing. */
  write: boolean;
}

/** Opens the backup in the directory. Throws a BackupError: not there, not a backup, in use, of a newer format. */
export async function openRepository(path: string, { write }: OpenOptions): Promise<Repository> {
  const close = await enter(path, write);
  const pointPath = (name: string) => join(path, "points", `${name}.jsonl`);
  const blobPath = (sha256: string) => join(path, "blobs", sha256.slice(0, 2), sha256);
  const points = async () =>
    (await listed(join(path, "points")))
      .map((name) => name.replace(/\.jsonl$/, ""))
      .filter(isName)
      .sort();
  const read = async (name: string): Promise<PointRecord> => {
    const bytes = await readOrNull(pointPath(name));
    if (!bytes) throw new BackupError(`there is no point ${name} in ${path}; --list shows those there are`);
    try {
      return decodePoint(new TextDecoder().decode(bytes));
    } catch (cause) {
      throw new BackupError(`point ${name} cannot be used: ${(cause as Error).message}`, { cause });
    }
  };
  return {
    path,
    points,
    read,
    blobPath,
    has: (blob) => isThere(blobPath, blob),
    add: (body, expected) => addBlob(path, blobPath, body, expected),
    seal: async (record) => {
      const name = nameOf(record.at);
      await onDisk(path, () => writeAtomic(pointPath(name), encodePoint(record)));
      return name;
    },
    keep: (count) => keepNewest({ path, points, read, pointPath, blobPath }, count),
    close,
  };
}

/** What is there before `format.json` is: one that is killed until then has begun nothing, and the next one begins. */
const begun = /^(?:lock\.sqlite(?:-journal)?|incoming|\..+\.part)$/;

/** Checks what the directory is, and takes it for writing. */
async function enter(path: string, write: boolean): Promise<() => void> {
  const names = await listed(path);
  const bytes = await readOrNull(join(path, "format.json"));
  const isNew = bytes === null && names.every((name) => begun.test(name));
  if (bytes === null && (!write || !isNew)) {
    const what = names.length === 0 ? "there is nothing in it" : "it holds other files";
    throw new BackupError(
      `${path} is no backup: ${what}; name an empty or new directory, or one of an earlier backup`,
    );
  }
  const [, found] = /"format":\s*(\d+)/.exec(bytes ? new TextDecoder().decode(bytes) : "") ?? [];
  if (bytes && Number(found) !== format)
    throw new BackupError(`the format of ${path} is ${found ?? "damaged"}; this version reads ${format}`);
  if (!write) return () => {};
  return onDisk(path, async () => {
    await makeDirectory(path);
    const unlock = lockBackup(path);
    // Before all else: with other files in it and without this one it would be no backup.
    if (bytes === null) await writeAtomic(join(path, "format.json"), `${JSON.stringify({ format })}\n`);
    // What a backup that was killed was receiving.
    await rm(join(path, "incoming"), { recursive: true, force: true });
    for (const name of ["blobs", "points", "incoming"]) await makeDirectory(join(path, name));
    // One that was killed may have given a blob its name and not made that durable: a point will count on it.
    for (const folder of await listed(join(path, "blobs"))) await syncDirectory(join(path, "blobs", folder));
    await syncDirectory(join(path, "blobs"));
    return unlock;
  });
}

function lockBackup(path: string): () => void {
  try {
    return lockDirectory(path);
  } catch (cause) {
    if (/unable to open|readonly/.test(String((cause as Error).cause)))
      throw new BackupError(`${path} cannot be written to: ${((cause as Error).cause as Error).message}`);
    throw new BackupError(`another backup is being written to ${path}: wait until it has ended`, { cause });
  }
}

/** What systems say of a place where nothing can be written. */
const unwritable = new Set(["EACCES", "EPERM", "ENOTDIR", "EEXIST", "ENOENT"]);

/** A failure of the backup's own disk, reported as such. */
async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const error = storageError(cause, "write");
    const code = errorCode(cause);
    if (error === cause && !unwritable.has(code ?? "")) throw cause;
    const why = error === cause ? `it cannot be written to (${code})` : (error as Error).message;
    throw new BackupError(
      `the backup in ${path}: ${why}. Mend that and run the command again: it goes on where it was`,
      { cause },
    );
  }
}

async function addBlob(
  path: string,
  blobPath: Repository["blobPath"],
  body: AsyncIterable<Uint8Array>,
  expected: Partial<Blob>,
): Promise<Blob & { isNew: boolean }> {
  const incoming = join(path, "incoming", crypto.randomUUID());
  const hasher = new Bun.CryptoHasher("sha256");
  const blob = { sha256: "", bytes: 0 };
  try {
    const handle = await onDisk(path, () => open(incoming, "wx"));
    try {
      for await (const chunk of body) {
        hasher.update(chunk);
        blob.bytes += chunk.length;
        await onDisk(path, () => handle.writeFile(chunk));
      }
      blob.sha256 = hasher.digest("hex");
      checkArrived(blob, expected);
      await onDisk(path, () => handle.sync());
    } finally {
      await handle.close();
    }
    const isNew = !(await isThere(blobPath, blob));
    const target = blobPath(blob.sha256);
    await onDisk(path, async () => {
      if (!isNew) return rm(incoming);
      if (await mkdir(dirname(target), { recursive: true })) await syncDirectory(dirname(dirname(target)));
      await renameDurably(incoming, target);
    });
    return { ...blob, isNew };
  } catch (error) {
    // What cannot be removed now goes when the next backup begins.
    await rm(incoming, { force: true }).catch(() => undefined);
    throw error;
  }
}

function checkArrived({ sha256, bytes }: Blob, expected: Partial<Blob>): void {
  if (expected.bytes !== undefined && expected.bytes !== bytes)
    throw new Mismatch(`it has ${bytes} bytes in place of ${expected.bytes}`);
  if (expected.sha256 !== undefined && expected.sha256 !== sha256)
    throw new Mismatch("its bytes do not match the checksum they were stored with");
}

const isThere = async (blobPath: Repository["blobPath"], { sha256, bytes }: Blob): Promise<boolean> =>
  (await sizeOf(blobPath(sha256))) === bytes;

interface Places extends Pick<Repository, "path" | "points" | "read" | "blobPath"> {
  pointPath: (name: string) => string;
}

async function keepNewest({ path, points, read, pointPath, blobPath }: Places, count: number) {
  const names = await points();
  const dropped = names.slice(0, -count);
  const used = new Set<string>();
  // First those that stay: one that cannot be read stops it here, as nobody knows which blobs are its own.
  for (const name of names.slice(-count)) for (const { sha256 } of (await read(name)).files) used.add(sha256);
  for (const name of dropped) await rm(pointPath(name));
  await syncDirectory(join(path, "points"));
  const gone = { points: dropped.length, blobs: 0, bytes: 0 };
  for (const folder of await listed(join(path, "blobs"))) {
    for (const name of await listed(join(path, "blobs", folder))) {
      if (used.has(name) || !blobForm.test(name)) continue;
      gone.bytes += (await sizeOf(blobPath(name))) ?? 0;
      gone.blobs += 1;
      await rm(blobPath(name));
    }
  }
  return gone;
}

async function listed(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw new BackupError(`${path} cannot be read: ${errorCode(cause)}`, { cause });
  }
}
