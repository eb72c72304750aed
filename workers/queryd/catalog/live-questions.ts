/** Questions of statements to a service that calls here: it waits for one, and answers it when all that it had by then is here. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

export interface LiveQuestions {
  /** Resolves when the service has answered a question that was asked after this was called. Rejects with `away` or the signal's reason. */
  ask: (signal: AbortSignal) => Promise<void>;
  /** The latest question that has no answer, at the latest after `waitMs`. */
  wait: (waitMs: number, signal: AbortSignal) => Promise<number | undefined>;
  /** The service is at work. */
  seen: () => void;
  /** All questions up to this one are answered; with a failure, they fail. */
  answer: (ticket: number, failure?: unknown) => void;
}

interface Asking {
  ticket: number;
  end: (failure?: unknown) => void;
}

/** How long a statement waits for a service that is not there, in milliseconds: it may be about to start. */
const awayMs = 5000;
const lookEveryMs = 1000;

export function createLiveQuestions(clock: Clock, away: () => Error): LiveQuestions {
  let asked = 0;
  let answered = 0;
  let waiting = 0;
  let lastSeenMs = Number.NEGATIVE_INFINITY;
  const asking = new Set<Asking>();
  let wake = Promise.withResolvers<void>();
  const seen = () => {
    lastSeenMs = clock.elapsed();
  };
  return {
    seen,
    ask: async (signal) => {
      asked += 1;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const one: Asking = {
        ticket: asked,
        end: (failure) => (failure === undefined ? resolve() : reject(failure)),
      };
      asking.add(one);
      wake.resolve();
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      const begun = clock.elapsed();
      const stop = every(clock, () => {
        const since = Math.max(begun, lastSeenMs);
        if (waiting === 0 && clock.elapsed() - since > awayMs) reject(away());
      });
      try {
        await promise;
      } finally {
        stop();
        signal.removeEventListener("abort", onAbort);
        asking.delete(one);
      }
    },
    wait: async (waitMs, signal) => {
      waiting += 1;
      try {
        if (asked === answered) {
          wake = Promise.withResolvers<void>();
          const over = new AbortController();
          const waited = clock.sleep(waitMs, AbortSignal.any([signal, over.signal])).catch(() => undefined);
          await Promise.race([wake.promise, waited]);
          over.abort();
        }
        return asked > answered ? asked : undefined;
      } finally {
        seen();
        waiting -= 1;
      }
    },
    answer: (ticket, failure) => {
      seen();
      if (failure === undefined) answered = Math.max(answered, ticket);
      for (const one of asking) if (one.ticket <= ticket) one.end(failure);
    },
  };
}

/** Calls `look` again and again until it is stopped. */
function every(clock: Pick<Clock, "after">, look: () => void): () => void {
  let stop = () => {};
  const next = () => {
    stop = clock.after(lookEveryMs, () => {
      look();
      next();
    });
  };
  next();
  return () => stop();
}
