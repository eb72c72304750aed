/** The objects of a version within DuckDB's reach: found, linked or copied, and their schemas looked at, each once. */
import pMap from "p-map";
import { storageError } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { readSchema, type SchemaNode } from "../../../runtime/parquet/parquet.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import {
  corrupt,
  explain,
  type Found,
  idOf,
  type ObjectCache,
  type Objects,
  type Readable,
  type ReadableFolder,
} from "../objects/objects.ts";
import type { Manifest } from "./snapshots.ts";
import type { PlacedFile } from "./views.ts";

export interface ReachOptions {
  objects: Objects;
  cache: ObjectCache;
  /** What DuckDB may read. */
  folder: ReadableFolder;
  /** The same for a few copies, while the disk takes no writes. */
  memory: ReadableFolder | undefined;
  log: Log;
  /** The signal for work that several queries share: the end of one of them does not stop it. */
  lifetime: AbortSignal;
}

/** Releases something that one query holds. */
export type Release = () => void;

/** What is known of the objects of a version. */
export interface VersionFiles {
  /** Where they are, by their places, as far as they were asked for. */
  found: Map<number, Promise<Found>>;
  /** Those on this disk, within DuckDB's reach as long as the version is held. */
  links: Map<string, Readable>;
  /** The columns of those that were looked at, by key. */
  checked: Map<string, readonly SchemaNode[]>;
}

export interface Reached {
  manifest: Manifest;
  version: VersionFiles;
  signal: AbortSignal;
  pins: Release[];
}

/** Objects looked up, and copied into the cache, at once for one dataset. */
const findConcurrency = 8;
const pinConcurrency = 4;

/** Brings the objects at these places within reach. */
export async function filesOf(
  options: ReachOptions,
  use: Reached,
  places: readonly number[],
): Promise<PlacedFile[]> {
  const { manifest, version, signal } = use;
  const find = (at: number): Promise<Found> => {
    const object = manifest.objects[at];
    if (!object) throw new Error(`'${manifest.name}' has no object ${at}`);
    const found = version.found.get(at) ?? options.objects.find(manifest, object, options.lifetime);
    found.catch(() => {}); // Whoever waits for it gets the error.
    version.found.set(at, found);
    return unlessAborted(found, signal);
  };
  const found = await pMap(places, find, { concurrency: findConcurrency });
  const paths = await pMap(found, (each) => within(options, each, use), { concurrency: pinConcurrency });
  const keys = places.map((at) => manifest.objects[at]?.key ?? "");
  await checkSchemas(version, manifest, { keys, paths });
  return places.map((at, index) => {
    const schema = manifest.open && version.checked.get(keys[index] ?? "");
    return { at, path: paths[index] ?? "", ...(schema && { schema }) };
  });
}

/** Anyone may have put the object into storage: a schema that nests too deep would crash DuckDB. */
async function checkSchemas(
  { checked }: VersionFiles,
  manifest: Manifest,
  { keys, paths }: { keys: readonly string[]; paths: readonly string[] },
): Promise<void> {
  await pMap(
    [...paths.entries()],
    async ([at, path]) => {
      const key = keys[at] ?? "";
      if (checked.has(key)) return;
      const schema = await readSchema(path).catch((cause: unknown) => {
        const isOfTheFile = cause instanceof ServiceError && cause.type === "unprocessable";
        throw isOfTheFile ? corrupt(manifest, key, cause.message, cause) : cause;
      });
      checked.set(key, manifest.open ? schema : []);
    },
    { concurrency: pinConcurrency },
  );
}

/** Brings one object within DuckDB's reach and gives its path. */
async function within(options: ReachOptions, found: Found, use: Reached): Promise<string> {
  const id = idOf(found.address);
  const known = use.version.links.get(id);
  if (known) return known.path;
  const link = "file" in found ? await linked(options, id, found.file) : undefined;
  if (!link) return copied(options, found, use);
  // Another query of the same version may have been first.
  if (use.version.links.has(id)) link.remove();
  else use.version.links.set(id, link);
  return link.path;
}

/** Undefined where the disk refuses a link, as between file systems: then a copy is read. */
async function linked({ folder, log }: ReachOptions, id: string, file: string) {
  return folder.add(id, file).catch((cause) => {
    log.info("an object cannot be linked and is copied into the cache", describe(cause));
    return undefined;
  });
}

async function copied(
  { cache, folder, memory, lifetime }: ReachOptions,
  found: Found,
  { manifest, signal, pins }: Reached,
): Promise<string> {
  const { address } = found;
  const pinned = await unlessAborted(cache.pin(address, lifetime), signal).catch(async (cause) => {
    // A disk that takes no writes can still be read.
    const error = storageError(cause, "copy");
    const isFull = error instanceof ServiceError && error.type === "storage_full";
    const spare = isFull && "file" in found ? await memory?.add(idOf(address), found.file) : undefined;
    if (!spare) throw explain(cause, manifest, address.key);
    return { path: undefined, spare };
  });
  if (pinned.path === undefined) {
    pins.push(pinned.spare.remove);
    return pinned.spare.path;
  }
  pins.push(pinned.unpin);
  // Under another name than links to the object itself, which stay as long as the version.
  const link = await folder.add(`${idOf(address)}copy${pinned.ino}`, pinned.path);
  // The link is removed before the copy may be dropped.
  pins.push(link.remove);
  return link.path;
}

/** The promise, or the signal's reason when that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", onAbort));
}
