/** catalogd: its verbs over the registry in memory and the manifests in storage. */
import pMap from "p-map";
import type { CallContext, RawOf, Running, VerbsOf } from "../../runtime/contract/contract.ts";
import { type Durable, holdFiles } from "../../runtime/durable/durable.ts";
import { fail } from "../../runtime/errors/errors.ts";
import { createMemoryBudget } from "../../runtime/memory/memory.ts";
import { type Clock, createKeyedMutex, waitAtStart } from "../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../runtime/service/service.ts";
import type { Metrics } from "../../runtime/telemetry/telemetry.ts";
import type { Storaged } from "../storaged/contract.ts";
import {
  type Committing,
  createCommit,
  createObjectCheck,
  createWriting,
  type Return,
  returnVerbs,
  type Write,
  writeVerbs,
} from "./commits/commits.ts";
import type { Catalogd } from "./contract.ts";
import { createExpiry, type Upkeep } from "./expiry/expiry.ts";
import { createChainReader, createHistory, type History, timeFrom } from "./history/history.ts";
import {
  createBrokenTables,
  type InspectionDeps,
  inspectCatalog,
  watchedTables,
} from "./inspection/inspection.ts";
import { createManifestStore } from "./manifests/manifests.ts";
import { createOpenTables, type Opening, type OpenTables, openVerbs } from "./open/open.ts";
import { createPublishing } from "./publishing/publishing.ts";
import {
  type Changes,
  createChanges,
  createRegistry,
  createRemovals,
  page,
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
import { checkName, isLive, summaryOf } from "./versions/versions.ts";

/** Of the machine's memory, for the latest manifest of each dataset, unless a setting says how much. */
const memoryShare = 1 / 16;
const pageSizeDefault = 1000;
/** Versions in an answer that names no page size: each is a manifest that is read. */
const versionsPerPage = 100;
/** Wait of a subscriber that names none, in milliseconds; below the deadline of a call. */
const changesWaitMs = 20_000;
/** Changes of one name that may wait for its lock. */
const waitingPerNameMax = 256;
/** How long lists and snapshots wait for storage to resolve an unknown outcome, in milliseconds. */
const resolveWaitMs = 1000;
/** Damaged datasets that readiness names; more are counted. */
const reasonsMax = 20;

/** Rehydrates the registry and serves it; storage that does not answer yet is asked again and again. */
export async function createCatalogd(deps: Deps<{ storaged: Storaged }>): Promise<Running<Catalogd>> {
  const { config, clock, log, metrics } = deps;
  const store = createManifestStore(deps.peers.storaged.verbs);
  const marks = createDatasetMarks(deps.marks);
  const registry = createRegistry(
    createMemoryBudget({
      limit: config.catalogd.max_memory_bytes,
      share: memoryShare,
      setting: "catalogd.max_memory_bytes",
      advice: "drop datasets",
      metrics,
    }),
    marks.set,
  );
  const changes = createChanges({
    clock,
    waitersMax: config.catalogd.changes_max_waiters,
    etag: registry.etag,
  });
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
      ...openVerbs(changing, open, { ...writeVerbs(deps, changing), ...returnVerbs(deps, changing) }),
      ...expiry.verbs,
      ...readVerbs(deps, { ...committing, registry, changes, history, concurrency, open }),
    }),
    notReady: () => {
      const pending = rehydration.pending();
      return pending === undefined ? [...damageReasons(registry), ...broken.problems()] : [pending];
    },
    erase: async (erasing) => {
      refuseWhilePending(rehydration);
      return expiry.erase(erasing);
    },
    drain: () => changes.stop(),
    durable: kept(
      {
        ...{ store, registry, marks, lock, tables: open, broken },
        ...{ removed: removing.settled, objects: storage, clock },
        concurrency,
        directory: deps.directory,
      },
      rehydration,
    ),
    stop: async () => {
      changes.stop();
      await Promise.all([rehydration.stop(), writing.stop()]);
    },
  };
}

/** Waits for the work, at most so long. */
async function within(clock: Pick<Clock, "sleep">, ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, clock.sleep(ms, over.signal)]);
  over.abort();
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
const kept = (deps: InspectionDeps & { directory: string }, rehydration: Rehydration): Durable => ({
  inspect: async function* (signal) {
    await rehydration.attempted;
    refuseWhilePending(rehydration);
    yield* inspectCatalog(deps, signal);
  },
  snapshot: () => holdFiles(deps.directory, []),
});

type Read = Exclude<keyof VerbsOf<Catalogd>, Write | Return | Upkeep | Opening>;

function readVerbs(
  { clock }: Pick<Deps, "clock">,
  {
    registry,
    changes,
    history,
    concurrency,
    resolveUnknown,
    made,
    open,
  }: {
    registry: Registry;
    changes: Changes;
    history: History;
    concurrency: number;
    open: Pick<OpenTables, "rowsPlace">;
  } & Omit<Committing, "commit">,
): Pick<VerbsOf<Catalogd>, Read> {
  /** Lists and snapshots wait this long for unknown outcomes, and go on without those that storage does not resolve. */
  const resolveAll = async ({ requestId }: CallContext) => {
    const resolving = resolveUnknown(undefined, requestId).catch(() => undefined);
    await within(clock, resolveWaitMs, resolving);
  };
  const unreadable = () => {
    const damaged = registry.damaged().map(({ name, reason, closed }) => {
      const type = closed ? ("memory_full" as const) : ("corrupt" as const);
      return { name, type, reason };
    });
    return damaged.length > 0 ? { unreadable: damaged } : {};
  };
  const read: VerbsOf<Catalogd>["manifest"] = async ({ name, ...which }, { requestId }) => {
    await resolveUnknown(name, requestId);
    return history.manifest(name, which);
  };
  return {
    manifest: read,
    versions: async ({ name, page_size = versionsPerPage, page_token }, { requestId }) => {
      await resolveUnknown(name, requestId);
      return { name, ...(await history.page(name, { token: page_token, size: page_size })) };
    },
    diff: async ({ name, ...versions }, { requestId }) => {
      await resolveUnknown(name, requestId);
      return { name, ...(await history.difference(name, versions)) };
    },
    past: async ({ asked }, context) => {
      await resolveAll(context);
      return { found: await pMap(asked, history.find, { concurrency }) };
    },
    admit: async ({ name }, { requestId }) => {
      await resolveUnknown(name, requestId);
      const place = await open.rowsPlace(name);
      if (place === undefined) {
        // Rejected rows of an open table are a dataset beside it.
        if (name.includes(".") && !isLive(registry.head(name)))
          throw fail("not_found", `there is no open table '${name}': an engine makes it, by /iceberg`);
        checkName(name);
        registry.refuseCaseClash(name);
      }
      return { next_version: (registry.head(name)?.version ?? 0) + 1, ...place };
    },
    made: async ({ name, operation_id }, { requestId }) => {
      const version = await made(name, operation_id, requestId);
      return isLive(version) ? { manifest: version } : {};
    },
    list: async ({ page_size = pageSizeDefault, page_token }, context) => {
      await resolveAll(context);
      const { items, next } = page(registry.manifests(), { token: page_token, size: page_size });
      return {
        datasets: items.map(summaryOf),
        catalog_etag: registry.etag(),
        ...unreadable(),
        ...(next !== undefined && { next_page_token: next }),
      };
    },
    changes: async ({ since, wait_ms = changesWaitMs }, { signal }) => {
      if (since !== undefined) await changes.wait(since, wait_ms, signal);
      return { catalog_etag: registry.etag() };
    },
    snapshot: async ({ known, as_of }, context) => {
      await resolveAll(context);
      const catalog_etag = registry.etag();
      if (as_of !== undefined) {
        const manifests = await history.everything(timeFrom(as_of), concurrency);
        return { catalog_etag: `${catalog_etag}@${as_of}`, manifests, ...unreadable() };
      }
      if (known === catalog_etag) return { catalog_etag };
      const news = known === undefined ? undefined : registry.since(known);
      if (news) return { catalog_etag, manifests: news.changed, removed: news.removed, ...unreadable() };
      return { catalog_etag, manifests: [...registry.manifests()], ...unreadable() };
    },
  };
}

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
