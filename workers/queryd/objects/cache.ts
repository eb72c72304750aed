/** Copies of objects that are not on this machine: by etag, within a bound, the least used go first. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory, sha256Of } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type FetchOptions, fetchCopy, type ObjectAddress } from "./fetch.ts";

interface Pinned {
  path: string;
  /** Which file it is: a copy that is fetched anew is another one. */
  ino: bigint;
  /** Lets the copy be dropped when room is needed. */
  unpin: () => void;
}

export interface ObjectCache {
  /** The object's copy, fetched when it is not there; it stays until it is unpinned. */
  pin: (object: ObjectAddress, signal: AbortSignal) => Promise<Pinned>;
  bytes: () => number;
  /** Removes all copies; those that a query reads, when it has ended. */
  clear: () => Promise<void>;
}

interface Copy {
  bytes: number;
  pins: number;
  /** Called by the last who unpins it, where it is to go then. */
  unused?: () => void;
  /** Fetches or checks the file once, for all who ask; rejects with `StaleCopy` when it is damaged. */
  verified: (signal: AbortSignal) => Promise<Verified>;
}

/** A file whose bytes were hashed, and what shows that it has changed since. */
interface Verified {
  path: string;
  hash: string;
  facts: { ino: bigint; size: bigint; mtimeNs: bigint };
}

interface CacheOptions extends FetchOptions {
  maxBytes: number;
}

/** Opens the cache over what an earlier run left: a copy's file name holds the SHA-256 its bytes must have. */
export async function openObjectCache(options: CacheOptions): Promise<ObjectCache> {
  const { directory, maxBytes } = options;
  await makeDirectory(directory);
  /** By the hash of bucket, key and etag; the order is that of use. */
  const copies = new Map<string, Copy>();
  let total = 0;

  const put = (id: string, bytes: number, verified: Copy["verified"]): Copy => {
    const copy = { bytes, pins: 0, verified: whileUnchanged(verified) };
    copies.set(id, copy);
    total += bytes;
    return copy;
  };
  const forget = (id: string, copy: Copy) => {
    if (copies.get(id) !== copy) return;
    copies.delete(id);
    total -= copy.bytes;
  };
  /** Takes copies out of the index at once; whoever asked for the room removes their files. */
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
      const fetched = await fetchCopy(options, { id, object, signal });
      return { ...fetched, facts: await factsOf(fetched.path) };
    });
  };

  for (const { id, path, bytes, hash } of await copiesIn(directory))
    put(id, bytes, async () => checked(path, hash));
  return {
    bytes: () => total,
    clear: async () => {
      for (const [id, copy] of [...copies]) {
        forget(id, copy);
        if (copy.pins === 0) await removeCopies(directory, id);
        // Fetched anew meanwhile, it is another one's.
        else copy.unused = () => void (copies.has(id) || removeCopies(directory, id).catch(() => undefined));
      }
    },
    pin: async (object, signal) => {
      const id = idOf(object);
      for (;;) {
        const copy = copies.get(id) ?? add(id, object);
        copy.pins += 1;
        copies.delete(id);
        copies.set(id, copy);
        try {
          const { path, facts } = await copy.verified(signal);
          return { path, ino: facts.ino, unpin: unpinner(copy) };
        } catch (cause) {
          copy.pins -= 1;
          forget(id, copy);
          if (!(cause instanceof StaleCopy)) throw cause;
        }
      }
    },
  };
}

/** A copy is damaged or gone: it is fetched anew. */
class StaleCopy extends Error {}

const unpinner = (copy: Copy): (() => void) => {
  let pinned = true;
  return () => {
    if (pinned) copy.pins -= 1;
    pinned = false;
    if (copy.pins === 0) copy.unused?.();
  };
};

/** Concurrent calls share one run; its success is remembered until the file changes. */
function whileUnchanged(work: Copy["verified"]): Copy["verified"] {
  let running: Promise<Verified> | undefined;
  const run = (next: Promise<Verified>): Promise<Verified> => {
    running = next.catch((cause) => {
      running = undefined;
      throw cause;
    });
    return running;
  };
  return async (signal) => {
    const known = running;
    if (!known) return run(work(signal));
    const verified = await known;
    if (running !== known || (await isUnchanged(verified))) return running ?? verified;
    return run(checked(verified.path, verified.hash));
  };
}

async function factsOf(path: string): Promise<Verified["facts"]> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true }).catch((cause) => {
    throw new StaleCopy("a cached object is gone", { cause });
  });
  return { ino, size, mtimeNs };
}

async function isUnchanged({ path, facts }: Verified): Promise<boolean> {
  const now = await factsOf(path);
  return now.ino === facts.ino && now.size === facts.size && now.mtimeNs === facts.mtimeNs;
}

const sha256 = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");
/** One object with these very bytes, as letters and digits. */
export const idOf = ({ bucket, key, etag }: ObjectAddress): string =>
  sha256(JSON.stringify([bucket, key, etag]));
const copyName = /^([0-9a-f]{64})\.([0-9a-f]{64})\.parquet$/;

interface CopyOnDisk {
  id: string;
  hash: string;
  path: string;
  bytes: number;
}

/** The copies on disk; unfinished ones are removed. */
async function copiesIn(directory: string): Promise<CopyOnDisk[]> {
  const found: CopyOnDisk[] = [];
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

async function checked(path: string, hash: string): Promise<Verified> {
  const facts = await factsOf(path);
  if ((await sha256Of(path)) === hash) return { path, hash, facts };
  await rm(path, { force: true });
  throw new StaleCopy("a cached object is damaged");
}
