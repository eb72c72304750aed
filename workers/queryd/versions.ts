/** Versions of datasets as DuckDB reads them: a macro each, made at its first use and dropped after its last. */
import { ServiceError } from "../../runtime/errors.ts";
import { inParallel } from "../../runtime/in-parallel.ts";
import { describe, type Log } from "../../runtime/log.ts";
import type { Manifest, Snapshot } from "./catalog.ts";
import { EngineError } from "./engine-error.ts";
import type { ObjectCache, Pinned } from "./object-cache.ts";
import { corrupt, explain, type Found, type Objects } from "./objects.ts";
import type { Residents } from "./residents.ts";
import type { Source } from "./statement.ts";
import { badType, readStatement } from "./views.ts";

/** Versions held for one query. */
export interface Held {
  sources: Source[];
  release: () => void;
}

export interface Versions {
  /** Makes the datasets readable, each under the name the statement uses for it. */
  hold: (used: ReadonlyMap<string, Manifest>, signal: AbortSignal) => Promise<Held>;
  /** Lets go of versions that are no longer the latest as soon as no query reads them. */
  retire: (snapshot: Snapshot) => void;
  /** Datasets that could not be read when last asked for, with the reason. */
  broken: () => ReadonlyMap<string, string>;
}

export interface VersionsOptions {
  objects: Objects;
  cache: ObjectCache;
  residents: Residents;
  /** Runs statements of ours, one after the other. */
  execute: (statements: readonly string[]) => Promise<void>;
  /** Binds a statement without running it. */
  bind: (sql: string) => Promise<void>;
  hidePaths: (text: string) => string;
  log: Log;
  /** What several queries wait for is not stopped by the end of one of them. */
  lifetime: AbortSignal;
}

interface Version {
  id: string;
  macro: string;
  users: number;
  latest: boolean;
  found: Promise<Found[]>;
  /** The macro, and the paths it reads: a copy fetched anew may lie elsewhere. */
  defined?: { paths: string; done: Promise<void> };
}

/** Objects copied into the cache at once for one dataset. */
const pinConcurrency = 4;

export function createVersions(options: VersionsOptions): Versions {
  const { execute, log } = options;
  const versions = new Map<string, Version>();
  const broken = new Map<string, string>();

  const drop = (version: Version) => {
    if (version.latest || version.users > 0 || options.lifetime.aborted) return;
    if (versions.get(version.id) === version) versions.delete(version.id);
    execute(options.residents.drop(version.macro)).catch((cause) =>
      log.warn("a version's macro could not be dropped", { macro: version.macro, ...describe(cause) }),
    );
  };
  const use = async (manifest: Manifest, signal: AbortSignal, pins: Pinned[]): Promise<Version> => {
    const id = `${manifest.dataset_id}.${manifest.version}`;
    const version = versions.get(id) ?? newVersion(id, options.objects.find(manifest, options.lifetime));
    versions.set(id, version);
    version.users += 1;
    try {
      await makeReadable(options, { manifest, version, signal, pins });
      broken.delete(manifest.name);
      return version;
    } catch (cause) {
      version.users -= 1;
      if (!signal.aborted && versions.get(id) === version) versions.delete(id);
      if (cause instanceof ServiceError && cause.type === "corrupt") broken.set(manifest.name, cause.message);
      throw cause;
    }
  };
  return {
    hold: async (used, signal) => {
      const pins: Pinned[] = [];
      const held: Version[] = [];
      const release = () => {
        for (const pinned of pins.splice(0)) pinned.unpin();
        for (const version of held.splice(0)) {
          version.users -= 1;
          drop(version);
        }
      };
      try {
        const sources: Source[] = [];
        for (const [name, manifest] of used) {
          const version = await use(manifest, signal, pins);
          held.push(version);
          sources.push({ name, relation: options.residents.use({ manifest, macro: version.macro }) });
        }
        return { sources, release };
      } catch (cause) {
        release();
        throw cause;
      }
    },
    retire: (snapshot) => {
      const current = new Set<string>();
      for (const { dataset_id, version } of snapshot.datasets.values())
        current.add(`${dataset_id}.${version}`);
      for (const version of versions.values()) {
        version.latest = current.has(version.id);
        drop(version);
      }
      for (const name of broken.keys()) if (!snapshot.datasets.has(name)) broken.delete(name);
    },
    broken: () => broken,
  };
}

function newVersion(id: string, found: Promise<Found[]>): Version {
  found.catch(() => {}); // Whoever waits for it is told.
  const macro = `lakehouse.v_${id.replace(/[^0-9A-Za-z]/g, "_")}`;
  return { id, macro, users: 0, latest: true, found };
}

interface Use {
  manifest: Manifest;
  version: Version;
  signal: AbortSignal;
  pins: Pinned[];
}

async function makeReadable(
  options: VersionsOptions,
  { manifest, version, signal, pins }: Use,
): Promise<void> {
  const places = await unlessAborted(version.found, signal);
  const paths = await inParallel(places, pinConcurrency, async (found) => {
    if ("path" in found) return found.path;
    const pinned = await unlessAborted(options.cache.pin(found.remote, options.lifetime), signal).catch(
      (cause) => Promise.reject(explain(cause, manifest, found.remote.key)),
    );
    pins.push(pinned);
    return pinned.path;
  });
  const wanted = paths.join("\n");
  if (version.defined?.paths !== wanted) {
    const done = define(options, { manifest, macro: version.macro, paths });
    done.catch(() => {});
    version.defined = { paths: wanted, done };
  }
  await unlessAborted(version.defined.done, signal);
}

/** The promise, or the signal's reason when that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", onAbort));
}

/** Makes the macro and binds it: what is wrong with the objects shows here. */
async function define(
  { execute, bind, hidePaths }: VersionsOptions,
  { manifest, macro, paths }: { manifest: Manifest; macro: string; paths: readonly string[] },
): Promise<void> {
  const key = manifest.objects[0]?.key ?? "";
  const bad = badType(manifest);
  if (bad !== undefined) throw corrupt(manifest, key, bad);
  try {
    await execute([readStatement(macro, manifest, paths)]);
    await bind(`FROM ${macro}()`);
  } catch (cause) {
    if (!(cause instanceof EngineError) || cause.kind === "INTERRUPT") throw cause;
    throw corrupt(manifest, key, hidePaths(cause.message), cause);
  }
}
