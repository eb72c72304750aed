/** Watches the catalog's changes through the gateway by long polling, so that clients are notified of them. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { catalogd } from "../../../workers/catalogd/contract.ts";
import type { GatewayClient } from "./client.ts";

/** The longest wait of one request that catalogd accepts. */
const waitMs = 20_000;
/** Beyond that wait, an answer will not come. */
const answerMs = waitMs + 15_000;
const pauseMsMin = 1000;
const pauseMsMax = 30_000;

interface WatchOptions {
  gateway: GatewayClient;
  clock: Pick<Clock, "sleep">;
  log: Log;
  changed: () => void;
  signal: AbortSignal;
}

/** Calls `changed` after each change, until the signal. While the gateway is away it asks ever more rarely. */
export async function watchCatalog({ gateway, clock, log, changed, signal }: WatchOptions): Promise<void> {
  let since: string | undefined;
  let pauseMs = 0;
  while (!signal.aborted) {
    try {
      // The first request has no `since` and is answered at once.
      const request = since === undefined ? { wait_ms: 0 } : { since, wait_ms: waitMs };
      const { catalog_etag } = await gateway.call(catalogd.endpoints.changes, request, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
      });
      if (since !== undefined && catalog_etag !== since) changed();
      since = catalog_etag;
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
