/** Follows the catalog's changes by long polling, so that clients are notified of them. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { catalogd } from "../../../workers/catalogd/contract.ts";
import type { GatewayClient } from "./client.ts";
import { allViews } from "./views.ts";

/** The longest wait of one request that catalogd accepts. */
const waitMs = 20_000;
/** Beyond that wait, an answer will not come. */
const answerMs = waitMs + 15_000;
/** Between two looks: a catalog that changes all the time is listed no more often. */
const pauseMsMin = 1000;
const pauseMsMax = 30_000;
const pageSize = 1000;

interface WatchOptions {
  gateway: GatewayClient;
  clock: Pick<Clock, "sleep">;
  log: Log;
}

/** Called after a change with the names of the datasets and views that are new, have other rows, or are gone. */
export type CatalogListener = (names: readonly string[]) => void;

export interface CatalogWatch {
  /** Calls the listener after each change from now on, until the returned function is called. */
  follow: (listener: CatalogListener) => () => void;
  /** Resolves once a change from now on reaches those that follow. */
  based: () => Promise<void>;
  /** Ends it for all. */
  stop: () => void;
}

/** One watch for all that follow; it asks for nothing while nobody does. */
export function createCatalogWatch(options: WatchOptions): CatalogWatch {
  const listeners = new Set<CatalogListener>();
  let running: { ended: AbortController; based: PromiseWithResolvers<void> } | undefined;
  const stop = () => {
    listeners.clear();
    running?.ended.abort(new Error("nobody follows the catalog"));
    running?.based.resolve();
    running = undefined;
  };
  const follow = (listener: CatalogListener) => {
    listeners.add(listener);
    if (!running) {
      running = { ended: new AbortController(), based: Promise.withResolvers<void>() };
      const changed = (names: readonly string[]) => {
        for (const each of listeners) each(names);
      };
      // It never rejects: failures are asked about again.
      void watch({ ...options, changed, based: running.based.resolve, signal: running.ended.signal });
    }
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) stop();
    };
  };
  return { follow, based: async () => running?.based.promise, stop };
}

/** Calls `changed` after each change, until the signal. While the product is away it asks ever more rarely. */
async function watch({
  gateway,
  clock,
  log,
  changed,
  based,
  signal,
}: WatchOptions & { changed: CatalogListener; based: () => void; signal: AbortSignal }): Promise<void> {
  let since: string | undefined;
  let known = new Map<string, string>();
  let pauseMs = 0;
  while (!signal.aborted) {
    try {
      // The first request has no `since` and is answered at once.
      const request = since === undefined ? { wait_ms: 0 } : { since, wait_ms: waitMs };
      const { catalog_etag } = await gateway.call(catalogd.endpoints.changes, request, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
      });
      if (catalog_etag !== since) {
        const now = await versionsOf(gateway, signal);
        if (since !== undefined) changed(differing(known, now));
        known = now;
        since = catalog_etag;
        based();
        await clock.sleep(pauseMsMin, signal).catch(() => undefined);
      }
      pauseMs = 0;
    } catch (cause) {
      if (signal.aborted) return;
      if (pauseMs === 0)
        log.warn("cannot follow the catalog; trying again", { reason: (cause as Error).message });
      pauseMs = Math.min(Math.max(pauseMs * 2, pauseMsMin), pauseMsMax);
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }
}

/** The version of each dataset; of each view its own, with those of what it reads. */
async function versionsOf(gateway: GatewayClient, signal: AbortSignal): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  let page: { page_token?: string } | undefined = {};
  while (page) {
    const {
      datasets,
      next_page_token,
    }: { datasets: { name: string; version: number }[]; next_page_token?: string } = await gateway.call(
      catalogd.endpoints.list,
      { page_size: pageSize, ...page },
      { signal },
    );
    for (const { name, version } of datasets) versions.set(name, String(version));
    page = next_page_token === undefined ? undefined : { page_token: next_page_token };
  }
  const views = await allViews(gateway, signal);
  const own = new Map(views.map(({ name, version }) => [name, version]));
  for (const { name, version, reads = [] } of views)
    versions.set(name, [version, ...reads.map((each) => own.get(each) ?? versions.get(each))].join());
  return versions;
}

const differing = (before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] => [
  ...[...now].filter(([name, version]) => before.get(name) !== version).map(([name]) => name),
  ...[...before.keys()].filter((name) => !now.has(name)),
];
