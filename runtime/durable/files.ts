/** Durable files: the one place that knows how a write becomes safe. */
import { type FileHandle, link, mkdir, open, readFile, rename, rm, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ErrorType, fail, type ServiceError } from "../errors/errors.ts";

/** The umask of every program that keeps data, as of the units: what any part of it writes is its owner's alone. */
export const ownerOnly = 0o077;

/**
 * Opens a file for the work, which closes it or hands it on; it is closed when the work fails. A handle that is
 * never closed is an error of its own when it is collected, at any later time.
 */
export async function opened<T>(
  path: string,
  flags: string | number,
  work: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await open(path, flags);
  try {
    return await work(handle);
  } catch (cause) {
    await handle.close().catch(() => undefined);
    throw cause;
  }
}

/** Makes a rename or a new entry in the directory survive a power loss. */
export const syncDirectory = (path: string): Promise<void> => sync(path, "r");

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
export const syncFile = (path: string): Promise<void> => sync(path, "r+");

async function sync(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** SHA-256 of the file's bytes, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

/** File systems without second names of a file, or without more of them. */
export const noLinks: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK"]);

/**
 * Moves a file whose bytes are durable already to its place, durably. Both are on one file system. Where the move
 * cannot be made durable it is taken back, so that what was refused is not there: what it replaced has a second name
 * meanwhile, in `keepIn`.
 */
export async function renameDurably(from: string, to: string, keepIn = dirname(to)): Promise<void> {
  const kept = join(keepIn, `.${crypto.randomUUID()}.part`);
  const before = await link(to, kept).then(
    () => "kept",
    (cause) => {
      if (errorCode(cause) === "ENOENT") return "absent";
      if (noLinks.has(errorCode(cause) ?? "")) return "unknown";
      throw cause;
    },
  );
  try {
    await rename(from, to);
    await syncDirectory(dirname(to)).catch(async (cause) => {
      if (before === "kept") await rename(kept, to);
      if (before === "absent") await unlink(to);
      throw cause;
    });
  } finally {
    if (before === "kept") await discard(kept);
  }
}

/**
 * Writes a whole file so that a crash leaves either the old one or the new one: a temporary file beside the
 * target, fsync, rename, fsync of the directory. Content in pieces is written as it is made. `announce` is waited for
 * when the new file is whole, before it takes the old one's place.
 */
export async function writeAtomic(
  path: string,
  content: Uint8Array | string | Iterable<string>,
  announce?: () => Promise<void>,
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
    await announce?.();
    await renameDurably(temporary, path);
  } catch (cause) {
    await discard(temporary);
    throw storageError(cause, "write");
  }
}

/**
 * Removes a file or folder that is of no use any more. Where it cannot be removed now, a later start does it: what was
 * done with it must neither fail nor fail by another reason for that.
 */
export const discard = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true }).catch(() => undefined);

/** The file's bytes, or null when there is no such file. */
export const readOrNull = async (path: string): Promise<Uint8Array | null> =>
  (await readFile(path).catch(unlessAbsent)) ?? null;

/** The file's length; undefined when there is no such file. */
export const sizeOf = async (path: string): Promise<number | undefined> =>
  (await stat(path).catch(unlessAbsent))?.size;

/** Catches that a file is not there; any other failure goes on. */
export const unlessAbsent = (cause: unknown): undefined => {
  if (errorCode(cause) !== "ENOENT") throw cause;
};

/** Appends to an open log and makes it durable before it resolves. */
export async function appendDurably(handle: FileHandle, content: string | Uint8Array): Promise<void> {
  await handle.appendFile(content);
  await handle.datasync();
}

/** The system's error code, such as ENOENT. */
export const errorCode = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : undefined;

/** What the failure of a call on a file means for the caller, and what an operator does about it. */
interface Failure {
  type: ErrorType;
  why: string;
  remedy: string;
}
const full: Failure = { type: "storage_full", why: "the disk is full", remedy: "free space on it" };
const failing: Failure = {
  type: "storage_full",
  why: "the disk fails",
  remedy: "look at the kernel's log for what is wrong with it",
};
const readOnly: Failure = {
  type: "storage_full",
  why: "the disk is read-only",
  remedy: "find out why (the kernel's log says) and make it writable",
};
const gone: Failure = { type: "storage_full", why: "the disk is gone", remedy: "mount it again" };
const forbidden: Failure = {
  type: "storage_full",
  why: "the system does not allow it to this user",
  remedy: "give what is in data_dir and the buckets to the user that runs Lakehouse",
};
/** Nothing was done, and the next try may find room: 503. */
const tooManyFiles: Failure = {
  type: "overloaded",
  why: "as many files and connections are open as may be",
  remedy: "raise the limit of open files (ulimit -n, or LimitNOFILE= of the unit)",
};
const noMemory: Failure = {
  type: "overloaded",
  why: "the system has no memory to give",
  remedy: "give the machine or its control group more",
};
/** What was stored cannot be had: damage of that file, whatever the rest of the disk does. */
const unreadable: Failure = {
  type: "corrupt",
  why: "the disk does not give it back",
  remedy: "look at the kernel's log for what is wrong with the disk, and restore the file from a backup",
};

/** By the codes of the system and of SQLite, whose longer codes begin with these; the first that fits counts. */
const failures: readonly [string, Failure][] = [
  ["ENOSPC", full],
  ["EFBIG", full],
  [
    "EDQUOT",
    { type: "storage_full", why: "the disk's quota is used up", remedy: "free space or raise the quota" },
  ],
  ["EROFS", readOnly],
  ["EIO", failing],
  // As Bun has what it does not expect of a removal.
  ["EFAULT", failing],
  ["ESTALE", gone],
  ["ENODEV", gone],
  ["ENXIO", gone],
  ["EACCES", forbidden],
  ["EPERM", forbidden],
  ["EMFILE", tooManyFiles],
  ["ENFILE", tooManyFiles],
  ["ENOMEM", noMemory],
  ["SQLITE_FULL", full],
  ["SQLITE_READONLY", readOnly],
  ["SQLITE_IOERR_READ", unreadable],
  ["SQLITE_IOERR_SHORT_READ", unreadable],
  ["SQLITE_IOERR_NOMEM", noMemory],
  ["SQLITE_IOERR", failing],
  ["SQLITE_CORRUPT", unreadable],
  ["SQLITE_NOTADB", unreadable],
  ["SQLITE_CANTOPEN", tooManyFiles],
  ["SQLITE_NOMEM", noMemory],
];

/** Calls that take what is stored and change nothing. */
const reading = /^(p?readv?|scandir|readdir|getdents)$/;

/** The same, from libraries that pass on the system's message without its code. */
const words: readonly [RegExp, string][] = [
  [/No space left on device/, "ENOSPC"],
  [/Disk quota exceeded/, "EDQUOT"],
  [/Read-only file system/, "EROFS"],
  [/Input\/output error/, "EIO"],
  [/Too many open files/, "EMFILE"],
  [/Cannot allocate memory/, "ENOMEM"],
  [/Stale file handle/, "ESTALE"],
  [/Permission denied/, "EACCES"],
];

function diskError(
  code: string,
  operation: string,
  isReading: boolean,
  cause: unknown,
): ServiceError | undefined {
  const found = failures.find(([begin]) => code.startsWith(begin))?.[1];
  if (found === undefined) return undefined;
  const { type, why, remedy } = found === failing && isReading ? unreadable : found;
  const after = type === "corrupt" ? "" : "; it then works again, without a restart";
  return fail(type, `cannot ${operation}: ${why} (${code}): ${remedy}${after}`, {
    cause,
    ...(type === "overloaded" && { retryAfterSeconds: 1 }),
  });
}

/**
 * Turns the failure of a call on a file into the error that says what is wrong with the disk or the process and what to
 * do: 507, 503 where nothing was done for want of descriptors or memory, `corrupt` where what is stored cannot be
 * read. Anything else is passed on as it is. `operation` as in `cannot OPERATION`; without it the call itself is named.
 */
export function storageError(cause: unknown, operation?: string): unknown {
  const { syscall, path } = (cause ?? {}) as { syscall?: unknown; path?: unknown };
  const isReading = typeof syscall === "string" && reading.test(syscall);
  const which = typeof path === "string" ? ` '${basename(path)}'` : "";
  const call = isReading
    ? `read${which || " a file"}`
    : which === ""
      ? "write"
      : `${syscall ?? "use"}${which}`;
  return diskError(errorCode(cause) ?? "", operation ?? call, isReading, cause) ?? cause;
}

/** As `storageError`, for errors of native libraries that have a message alone; undefined for all others. */
export function storageErrorInWords(
  text: string,
  operation: string,
  cause: unknown,
): ServiceError | undefined {
  const code = words.find(([pattern]) => pattern.test(text))?.[1];
  const isReading = /[Cc]ould not read|[Cc]annot read|[Ff]ailed to read/.test(text);
  return code === undefined
    ? undefined
    : diskError(code, isReading ? "read what is stored" : operation, isReading, cause);
}
