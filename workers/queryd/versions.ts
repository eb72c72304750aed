/** Versions of datasets as DuckDB reads them: a macro each, made at its first use and dropped after its last. */
import { ServiceError } from "../../runtime/errors.ts";
import { describe, type Log } from "../../runtime/log.ts";
import type { Manifest, Snapshot } from "./catalog.ts";
import { EngineError } from "./engine-error.ts";
import type { ObjectCache, Pinned } from "./object-cache.ts";
import { corrupt, explain, type Found, inOrder, type Objects } from "./objects.ts";
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

interface Version {
  macro: string;
  users: number;
  latest: boolean;
  found: Found[];
  /** Paths the macro was made with: a copy fetched anew may lie elsewhere. */
  paths: string;
  ready: Promise<void>;
}

export interface VersionsOptions {
  objects: Objects;
  cache: ObjectCache;
  /** Runs statements of ours, one after the other. */
  execute: (statements: readonly string[]) => Promise<void>;
  /** Binds a statement without running it. */
  bind: (sql: string) => Promise<void>;
  hidePaths: (text: string) => string;
  log: Log;
}

/** Objects copied into the cache at once for one dataset. */
const pinConcurrency = 4;

export function createVersions(options: VersionsOptions): Versions {
  const { objects, cache, execute, log } = options;
  const versions = new Map<string, Version>();
  const broken = new Map<string, string>();

  const drop = (id: string, version: Version) => {
    if (version.latest || version.users > 0 || versions.get(id) !== version) return;
    versions.delete(id);
    execute([`DROP MACRO TABLE IF EXISTS ${version.macro}`]).catch((cause) =>
      log.warn("a version's macro could not be dropped", { macro: version.macro, ...describe(cause) }),
    );
  };
  const open = (manifest: Manifest, signal: AbortSignal): { id: string; version: Version } => {
    const id = `${manifest.dataset_id}.${manifest.version}`;
    const known = versions.get(id);
    if (known) return { id, version: known };
    const macro = `lakehouse.v_${id.replace(/[^0-9A-Za-z]/g, "_")}`;
    const version: Version = {
      macro,
      users: 0,
      latest: true,
      found: [],
      paths: "",
      ready: Promise.resolve(),
    };
    version.ready = objects.find(manifest, signal).then((found) => {
      version.found = found;
    });
    versions.set(id, version);
    return { id, version };
  };
  const makeReadable = async (manifest: Manifest, signal: AbortSignal, pins: Pinned[]): Promise<Version> => {
    const { id, version } = open(manifest, signal);
    version.users += 1;
    try {
      await version.ready;
      const paths = await inOrder(version.found, pinConcurrency, async (found) => {
        if ("path" in found) return found.path;
        const pinned = await cache
          .pin(found.remote, signal)
          .catch((cause) => Promise.reject(explain(cause, manifest, found.remote.key)));
        pins.push(pinned);
        return pinned.path;
      });
      await define(options, manifest, version, paths);
      broken.delete(manifest.name);
      return version;
    } catch (cause) {
      version.users -= 1;
      versions.delete(id);
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
          for (const [id, known] of versions) if (known === version) drop(id, version);
        }
      };
      try {
        const sources: Source[] = [];
        for (const [name, manifest] of used) {
          const version = await makeReadable(manifest, signal, pins);
          held.push(version);
          sources.push({ name, macro: version.macro });
        }
        return { sources, release };
      } catch (cause) {
        release();
        throw cause;
      }
    },
    retire: (snapshot) => {
      const current = new Set(
        [...snapshot.datasets.values()].map((manifest) => `${manifest.dataset_id}.${manifest.version}`),
      );
      for (const [id, version] of versions) {
        version.latest = current.has(id);
        drop(id, version);
      }
      for (const name of broken.keys()) if (!snapshot.datasets.has(name)) broken.delete(name);
    },
    broken: () => broken,
  };
}

/** Makes the macro, once for the same paths, and binds it: what is wrong with the objects shows here. */
async function define(
  { execute, bind, hidePaths }: VersionsOptions,
  manifest: Manifest,
  version: Version,
  paths: readonly string[],
): Promise<void> {
  const wanted = paths.join("\n");
  if (version.paths === wanted && version.paths !== "") return;
  const bad = badType(manifest);
  if (bad !== undefined) throw corrupt(manifest, "", bad);
  try {
    await execute([readStatement(version.macro, manifest, paths)]);
    await bind(`FROM ${version.macro}()`);
  } catch (cause) {
    if (!(cause instanceof EngineError) || cause.kind === "INTERRUPT") throw cause;
    throw corrupt(manifest, manifest.objects[0]?.key ?? "", hidePaths(cause.message), cause);
  }
  version.paths = wanted;
}
