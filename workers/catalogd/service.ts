/** catalogd: its verbs over the registry in memory and the manifests in storage. */
import type { RawOf, Running } from "../../runtime/contract/contract.ts";
import { type Durable, holdFiles } from "../../runtime/durable/durable.ts";
import { reportOf } from "../../runtime/erasure/erasure.ts";
import { fail } from "../../runtime/errors/errors.ts";
import { createMemoryBudget } from "../../runtime/memory/memory.ts";
import { createKeyedMutex, waitAtStart } from "../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../runtime/service/service.ts";
import type { Metrics } from "../../runtime/telemetry/telemetry.ts";
import type { Storaged } from "../storaged/contract.ts";
import {
  createCommit,
  createObjectCheck,
  createWriting,
  returnVerbs,
  writeVerbs,
} from "./commits/commits.ts";
import type { Catalogd } from "./contract.ts";
import {
  type DefinitionStore,
  definitionsName,
  namingViews,
  openDefinitions,
} from "./definitions/definitions.ts";
import { createExpiry } from "./expiry/expiry.ts";
import { createChainReader, createHistory } from "./history/history.ts";
import {
  createBrokenTables,
  type InspectionDeps,
  inspectCatalog,
  watchedTables,
} from "./inspection/inspection.ts";
import { createManifestStore } from "./manifests/manifests.ts";
import { createOpenTables, openVerbs } from "./open/open.ts";
import { createPublishing } from "./publishing/publishing.ts";
import { catalogEtag, readVerbs } from "./reads/reads.ts";
import {
  type Changes,
  createChanges,
  createRegistry,
  createRemovals,
  type Registry,
} from "./registry/registry.ts";
import {
  createDatasetMarks,
  gated,
  type Rehydration,
  refuseWhilePending,
  startRehydration,
} from "./rehydration/rehydration.ts";
import { createRest, type RestDeps } from "./rest/rest.ts";
import { createRetention } from "./retention/retention.ts";

/** Of the machine's memory, for the latest manifest of each dataset, unless a setting says how much. */
const memoryShare = 1 / 16;
/** Changes of one name that may wait for its lock. */
const waitingPerNameMax = 256;
/** Damaged datasets that readiness names; more are counted. */
const reasonsMax = 20;

/** Rehydrates the registry and serves it; storage that does not answer yet is asked again and again. */
export async function createCatalogd(deps: Deps<{ storaged: Storaged }>): Promise<Running<Catalogd>> {
  const { config, clock, log, metrics } = deps;
  const store = createManifestStore(deps.peers.storaged.verbs);
  const marks = createDatasetMarks(deps.marks);
  const { registry, definitions, changes } = await openRegistry(deps, marks.set);
  const lock = createKeyedMutex({ waitingMax: waitingPerNameMax, refusal: tooManyWaiting });
  const committing = createCommit({ store, registry, lock, clock, log, announce: changes.announce });
  const concurrency = config.catalogd.rehydrate_concurrency;
  const adopted = (name: string) => deps.adopted(`catalogd/${name}`) || deps.adopted("catalogd/*");
  const rehydration = startRehydration({
    ...{ store, registry, marks, adopted, concurrency, clock, log, newId: deps.newId },
  });
  const history = createHistory({ store, registry });
  const writing = createWriting(committing.commit);
  const removals = createRemovals(clock);
  const removing = createKeyedMutex();
  const checkObjects = createObjectCheck(deps.peers.storaged.verbs.head, removals);
  const changing = { ...committing, registry, history, checkObjects, removals, commit: writing.commit };
  const storage = deps.peers.storaged.verbs;
  const publishing = createPublishing({ registry, chain: createChainReader({ store, registry }), storage });
  const broken = createBrokenTables(registry);
  const open = watchedTables(createOpenTables({ ...deps, ...changing, publishing, storage }), broken);
  const expiry = createExpiry({
    ...{ ...deps, ...changing, store, removals, removing, publishing, committed: lock.settled, storage },
    ...{ retention: createRetention({ open }), from: (name: string) => marks.of(name)?.from ?? 1 },
  });
  gauges(metrics, { registry, changes, rehydration });
  await waitAtStart(clock, rehydration.attempted);

  return {
    raw: icebergFace({ ...deps, ...changing, publishing, open }, rehydration),
    verbs: gated(rehydration, {
      ...definitions.verbs,
      ...namingViews(
        {
          ...openVerbs(changing, open, {
            ...writeVerbs(deps, changing),
            ...returnVerbs(deps, changing),
            ...expiry.verbs,
          }),
          ...readVerbs(deps, { ...committing, registry, definitions, changes, history, concurrency, open }),
        },
        definitions.viewOf,
      ),
    }),
    notReady: () => {
      const pending = rehydration.pending();
      const problems = [...definitions.problems(), ...broken.problems()];
      return pending === undefined ? [...damageReasons(registry), ...problems] : [pending];
    },
    erase: async (erasing) => {
      refuseWhilePending(rehydration);
      return reportOf(await expiry.erase(erasing), await definitions.erase(erasing));
    },
    drain: () => changes.stop(),
    durable: kept(
      {
        ...{ store, registry, marks, lock, tables: open, broken },
        ...{ removed: removing.settled, objects: storage, clock },
        concurrency,
        directory: deps.directory,
      },
      { rehydration, definitions },
    ),
    stop: async () => {
      changes.stop();
      await Promise.all([rehydration.stop(), writing.stop()]);
      await definitions.close();
    },
  };
}

/** The heads of datasets, what is kept under a name beside them, and those who wait for a change of either. */
async function openRegistry(
  deps: Deps<{ storaged: Storaged }>,
  acknowledge: Parameters<typeof createRegistry>[1],
): Promise<{ registry: Registry; definitions: DefinitionStore; changes: Changes }> {
  const { config, clock, metrics } = deps;
  const datasets = createRegistry(
    createMemoryBudget({
      limit: config.catalogd.max_memory_bytes,
      share: memoryShare,
      setting: "catalogd.max_memory_bytes",
      advice: "drop datasets",
      metrics,
    }),
    acknowledge,
  );
  const definitions = await openDefinitions({
    ...deps,
    takenBy: datasets.takenBy,
    announce: () => changes.announce(),
  });
  const registry = withViews(datasets, definitions);
  const changes = createChanges({
    clock,
    waitersMax: config.catalogd.changes_max_waiters,
    etag: () => catalogEtag({ registry, definitions }),
  });
  return { registry, definitions, changes };
}

/** The tables as other engines see them. */
function icebergFace(deps: RestDeps, rehydration: Rehydration): RawOf<Catalogd> {
  const rest = createRest(deps);
  return {
    iceberg: async (_, { request, requestId, signal }) => {
      refuseWhilePending(rehydration);
      return rest(request, { requestId, signal });
    },
  };
}

const tooManyWaiting = (name: string) =>
  fail("overloaded", `${waitingPerNameMax} changes of '${name}' are waiting already`, {
    retryAfterSeconds: 1,
  });

/** The manifests are objects in storage: storaged's backup has them. */
const kept = (
  deps: InspectionDeps & { directory: string },
  { rehydration, definitions }: { rehydration: Rehydration; definitions: DefinitionStore },
): Durable => ({
  inspect: async function* (signal) {
    yield* definitions.inspect(signal);
    await rehydration.attempted;
    refuseWhilePending(rehydration);
    yield* inspectCatalog(deps, signal);
  },
  snapshot: () =>
    definitions.atRest(() => holdFiles(deps.directory, [definitionsName, `${definitionsName}.damaged`])),
});

/** Names of views are taken as well. */
const withViews = (registry: Registry, { viewOf }: Pick<DefinitionStore, "viewOf">): Registry => ({
  ...registry,
  refuseCaseClash: (name) => {
    const view = viewOf(name);
    if (view !== undefined)
      throw fail("conflict", `there is a view '${view}': drop it first, or take another name`);
    registry.refuseCaseClash(name);
  },
});

function damageReasons(registry: Registry): string[] {
  const reasons = registry.damaged().map(({ name, reason }) => `dataset '${name}': ${reason}`);
  const more = reasons.length - reasonsMax;
  return more > 0 ? [...reasons.slice(0, reasonsMax), `and ${more} more datasets cannot be read`] : reasons;
}

function gauges(
  metrics: Metrics,
  parts: { registry: Registry; changes: Changes; rehydration: Rehydration },
): void {
  const { registry, changes, rehydration } = parts;
  metrics.gauge("catalogd_datasets", "Datasets that can be read.", () => registry.manifests().length);
  metrics.gauge(
    "catalogd_datasets_unreadable",
    "Datasets whose latest manifest cannot be read.",
    () => registry.damaged().length,
  );
  metrics.gauge("catalogd_waiters", "Callers that wait for a change.", changes.waiting);
  metrics.gauge(
    "catalogd_rehydrate_seconds",
    "How long the registry took to read at the start.",
    rehydration.seconds,
  );
}
