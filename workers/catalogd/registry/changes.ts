/** Long polling: callers that wait for the catalog to change. */

import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

export interface Changes {
  /** Resolves when the etag is no longer `since`, after `ms`, or at `stop`. Throws `overloaded` and `client_closed`. */
  wait: (since: string, ms: number, signal: AbortSignal) => Promise<void>;
  /** Wakes all who wait. */
  announce: () => void;
  /** Answers all who wait; nobody waits any more. */
  stop: () => void;
  waiting: () => number;
}

export function createChanges(deps: {
  clock: Pick<Clock, "sleep">;
  waitersMax: number;
  etag: () => string;
}): Changes {
  const { clock, waitersMax, etag } = deps;
  const waiters = new Set<() => void>();
  let stopped = false;
  const announce = () => {
    for (const wake of [...waiters]) wake();
  };

  return {
    wait: async (since, ms, signal) => {
      if (etag() !== since || ms === 0 || stopped) return;
      if (waiters.size >= waitersMax) {
        const text = `${waitersMax} callers wait for a change already, as many as catalogd.changes_max_waiters allows`;
        throw fail("overloaded", text, { retryAfterSeconds: 1 });
      }
      const changed = Promise.withResolvers<void>();
      const over = new AbortController();
      const gone = () => over.abort(fail("client_closed", "the caller went away"));
      if (signal.aborted) gone();
      signal.addEventListener("abort", gone, { once: true });
      waiters.add(changed.resolve);
      try {
        await Promise.race([changed.promise, clock.sleep(ms, over.signal)]);
      } finally {
        waiters.delete(changed.resolve);
        signal.removeEventListener("abort", gone);
        over.abort();
      }
    },
    announce,
    stop: () => {
      stopped = true;
      announce();
    },
    waiting: () => waiters.size,
  };
}
