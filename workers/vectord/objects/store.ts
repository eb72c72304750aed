/** Objects of vectord in storaged: small ones as bytes, large ones as files, in place where the bucket is on this machine. */
import { access, constants, copyFile, type FileHandle, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { makeDirectory, discard as remove } from "../../../runtime/durable/durable.ts";
import { type ErrorType, peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { corrupt, type Source, sourceOf } from "../lhv1/lhv1.ts";

/** Objects up to this are one message; storaged's `read` gives at most 64 MiB. */
const smallBytesMax = 8 * 1024 * 1024;
/** Hashing and syncing a large object takes longer than other calls. */
const largeTimeoutMs = 10 * 60 * 1000;

interface Conditions {
  if_match?: string;
  if_none_match?: "*";
}

/** A file that becomes an object. */
interface Draft {
  path: string;
  /** Stores what was written, durably; its size in bytes. */
  commit: (key: string) => Promise<number>;
  /** Gives up what was not committed; after a commit it does nothing. */
  discard: () => Promise<void>;
}

/** An object as a file that may be read until it is released. */
interface OpenObject {
  path: string;
  source: Source;
  /** Strong; on local buckets the SHA-256 of the bytes. */
  etag: string;
  /** The path stays, the source is not read any more. */
  close: () => Promise<void>;
  /** Also removes the file where it is a copy. */
  release: () => Promise<void>;
}

export interface ObjectStore {
  read: (key: string) => Promise<{ bytes: Uint8Array<ArrayBuffer>; etag: string } | undefined>;
  write: (key: string, bytes: Uint8Array<ArrayBuffer>, conditions: Conditions) => Promise<{ etag: string }>;
  /** Stores pieces as a new object: as one message when they are small together. Its size in bytes. */
  create: (key: string, pieces: Iterable<Uint8Array<ArrayBuffer>>) => Promise<number>;
  draft: () => Promise<Draft>;
  /** The object, in memory when small. Throws `corrupt` when it is damaged or not there. */
  source: (key: string, bytes: number) => Promise<{ source: Source; release: () => Promise<void> }>;
  /** The object as a file. Throws `corrupt` when it is damaged, which is not looked at where `verify` is false, or not there. */
  open: (key: string, verify?: boolean) => Promise<OpenObject>;
  /** Copies an object to a new key; its size in bytes. */
  copy: (from: string, to: string) => Promise<number>;
  /** Sizes by key, damaged ones too; in key order. */
  list: (prefix: string) => Promise<Map<string, number>>;
  /** The names of folders directly under the prefix. */
  folders: (prefix: string) => Promise<string[]>;
  /** True when there was such an object. */
  erase: (key: string) => Promise<boolean>;
}

interface StoreOptions {
  storaged: Peer<Storaged>;
  newId: () => string;
  /** For copies of objects that are not on this machine; its content is no one else's. */
  directory: string;
}

/** Whether an error is of the type, wherever it came from. */
export const isFailure = (error: unknown, type: ErrorType): boolean =>
  error instanceof ServiceError && error.type === type;

/** Files of this process alone, in vectord's own directory: emptied at each start. */
export const objectsFolder = (directory: string): string => join(directory, "objects");

/** Opens the store; removes copies that an earlier run left. */
export async function openObjectStore(options: StoreOptions): Promise<ObjectStore> {
  const { verbs } = options.storaged;
  await rm(options.directory, { recursive: true, force: true });
  await makeDirectory(options.directory);

  const openObject = (key: string, verify?: boolean) =>
    openFile(options, key, verify).catch(missingIsCorrupt(key));
  const draft = () => openDraft(options);

  return {
    draft,
    open: openObject,
    read: async (key) => {
      try {
        const { bytes, info } = await verbs.read({ key });
        return { bytes: owned(bytes), etag: info.etag };
      } catch (error) {
        if (isFailure(error, "not_found")) return undefined;
        throw error;
      }
    },
    write: (key, bytes, conditions) => verbs.write({ key, bytes, ...conditions }, handOver(bytes)),
    create: (key, pieces) => create(options, key, pieces),
    source: async (key, bytes) => {
      if (bytes > smallBytesMax) return openObject(key);
      const read = await verbs.read({ key }).catch(missingIsCorrupt(key));
      return { source: sourceOf(key, owned(read.bytes)), release: async () => {} };
    },
    copy: async (from, to) => {
      const opened = await openObject(from);
      const copied = await draft();
      try {
        await copyFile(opened.path, copied.path);
        return await copied.commit(to);
      } finally {
        await opened.release();
        await copied.discard();
      }
    },
    list: async (prefix) => {
      const found: [string, number][] = [];
      for await (const { objects, corrupt = [] } of pages(options, { prefix })) {
        for (const { key, bytes } of objects) found.push([key, bytes]);
        for (const key of corrupt) found.push([key, 0]);
      }
      return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
    },
    folders: async (prefix) => {
      const found: string[] = [];
      for await (const { prefixes } of pages(options, { prefix, delimiter: "/" })) {
        for (const folder of prefixes) found.push(folder.slice(prefix.length, -1));
      }
      return found;
    },
    erase: async (key) => (await verbs.erase({ key })).deleted,
  };
}

/** Bytes that came over a transport are ours, in one buffer. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();

const handOver = (bytes: Uint8Array<ArrayBuffer>) =>
  bytes.byteLength === bytes.buffer.byteLength ? { transfer: [bytes.buffer] } : {};

/** For objects that a manifest names. */
const missingIsCorrupt =
  (key: string) =>
  (error: unknown): never => {
    if (isFailure(error, "not_found")) throw corrupt(key, "it is missing", error);
    throw error;
  };

async function* pages({ storaged }: StoreOptions, query: { prefix: string; delimiter?: "/" }) {
  for (let page_token: string | undefined; ; ) {
    const page = await storaged.verbs.list({
      ...query,
      page_size: 10_000,
      ...(page_token !== undefined && { page_token }),
    });
    yield page;
    page_token = page.next_page_token;
    if (page_token === undefined) return;
  }
}

async function create(
  options: StoreOptions,
  key: string,
  pieces: Iterable<Uint8Array<ArrayBuffer>>,
): Promise<number> {
  const small: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const left = pieces[Symbol.iterator]();
  let piece = left.next();
  for (; !piece.done && bytes + piece.value.length <= smallBytesMax; piece = left.next()) {
    small.push(piece.value);
    bytes += piece.value.length;
  }
  if (piece.done) {
    const whole = joined(small, bytes);
    await options.storaged.verbs.write({ key, bytes: whole, if_none_match: "*" }, handOver(whole));
    return bytes;
  }
  const draft = await openDraft(options);
  try {
    const file = await open(draft.path, "w");
    try {
      for (const some of small) await file.writeFile(some);
      for (; !piece.done; piece = left.next()) await file.writeFile(piece.value);
    } finally {
      await file.close();
    }
    return await draft.commit(key);
  } finally {
    await draft.discard();
  }
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

async function openDraft({ storaged, newId, directory }: StoreOptions): Promise<Draft> {
  const { token, path: staged } = await storaged.verbs.stage({});
  const discard = async () => {
    await storaged.verbs.discard({ token });
  };
  if (staged !== undefined && (await isWritable(dirname(staged)))) {
    const options = { timeoutMs: largeTimeoutMs };
    const commit = async (key: string) =>
      (await storaged.verbs.commit({ token, key, if_none_match: "*" }, options)).bytes;
    return { path: staged, commit, discard };
  }
  await discard();
  const path = join(directory, newId());
  return { path, commit: (key) => put(storaged, key, path), discard: () => remove(path) };
}

/** storaged can run on another machine, or as another user. */
const isWritable = (path: string): Promise<boolean> =>
  access(path, constants.W_OK).then(
    () => true,
    () => false,
  );

const pathOf = (verb: "get" | "put", key: string): string =>
  `/storage/${verb}/${key.split("/").map(encodeURIComponent).join("/")}`;

async function put(storaged: Peer<Storaged>, key: string, path: string): Promise<number> {
  const file = Bun.file(path);
  const { size } = file;
  const response = await storaged.fetch(pathOf("put", key), {
    method: "PUT",
    headers: { "if-none-match": "*" },
    body: file,
  });
  if (!response.ok) throw await peerError("storaged", response);
  await response.arrayBuffer();
  return size;
}

async function openFile(
  { storaged, newId, directory }: StoreOptions,
  key: string,
  verify = true,
): Promise<OpenObject> {
  const location = await storaged.verbs.locate({ key, verify }, { timeoutMs: largeTimeoutMs });
  if (location.kind === "local") {
    const handle = await open(location.path, "r").catch(() => undefined);
    if (handle) {
      const { bytes, etag } = location.info;
      const source = fileSource(key, handle, bytes);
      const close = closing(handle);
      return { path: location.path, source, etag, close, release: close };
    }
  }
  const path = join(directory, newId());
  const drop = () => remove(path);
  try {
    const response = await storaged.fetch(pathOf("get", key));
    if (!response.ok) throw await peerError("storaged", response);
    const bytes = await Bun.write(path, response);
    const handle = await open(path, "r");
    const close = closing(handle);
    const release = () => close().then(drop);
    return { path, source: fileSource(key, handle, bytes), etag: location.info.etag, close, release };
  } catch (error) {
    await drop();
    throw error;
  }
}

/** Closes it once, however often it is called. */
function closing(handle: FileHandle): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= handle.close();
    return closed;
  };
}

const fileSource = (key: string, handle: FileHandle, bytes: number): Source => ({
  key,
  bytes,
  read: async (from, length) => {
    const buffer = new Uint8Array(length);
    const { bytesRead } = await handle.read(buffer, 0, length, from);
    if (bytesRead < length) throw corrupt(key, `it is cut short at byte ${from + bytesRead} of ${bytes}`);
    return buffer;
  },
});
