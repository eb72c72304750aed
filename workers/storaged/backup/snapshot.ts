/**
 * All objects of all buckets as they were at one moment, without holding up anybody. What has not changed since is
 * read where it is; what is about to change is kept first, under the lock of its key, whatever changes it.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Snapshot, SnapshotFile } from "../../../runtime/durable/durable.ts";
import { fail, ServiceError, unlessGone } from "../../../runtime/errors/errors.ts";
import { type Bucket, compareKeys, type Kept, type ListPage, type ObjectInfo } from "../bucket/bucket.ts";
import type { WriteBarrier } from "../registry/registry.ts";

/** Objects listed at once. */
const pageSize = 256;

/** An object that has changed since: what it was, or without `file` that there was none. */
interface Earlier {
  file?: SnapshotFile;
  kept?: Kept;
  isListed: boolean;
}

interface BucketState {
  bucket: Bucket;
  earlier: Map<string, Earlier>;
  /** How far the listing is: all keys up to this one are listed. */
  listedTo?: string;
  isListed: boolean;
}

interface ObjectSnapshotDeps {
  buckets: readonly Bucket[];
  barrier: WriteBarrier;
  /** For copies of objects whose bucket has no links; created when needed. */
  directory: string;
  newId: () => string;
}

/** The snapshot's moment is the call: it has everything acknowledged before, nothing begun after. */
export function objectSnapshot({ buckets, barrier, directory, newId }: ObjectSnapshotDeps): Snapshot {
  const states = new Map<string, BucketState>(
    buckets.map((bucket) => [bucket.describe().name, { bucket, earlier: new Map(), isListed: false }]),
  );
  const ended = new AbortController();
  const { signal } = ended;
  let loss: string | undefined;

  /** Preserves the object as it is now. The caller holds its lock. */
  const keepNow = async (state: BucketState, key: string): Promise<void> => {
    const found = await earlierOf(state.bucket, key, { directory, newId, signal }).catch((cause: unknown) => {
      // Writers come first: the snapshot is lost, and the change goes on.
      loss ??= `'${key}' changed, and what it was could not be kept: ${cause instanceof Error ? cause.message : cause}`;
      return {} as Omit<Earlier, "isListed">;
    });
    if (signal.aborted) await found.kept?.drop();
    state.earlier.set(key, { ...found, isListed: isListed(state, key) });
  };
  const { settled, end } = barrier.watch((name, key) => {
    const state = states.get(name);
    return state && !state.earlier.has(key) ? keepNow(state, key) : undefined;
  });
  const usable = () => {
    if (loss !== undefined) throw fail("conflict", `the snapshot is lost: ${loss}; take another one`);
  };

  return {
    files: async function* () {
      await settled;
      for (const state of states.values()) yield* filesOf(state, { usable, signal });
      usable();
    },
    open: async (path) => {
      const { state, key } = placeOf(states, path);
      await settled;
      // Reads it whole once, so that a corrupt object is an error and not an answer that breaks off.
      if (state.bucket.keep && !state.earlier.has(key))
        await state.bucket.locate(key, signal).catch(unlessGone);
      const { name } = state.bucket.describe();
      return barrier.still(name, key, async () => {
        usable();
        const earlier = state.earlier.get(key);
        if (earlier?.kept) return earlier.kept.open();
        if (earlier && !earlier.file) throw fail("not_found", `there was no object '${key}' at that moment`);
        return (await state.bucket.open(key, undefined, signal)).body;
      });
    },
    end: async () => {
      end();
      ended.abort();
      const kept = [...states.values()].flatMap(({ earlier }) => [...earlier.values()]);
      for (const one of kept) await one.kept?.drop();
    },
  };
}

const isListed = ({ listedTo, isListed: all }: BucketState, key: string): boolean =>
  all || (listedTo !== undefined && compareKeys(key, listedTo) <= 0);

/** The object now: absent, unreadable, or its description and bytes. */
async function earlierOf(
  bucket: Bucket,
  key: string,
  place: Pick<ObjectSnapshotDeps, "directory" | "newId"> & { signal: AbortSignal },
): Promise<Omit<Earlier, "isListed">> {
  try {
    const file = fileOf(bucket, await bucket.head(key, place.signal));
    return { file, kept: await (bucket.keep ? bucket.keep(key) : fetched(bucket, key, place)) };
  } catch (error) {
    if (error instanceof ServiceError && error.type === "not_found") return {};
    if (error instanceof ServiceError && error.type === "corrupt") return { file: damaged(bucket, key) };
    throw error;
  }
}

/** A copy of the object on this machine's disk, for buckets without links. */
async function fetched(
  bucket: Bucket,
  key: string,
  { directory, newId, signal }: Pick<ObjectSnapshotDeps, "directory" | "newId"> & { signal: AbortSignal },
): Promise<Kept> {
  const path = join(directory, newId());
  const drop = () => rm(path, { force: true });
  await mkdir(directory, { recursive: true });
  try {
    const { body } = await bucket.open(key, undefined, signal);
    await Bun.write(path, new Response(body));
  } catch (error) {
    await drop();
    throw error;
  }
  return { open: async () => Bun.file(path).stream(), drop };
}

async function* filesOf(
  state: BucketState,
  { usable, signal }: { usable: () => void; signal: AbortSignal },
): AsyncGenerator<SnapshotFile> {
  const { bucket, earlier } = state;
  // Objects that are gone are listed too: without them a backup is not complete.
  await bucket.findMissing?.(signal);
  for (let pageToken: string | undefined; !state.isListed; ) {
    const page: ListPage = await bucket.list({ prefix: "", pageSize, pageToken, signal });
    // Without an await: what changes from here on is known to be listed.
    const keys = [...page.objects.map(({ key }) => key), ...page.corrupt].sort(compareKeys);
    for (const key of keys) {
      const known = earlier.get(key);
      if (known) known.isListed = true;
    }
    state.listedTo = keys.at(-1) ?? state.listedTo ?? "";
    pageToken = page.nextPageToken;
    state.isListed = pageToken === undefined;

    const listed = new Map(page.objects.map((info) => [info.key, info]));
    const files = await Promise.all(keys.map((key) => nowOrEarlier(state, key, listed.get(key), signal)));
    usable();
    yield* files.filter((file) => file !== undefined);
  }
  for (const known of earlier.values()) {
    if (known.isListed || !known.file) continue;
    known.isListed = true;
    yield known.file;
  }
}

/** The object as it was; undefined when there was none. `info` is what a listing says of it now. */
async function nowOrEarlier(
  { bucket, earlier }: BucketState,
  key: string,
  info: ObjectInfo | undefined,
  signal: AbortSignal,
): Promise<SnapshotFile | undefined> {
  const known = earlier.get(key);
  if (known) return known.file;
  if (!info) return damaged(bucket, key);
  if (bucket.keep) return fileOf(bucket, info);
  // Lists of S3 have no content types. A change meanwhile has kept what was there before it came into effect.
  const head = await bucket.head(key, signal).catch((cause: unknown) => {
    if (!earlier.has(key)) throw cause;
    return undefined;
  });
  const since = earlier.get(key);
  return since ? since.file : head && fileOf(bucket, head);
}

const pathOf = (bucket: Bucket, key: string) => `objects/${bucket.describe().name}/${key}`;

function fileOf(bucket: Bucket, info: ObjectInfo): SnapshotFile {
  const { key, bytes, etag, content_type } = info;
  const { name } = bucket.describe();
  return {
    path: pathOf(bucket, key),
    bytes,
    ...(bucket.hashOf && { sha256: bucket.hashOf(info) }),
    object: { bucket: name, key, etag, ...(content_type !== undefined && { content_type }) },
  };
}

/** An object that cannot be read. It is listed, so that whoever reads the snapshot learns why. */
const damaged = (bucket: Bucket, key: string): SnapshotFile => ({
  path: pathOf(bucket, key),
  bytes: 0,
  object: { bucket: bucket.describe().name, key, etag: "" },
});

function placeOf(states: Map<string, BucketState>, path: string): { state: BucketState; key: string } {
  const [, name = "", key = ""] = /^objects\/([^/]+)\/(.+)$/s.exec(path) ?? [];
  const state = states.get(name);
  if (!state) throw fail("not_found", `this snapshot has no file '${path}'`);
  return { state, key };
}
