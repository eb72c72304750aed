/** The parts of queryd, opened and put together: engine, cache, versions, catalog. */
import { mkdir, realpath, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { describe, type Log } from "../../runtime/log.ts";
import type { Deps } from "../../runtime/service.ts";
import { createTurns } from "../../runtime/turns.ts";
import type { Catalogd } from "../catalogd/contract.ts";
import type { Storaged } from "../storaged/contract.ts";
import { createAnalysis } from "./analysis.ts";
import { createCatalog, type Snapshot } from "./catalog.ts";
import { type Engine, openEngine, type Session } from "./engine.ts";
import type { Machinery } from "./execution.ts";
import { httpfsSettings } from "./httpfs.ts";
import { jsonGuardStatements } from "./json-guards.ts";
import { openObjectCache } from "./object-cache.ts";
import { createObjects } from "./objects.ts";
import { ownColumnsSql, ownSchemaStatements } from "./own-schema.ts";
import { openReadableFolder } from "./readable.ts";
import { createResidents } from "./residents.ts";
import { pathHider } from "./sql-error.ts";
import { guardStatements } from "./value-guards.ts";
import { createVersions } from "./versions.ts";
import { type Applied, planViews } from "./views.ts";

type QuerydDeps = Deps<{ catalogd: Catalogd; storaged: Storaged }>;

/** `lifetime` ends what several queries share. */
export async function openMachinery(deps: QuerydDeps, lifetime: AbortSignal): Promise<Machinery> {
  const { config, clock, log, newId, peers } = deps;
  await mkdir(deps.directory, { recursive: true });
  // DuckDB compares paths as they are without symbolic links.
  const directory = await realpath(deps.directory);
  const folders = {
    temporary: join(directory, "temporary"),
    results: join(directory, "results"),
    cache: join(directory, "cache"),
    readable: join(directory, "readable"),
  };
  // What a crash left behind is nobody's.
  for (const folder of [folders.temporary, folders.results]) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  }
  const folder = await openReadableFolder(folders.readable);
  const local = [folders.readable, folders.results].map((folder) => `${folder}/`);
  const { engine, remote } = await openWithHttpfs(deps, { local, temporary: folders.temporary });
  const inPlace = [...bucketFolders(deps).map((folder) => `${folder}/`), ...remote];
  const hidePaths = pathHider([...inPlace, `${directory}/`]);
  const { execute, bind, inTurn } = await ownStatements(engine, lifetime);
  await execute(["CREATE SCHEMA lakehouse", ...guardStatements, ...jsonGuardStatements]);
  await execute(ownSchemaStatements(await inTurn((own) => own.rows(ownColumnsSql))));
  const { storaged, catalogd } = peers;
  const maxBytes = config.queryd.cache_max_bytes;
  const cache = await openObjectCache({ storaged, directory: folders.cache, maxBytes, newId });
  deps.metrics.gauge("queryd_cache_bytes", "Bytes of remote objects kept on disk.", cache.bytes);
  const objects = createObjects({ storaged, inPlace, timeoutMs: config.queryd.max_timeout_ms });
  const residents = createResidents({ maxBytes: config.queryd.resident_max_bytes, inTurn, log });
  deps.metrics.gauge("queryd_resident_bytes", "Text of small datasets kept in memory.", residents.bytes);
  const versions = createVersions({
    objects,
    cache,
    folder,
    residents,
    execute,
    bind,
    hidePaths,
    log,
    lifetime,
  });
  const onChange = viewKeeper(execute, log, versions.retire);
  const catalog = createCatalog({ catalogd, log, onChange });
  const mark = `end_${newId().replaceAll("-", "")}`;
  const results = { directory: folders.results, bytesMax: config.queryd.max_temp_bytes };
  return { engine, analysis: createAnalysis(mark), catalog, versions, hidePaths, clock, log, mark, results };
}

/** Where storaged keeps local buckets when it shares this machine: the same rule as its own. */
function bucketFolders({ config, directory }: QuerydDeps): string[] {
  const data = dirname(directory);
  return Object.entries(config.buckets)
    .filter(([, bucket]) => bucket.kind === "local")
    .map(([name, { path }]) => resolve(typeof path === "string" ? path : join(data, "buckets", name)));
}

/** With httpfs when a bucket is in S3 and the extension is on this machine; without it such objects are copied. */
async function openWithHttpfs(
  { config, clock, secrets, log }: QuerydDeps,
  { local, temporary }: { local: string[]; temporary: string },
): Promise<{ engine: Engine; remote: string[] }> {
  const settings = {
    clock,
    threads: config.queryd.threads,
    memoryLimit: config.queryd.memory_limit,
    maxTempBytes: config.queryd.max_temp_bytes,
    tempDirectory: temporary,
  };
  const httpfs = httpfsSettings(config.buckets, secrets, config.queryd.httpfs_path);
  if (httpfs) {
    try {
      const { prefixes: remote, statements: before } = httpfs;
      return { engine: await openEngine({ ...settings, readable: [...local, ...remote], before }), remote };
    } catch (cause) {
      // The cause may quote the statement, and the statement the keys.
      const { name } = cause instanceof Error ? cause : { name: "Error" };
      log.info("httpfs cannot be loaded: objects in S3 are copied into the cache", { error: name });
    }
  }
  return { engine: await openEngine({ ...settings, readable: local, before: [] }), remote: [] };
}

/** Statements of the service itself, one after the other on a session of their own. */
async function ownStatements(engine: Engine, lifetime: AbortSignal) {
  const session = await engine.session(lifetime);
  const turns = createTurns();
  const inTurn = <T>(work: (session: Session) => Promise<T>): Promise<T> => turns(() => work(session));
  return {
    execute: (statements: readonly string[]) =>
      inTurn(async (own) => {
        for (const statement of statements) await own.execute(statement);
      }),
    bind: (sql: string) => inTurn((own) => own.bind(sql)),
    inTurn,
  };
}

/** Brings the views to each new snapshot, all at once; a dataset that cannot be shown is left out and logged. */
function viewKeeper(
  execute: (statements: readonly string[]) => Promise<void>,
  log: Log,
  retire: (snapshot: Snapshot) => void,
): (snapshot: Snapshot) => Promise<void> {
  let applied: Applied = new Map();
  return async (snapshot) => {
    const plan = planViews(applied, snapshot);
    for (const [dataset, reason] of plan.refused) log.warn("a dataset cannot be shown", { dataset, reason });
    if (plan.statements.length > 0) {
      try {
        await execute(["BEGIN TRANSACTION", ...plan.statements, "COMMIT"]);
      } catch {
        await execute(["ROLLBACK"]).catch(() => {});
        for (const statement of plan.statements)
          await execute([statement]).catch((cause) => log.warn("a dataset cannot be shown", describe(cause)));
      }
    }
    applied = plan.after;
    retire(snapshot);
  };
}
