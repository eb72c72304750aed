/** Durable files: the one place that knows how a write becomes safe. */
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail, type ServiceError } from "./errors.ts";

/** The umask of every program that keeps data, as of the units: what any part of it writes is its owner's alone. */
export const ownerOnly = 0o077;

/** Makes a rename or a new entry in the directory survive a power loss. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Creates the directory with its parents, each of them durable. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true }).catch((cause) => {
    throw storageError(cause, `make the directory '${basename(path)}'`);
  });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) {
    await syncDirectory(dirname(at));
  }
}

/** Makes the bytes of the file durable. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves a file whose bytes are durable already to its place, durably. Both are on one file system. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/**
 * Writes a whole file so that a crash leaves either the old one or the new one: a temporary file beside the
 * target, fsync, rename, fsync of the directory. Content in pieces is written as it is made.
 */
export async function writeAtomic(
  path: string,
  content: Uint8Array | string | Iterable<string>,
): Promise<void> {
  const temporary = join(dirname(path), `.${crypto.randomUUID()}.part`);
  try {
    const handle = await open(temporary, "wx");
    try {
      const isWhole = typeof content === "string" || content instanceof Uint8Array;
      for (const piece of isWhole ? [content] : content) await handle.appendFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await renameDurably(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw storageError(cause, "write");
  }
}

/** The file's bytes, or null when there is no such file. */
export async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return null;
    throw cause;
  }
}

/** Appends to an open log and makes it durable before it resolves. */
export async function appendDurably(handle: FileHandle, content: string): Promise<void> {
  await handle.appendFile(content);
  await handle.datasync();
}

/** The system's error code, such as ENOENT. */
export const errorCode = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : undefined;

/** What the system's and SQLite's codes say of a disk that takes no writes, and what an operator does about it. */
const refusals: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk's quota is used up",
  EROFS: "the disk is read-only",
  SQLITE_FULL: "the disk is full",
  SQLITE_READONLY: "the disk is read-only",
  SQLITE_IOERR_WRITE: "the disk takes no writes",
  SQLITE_IOERR_FSYNC: "the disk takes no writes",
  SQLITE_IOERR_TRUNCATE: "the disk takes no writes",
};
const remedies: Readonly<Record<string, string>> = {
  "the disk is full": "free space on it",
  "the disk's quota is used up": "free space or raise the quota",
  "the disk is read-only": "find out why (the kernel's log says) and make it writable",
  "the disk takes no writes": "look at the kernel's log for what is wrong with it",
};

/** The same, from libraries that pass on the system's words and no code. */
const words: readonly [RegExp, string][] = [
  [/No space left on device/, "ENOSPC"],
  [/Disk quota exceeded/, "EDQUOT"],
  [/Read-only file system/, "EROFS"],
];

const refused = (code: string, operation: string, cause: unknown): ServiceError | undefined => {
  const why = refusals[code];
  if (why === undefined) return undefined;
  const remedy = `${remedies[why]}; writes then work again, without a restart`;
  return fail("storage_full", `cannot ${operation}: ${why} (${code}): ${remedy}`, { cause });
};

/** Turns "no space" and "read-only" into the 507 that operators look for; anything else is passed on as it is. */
export const storageError = (cause: unknown, operation: string): unknown =>
  refused(errorCode(cause) ?? "", operation, cause) ?? cause;

/** As `storageError`, for errors of native libraries that say it in words; undefined for all others. */
export function storageErrorInWords(
  text: string,
  operation: string,
  cause: unknown,
): ServiceError | undefined {
  const code = words.find(([pattern]) => pattern.test(text))?.[1];
  return code === undefined ? undefined : refused(code, operation, cause);
}
