/** Follows the catalog's changes through the gateway, so that clients hear when the list of datasets is another. */
import type { Clock } from "../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../runtime/telemetry/telemetry.ts";
import { catalogd } from "../../workers/catalogd/contract.ts";
import type { GatewayClient } from "./gateway-client.ts";

/** The longest wait catalogd grants to one question. */
const waitMs = 20_000;
/** Beyond that wait, an answer will not come. */
const answerMs = waitMs + 15_000;
const pauseMsMin = 1000;
const pauseMsMax = 30_000;

export interface Follow {
  gateway: GatewayClient;
  clock: Pick<Clock, "sleep">;
  log: Log;
  changed: () => void;
  signal: AbortSignal;
}

/** Calls `changed` after each change, until the signal. While the gateway is away it asks ever more rarely. */
export async function followCatalog({ gateway, clock, log, changed, signal }: Follow): Promise<void> {
  let since: string | undefined;
  let pauseMs = 0;
  while (!signal.aborted) {
    try {
      // The first question has no `since` and is answered at once.
      const question = since === undefined ? { wait_ms: 0 } : { since, wait_ms: waitMs };
      const { catalog_etag } = await gateway.call(catalogd.endpoints.changes, question, {
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
