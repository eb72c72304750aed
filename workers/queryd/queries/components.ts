/** The parts of queryd, opened and put together: engine, cache, versions, catalog. */
import { mkdir, realpath, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { memoryBytes } from "../../../runtime/memory/memory.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Catalogd } from "../../catalogd/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";
import {
  createCatalog,
  createOpenTables,
  createVersions,
  createViews,
  openLiveTables,
} from "../catalog/catalog.ts";
import { type EnginesOptions, openEngines } from "../engine/engine.ts";
import { pathHider } from "../errors/errors.ts";
import {
  createObjects,
  type ObjectCache,
  openMemoryFolder,
  openObjectCache,
  openReadableFolder,
} from "../objects/objects.ts";
import { readRemoteEngines } from "../remote/remote.ts";
import { createAnalysis, guardStatements, jsonGuardStatements } from "../sandbox/sandbox.ts";
import { createCurrentViews } from "./current-views.ts";
import type { Components } from "./execution.ts";

type QuerydDeps = Deps<{ catalogd: Catalogd; storaged: Storaged }>;

/** `lifetime` ends the work that several queries share. */
export async function openComponents(
  deps: QuerydDeps,
  lifetime: AbortSignal,
): Promise<Components & { cache: ObjectCache }> {
  const { config, clock, log, newId, peers } = deps;
  await mkdir(deps.directory, { recursive: true });
  // DuckDB compares paths as they are without symbolic links.
  const directory = await realpath(deps.directory);
  const folders = {
    temporary: join(directory, "temporary"),
    results: join(directory, "results"),
    cache: join(directory, "cache"),
    readable: join(directory, "readable"),
    live: join(directory, "live"),
  };
  await emptied(folders.temporary, folders.results);
  const folder = await openReadableFolder(folders.readable);
  const memory = await openMemoryFolder(`lakehouse-${Bun.hash(directory).toString(36)}`);
  const readable = [folders.readable, ...(memory ? [memory.directory] : [])];
  const engines = openEngines(enginesOf(deps, { folders, readable }));
  const inPlace = bucketFolders(deps).map((each) => `${each}/`);
  const hidePaths = pathHider([...inPlace, `${directory}/`]);
  const { storaged, catalogd } = peers;
  const maxBytes = config.queryd.cache_max_bytes;
  const cache = await openObjectCache({ storaged, directory: folders.cache, maxBytes, newId });
  const objects = createObjects({ storaged, inPlace, timeoutMs: config.queryd.max_timeout_ms });
  deps.metrics.gauge("queryd_cache_bytes", "Bytes of remote objects kept on disk.", cache.bytes);
  const { tableCacheBytes } = engines;
  deps.metrics.gauge("queryd_resident_bytes", "Text of small datasets kept in memory.", tableCacheBytes);
  const openTables = createOpenTables(catalogd);
  const liveTables = await openLiveTables(folders.live, clock);
  const versions = createVersions({
    objects,
    cache,
    folder,
    memory: memory?.folder,
    hidePaths,
    log,
    lifetime,
  });
  const views = createViews(log);
  const catalog = createCatalog({ catalogd, log, onChange: async (snapshot) => versions.retire(snapshot) });
  const mark = `end_${newId().replaceAll("-", "")}`;
  const results = { directory: folders.results, bytesMax: config.queryd.max_temp_bytes };
  const stop = async () => {
    await engines.stop();
    await Promise.all([folder.close(), memory?.folder.close()]);
  };
  const components: Components & { cache: ObjectCache } = {
    engines,
    stop,
    analysis: createAnalysis(mark),
    catalog,
    openTables,
    liveTables,
    versions,
    views,
    currentViews: createCurrentViews(() => components),
    cache,
    hidePaths,
    clock,
    mark,
    results,
    remoteEngines: readRemoteEngines(config, deps.secrets),
  };
  return components;
}

interface Reach {
  folders: { temporary: string; results: string };
  /** Folders of objects. */
  readable: readonly string[];
}

function enginesOf(deps: QuerydDeps, { folders, readable }: Reach): EnginesOptions {
  const { queryd } = deps.config;
  return {
    init: {
      threads: queryd.threads,
      readable: [...readable, folders.results].map((each) => `${each}/`),
      first: ["CREATE SCHEMA lakehouse", ...guardStatements, ...jsonGuardStatements],
    },
    memoryBytes: memoryBytes(queryd.memory_limit),
    tempBytes: queryd.max_temp_bytes,
    scratch: folders.temporary,
    readable,
    results: folders.results,
    tableCacheBytes: queryd.resident_max_bytes,
    ...deps,
  };
}

/** Files that a crash left behind are removed. */
async function emptied(...folders: string[]): Promise<void> {
  for (const folder of folders) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  }
}

/** Where storaged keeps local buckets when it shares this machine: the same rule as its own. */
function bucketFolders({ config, directory }: QuerydDeps): string[] {
  const data = dirname(directory);
  return Object.entries(config.buckets)
    .filter(([, bucket]) => bucket.kind === "local")
    .map(([name, { path }]) => resolve(typeof path === "string" ? path : join(data, "buckets", name)));
}
