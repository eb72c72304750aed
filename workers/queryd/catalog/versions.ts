/** Versions of datasets as DuckDB reads them: a macro each, made in a child at its first use there, dropped after its last. */

import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Session } from "../engine/engine.ts";
import { EngineError } from "../errors/errors.ts";
import { corrupt } from "../objects/objects.ts";
import type { Source } from "../statements/statements.ts";
import { filesOf, type Reached, type ReachOptions, type Release, type VersionFiles } from "./reach.ts";
import type { Manifest, Snapshot } from "./snapshots.ts";
import { badType, readQuery, readStatement } from "./views.ts";

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

interface VersionsOptions extends ReachOptions {
  hidePaths: (text: string) => string;
}

interface Version extends VersionFiles {
  id: string;
  macro: string;
  users: number;
  latest: boolean;
}

/** Objects of a dataset that are opened for one row of them, where that makes it a table. */
const cacheableObjectsMax = 64;

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
  return { id, macro, users: 0, latest, found: new Map(), links: new Map(), checked: new Map() };
}

interface Use extends Reached {
  session: Session;
  version: Version;
  /** The objects that are read; all of them when absent. */
  places: readonly number[] | undefined;
}

/** Brings the objects within DuckDB's reach, and gives the relation of their rows. */
async function makeReadable(options: VersionsOptions, use: Use): Promise<string> {
  const { session, manifest, version, places } = use;
  const { macros, tableCache } = session.known;
  // A small dataset is soon a table, which is faster than one file is.
  const isCacheable = manifest.objects.length <= cacheableObjectsMax && tableCache.fits(manifest);
  if (places && !isCacheable) {
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
