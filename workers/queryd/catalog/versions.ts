/** Versions of datasets as DuckDB reads them: a macro each, made in a child at its first use there, dropped after its last. */

import pMap from "p-map";
import { storageError } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { readSchema } from "../../../runtime/parquet/parquet.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Session } from "../engine/engine.ts";
import { EngineError } from "../errors/errors.ts";
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
import type { Source } from "../statements/statements.ts";
import type { Manifest, Snapshot } from "./snapshots.ts";
import { badType, type PlacedFile, readQuery, readStatement } from "./views.ts";

/** Versions held for one query. */
interface Held {
  sources: Source[];
  release: () => void;
}

export interface Versions {
  /**
   * Makes the datasets readable for the session, each under the name the statement uses for it: of those whose places
   * `prune` gives, these objects alone. A version that is not the latest is within DuckDB's reach only while a query
   * holds it.
   */
  hold: (
    used: ReadonlyMap<string, Manifest>,
    session: Session,
    signal: AbortSignal,
    prune?: (name: string, manifest: Manifest) => readonly number[] | undefined,
  ) => Promise<Held>;
  /** Drops versions that are no longer the latest as soon as no query reads them. */
  retire: (snapshot: Snapshot) => void;
  /** Datasets that could not be read when last asked for, with the reason. */
  broken: () => ReadonlyMap<string, string>;
}

interface VersionsOptions {
  objects: Objects;
  cache: ObjectCache;
  /** What DuckDB may read. */
  folder: ReadableFolder;
  /** The same for a few copies, while the disk takes no writes. */
  memory: ReadableFolder | undefined;
  hidePaths: (text: string) => string;
  log: Log;
  /** The signal for work that several queries share: the end of one of them does not stop it. */
  lifetime: AbortSignal;
}

/** Releases something that one query holds. */
type Release = () => void;

interface Version {
  id: string;
  macro: string;
  users: number;
  latest: boolean;
  /** Where its objects are, by their places, as far as they were asked for. */
  found: Map<number, Promise<Found>>;
  /** Objects on this disk, within DuckDB's reach as long as the version is held. */
  links: Map<string, Readable>;
  /** Objects whose schema was looked at, by key. */
  checked: Set<string>;
}

/** Objects looked up, and copied into the cache, at once for one dataset. */
const findConcurrency = 8;
const pinConcurrency = 4;

export function createVersions(options: VersionsOptions): Versions {
  const versions = new Map<string, Version>();
  const broken = new Map<string, string>();
  /** The versions that are the latest of their datasets. */
  let latest: ReadonlySet<string> = new Set();
  /** Versions dropped so far: a child that has seen this count has no macro of one. */
  let dropped = 0;

  const isKnown = (version: Version) => versions.get(version.id) === version;
  const unlink = (version: Version) => {
    if (version.users > 0 || (version.latest && isKnown(version))) return;
    for (const { remove } of version.links.values()) remove();
    version.links.clear();
  };
  const drop = (version: Version) => {
    if (version.latest || version.users > 0 || options.lifetime.aborted) return;
    if (isKnown(version) && versions.delete(version.id)) dropped += 1;
  };
  const use = async (
    manifest: Manifest,
    asked: Pick<Use, "session" | "signal" | "pins" | "places">,
  ): Promise<{ version: Version; relation: string }> => {
    const { signal } = asked;
    const id = versionId(manifest);
    const version = versions.get(id) ?? newVersion(id, latest.has(id));
    versions.set(id, version);
    version.users += 1;
    try {
      const relation = await makeReadable(options, { ...asked, manifest, version });
      if (version.latest && asked.places === undefined) broken.delete(manifest.name);
      return { version, relation };
    } catch (cause) {
      version.users -= 1;
      if (!signal.aborted && isKnown(version)) versions.delete(id);
      unlink(version);
      const isServed = cause instanceof ServiceError && cause.type === "corrupt" && version.latest;
      if (isServed) broken.set(manifest.name, cause.message);
      throw cause;
    }
  };
  return {
    hold: async (used, session, signal, prune) => {
      const pins: Release[] = [];
      const held: Version[] = [];
      const release = () => {
        for (const unpin of pins.splice(0)) unpin();
        for (const version of held.splice(0)) {
          version.users -= 1;
          drop(version);
          unlink(version);
        }
      };
      try {
        await forgetAllBut(versions.values(), session, dropped);
        const sources: Source[] = [];
        for (const [name, manifest] of used) {
          const places = prune?.(name, manifest);
          const { version, relation } = await use(manifest, { session, signal, pins, places });
          held.push(version);
          sources.push({ name, relation });
        }
        return { sources, release };
      } catch (cause) {
        release();
        throw cause;
      }
    },
    retire: (snapshot) => {
      latest = new Set([...snapshot.datasets.values()].map(versionId));
      for (const version of versions.values()) {
        version.latest = latest.has(version.id);
        drop(version);
        unlink(version);
      }
      for (const name of broken.keys()) if (!snapshot.datasets.has(name)) broken.delete(name);
    },
    broken: () => broken,
  };
}

/** Drops the macros of dropped versions in a child when it is next used. */
async function forgetAllBut(
  versions: Iterable<Version>,
  { known, execute }: Session,
  dropped: number,
): Promise<void> {
  if (known.dropped === dropped) return;
  known.dropped = dropped;
  const macros = new Set([...versions].map(({ macro }) => macro));
  const gone = [...known.macros.keys()].filter((macro) => !macros.has(macro));
  for (const macro of gone) known.macros.delete(macro);
  if (gone.length > 0) await execute(gone.flatMap((macro) => known.tableCache.drop(macro)));
}

/** A number is given once to each name; a dataset may come to another name with its id. */
const versionId = ({ name, dataset_id, version }: Manifest): string => `${name}.${dataset_id}.${version}`;

function newVersion(id: string, latest: boolean): Version {
  // Names of macros match in any letter case, ids do not.
  const macro = `lakehouse.v_${Bun.hash(id).toString(36)}_${id.replace(/[^0-9A-Za-z]/g, "_")}`;
  return { id, macro, users: 0, latest, found: new Map(), links: new Map(), checked: new Set() };
}

interface Use {
  session: Session;
  manifest: Manifest;
  version: Version;
  signal: AbortSignal;
  pins: Release[];
  /** The objects that are read; all of them when absent. */
  places: readonly number[] | undefined;
}

/** Brings the objects within DuckDB's reach, and gives the relation of their rows. */
async function makeReadable(options: VersionsOptions, use: Use): Promise<string> {
  const { session, manifest, version, places } = use;
  const { macros, tableCache } = session.known;
  if (places) {
    const table = tableCache.table(version.macro);
    if (table !== undefined) return table;
    const query = readQuery(manifest, await filesOf(options, use, places));
    await bound(options, manifest, () => session.bind(query));
    return `(${query})`;
  }
  const files = await filesOf(options, use, [...manifest.objects.keys()]);
  const wanted = files.map(({ path }) => path).join("\n");
  if (macros.get(version.macro) !== wanted) {
    await bound(options, manifest, async () => {
      await session.execute([readStatement(version.macro, manifest, files)]);
      await session.bind(`FROM ${version.macro}()`);
    });
    // A copy fetched anew may lie elsewhere.
    macros.set(version.macro, wanted);
  }
  return tableCache.use({ manifest, macro: version.macro });
}

async function filesOf(options: VersionsOptions, use: Use, places: readonly number[]): Promise<PlacedFile[]> {
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
  return places.map((at, index) => ({ at, path: paths[index] ?? "" }));
}

/** Anyone may have put the object into storage: a schema that nests too deep would crash DuckDB. */
async function checkSchemas(
  { checked }: Version,
  manifest: Manifest,
  { keys, paths }: { keys: readonly string[]; paths: readonly string[] },
): Promise<void> {
  await pMap(
    [...paths.entries()],
    async ([at, path]) => {
      const key = keys[at] ?? "";
      if (checked.has(key)) return;
      await readSchema(path).catch((cause: unknown) => {
        const isOfTheFile = cause instanceof ServiceError && cause.type === "unprocessable";
        throw isOfTheFile ? corrupt(manifest, key, cause.message, cause) : cause;
      });
      checked.add(key);
    },
    { concurrency: pinConcurrency },
  );
}

/** Brings one object within DuckDB's reach and gives its path. */
async function within(options: VersionsOptions, found: Found, use: Use): Promise<string> {
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
async function linked({ folder, log }: VersionsOptions, id: string, file: string) {
  return folder.add(id, file).catch((cause) => {
    log.info("an object cannot be linked and is copied into the cache", describe(cause));
    return undefined;
  });
}

async function copied(
  { cache, folder, memory, lifetime }: VersionsOptions,
  found: Found,
  { manifest, signal, pins }: Use,
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

/** Binds what reads a dataset: what is wrong with its objects shows here. */
async function bound(
  { hidePaths }: Pick<VersionsOptions, "hidePaths">,
  manifest: Manifest,
  work: () => Promise<void>,
): Promise<void> {
  const key = manifest.objects[0]?.key ?? "";
  const bad = badType(manifest);
  if (bad !== undefined) throw corrupt(manifest, key, bad);
  try {
    await work();
  } catch (cause) {
    if (!(cause instanceof EngineError) || cause.kind === "INTERRUPT") throw cause;
    throw corrupt(manifest, key, hidePaths(cause.message), cause);
  }
}
