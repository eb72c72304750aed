/** Copies of objects that DuckDB cannot read where they are: by etag, within a bound, the least used go first. */
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Peer } from "../../runtime/contract.ts";
import { fail } from "../../runtime/errors.ts";
import { makeDirectory } from "../../runtime/files.ts";
import type { Storaged } from "../storaged/contract.ts";

export interface ObjectAddress {
  bucket: string;
  key: string;
  bytes: number;
  etag: string;
}

export interface Pinned {
  path: string;
  /** Lets the copy be dropped when room is needed. */
  unpin: () => void;
}

export interface ObjectCache {
  /** The object's copy, fetched when it is not there; it stays until it is unpinned. */
  pin: (object: ObjectAddress, signal: AbortSignal) => Promise<Pinned>;
  bytes: () => number;
}

interface Copy {
  bytes: number;
  pins: number;
  /** Fetches or checks the file once, for all who ask; gives its path. */
  whole: (signal: AbortSignal) => Promise<string>;
}

export interface CacheOptions {
  storaged: Peer<Storaged>;
  directory: string;
  maxBytes: number;
  newId: () => string;
}

/** Opens the cache over what an earlier run left: a copy's file name holds the SHA-256 its bytes must have. */
export async function openObjectCache(options: CacheOptions): Promise<ObjectCache> {
  const { directory, maxBytes } = options;
  await makeDirectory(directory);
  /** By the hash of bucket, key and etag; the order is that of use. */
  const copies = new Map<string, Copy>();
  let total = 0;

  const put = (id: string, bytes: number, whole: Copy["whole"]): Copy => {
    const copy = { bytes, pins: 0, whole: onceAtATime(whole) };
    copies.set(id, copy);
    total += bytes;
    return copy;
  };
  const forget = (id: string, copy: Copy) => {
    if (copies.get(id) !== copy) return;
    copies.delete(id);
    total -= copy.bytes;
  };
  /** Frees bytes in the account at once; the files are removed by whoever fills the room. */
  const makeRoom = (bytes: number): string[] => {
    const victims: string[] = [];
    for (const [id, copy] of copies) {
      if (total + bytes <= maxBytes) break;
      if (copy.pins > 0) continue;
      forget(id, copy);
      victims.push(id);
    }
    if (total + bytes <= maxBytes) return victims;
    throw fail(
      "resource_exhausted",
      `the query needs ${bytes} bytes more in the cache of remote objects, which holds ${total} of ${maxBytes} bytes for running queries`,
    );
  };
  const add = (id: string, object: ObjectAddress): Copy => {
    const victims = makeRoom(object.bytes);
    return put(id, object.bytes, async (signal) => {
      for (const victim of victims.splice(0)) await removeCopies(directory, victim);
      return download(options, { id, object, signal });
    });
  };

  for (const { id, path, bytes, hash } of await leftovers(directory))
    put(id, bytes, async () => checked(path, hash));
  return {
    bytes: () => total,
    pin: async (object, signal) => {
      const id = idOf(object);
      for (;;) {
        const copy = copies.get(id) ?? add(id, object);
        copy.pins += 1;
        copies.delete(id);
        copies.set(id, copy);
        try {
          const path = await copy.whole(signal);
          return { path, unpin: unpinner(copy) };
        } catch (cause) {
          copy.pins -= 1;
          forget(id, copy);
          if (!(cause instanceof StaleCopy)) throw cause;
        }
      }
    },
  };
}

/** A copy of an earlier run is damaged: it is fetched anew. */
class StaleCopy extends Error {}

const unpinner = (copy: Copy): (() => void) => {
  let pinned = true;
  return () => {
    if (pinned) copy.pins -= 1;
    pinned = false;
  };
};

/** Shares one run among all who ask meanwhile and remembers its success. */
function onceAtATime(work: Copy["whole"]): Copy["whole"] {
  let running: Promise<string> | undefined;
  return (signal) => {
    running ??= work(signal).catch((cause) => {
      running = undefined;
      throw cause;
    });
    return running;
  };
}

const sha256 = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");
/** One object with these very bytes, as letters and digits. */
export const idOf = ({ bucket, key, etag }: ObjectAddress): string =>
  sha256(JSON.stringify([bucket, key, etag]));
const copyName = /^([0-9a-f]{64})\.([0-9a-f]{64})\.parquet$/;

interface Leftover {
  id: string;
  hash: string;
  path: string;
  bytes: number;
}

/** The copies on disk; unfinished ones are removed. */
async function leftovers(directory: string): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const [, id, hash] = copyName.exec(name) ?? [];
    if (id === undefined || hash === undefined) await rm(path, { force: true, recursive: true });
    else found.push({ id, hash, path, bytes: (await stat(path)).size });
  }
  return found;
}

async function removeCopies(directory: string, id: string): Promise<void> {
  const names = await readdir(directory);
  for (const name of names) if (name.startsWith(`${id}.`)) await rm(join(directory, name), { force: true });
}

async function checked(path: string, hash: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  if (hasher.digest("hex") === hash) return path;
  await rm(path, { force: true });
  throw new StaleCopy("a cached object is damaged");
}

/** Fetches through storaged, which knows the keys; length and, where the etag is a SHA-256, content must match. */
async function download(
  { storaged, directory, newId }: CacheOptions,
  { id, object, signal }: { id: string; object: ObjectAddress; signal: AbortSignal },
): Promise<string> {
  const { bucket, key, bytes, etag } = object;
  const path = key.split("/").map(encodeURIComponent).join("/");
  const response = await storaged.fetch(`/storage/get/${path}?bucket=${encodeURIComponent(bucket)}`, {
    signal,
  });
  if (!response.ok || !response.body) throw await refusal(response, key);
  const sent = response.headers.get("etag")?.replaceAll('"', "");
  const part = join(directory, `${newId()}.part`);
  const handle = await open(part, "wx");
  try {
    const hasher = new Bun.CryptoHasher("sha256");
    let length = 0;
    for await (const chunk of response.body) {
      hasher.update(chunk);
      length += chunk.length;
      if (length > bytes) break;
      await handle.writeFile(chunk);
    }
    const hash = hasher.digest("hex");
    const isHash = /^[0-9a-f]{64}$/.test(etag);
    if (length !== bytes || sent !== etag || (isHash && hash !== etag))
      throw fail("corrupt", `object '${key}' arrived with ${length} of ${bytes} bytes or another etag`);
    await handle.sync();
    const target = join(directory, `${id}.${hash}.parquet`);
    await rename(part, target);
    return target;
  } finally {
    await handle.close();
    await rm(part, { force: true });
  }
}

async function refusal(response: Response, key: string): Promise<Error> {
  await response.body?.cancel();
  if (response.status === 404) return fail("not_found", `object '${key}' is missing`);
  return fail("unavailable", `storaged answered ${response.status} for object '${key}'`, {
    retryAfterSeconds: 1,
  });
}
