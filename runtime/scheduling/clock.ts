/** Time as a dependency, so that tests can hold it still. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch; may jump. */
  now: () => number;
  /** Monotonic milliseconds, for durations. */
  elapsed: () => number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Calls `work` after `ms`, unless the function returned is called before. */
  after: (ms: number, work: () => void) => () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
    }),
  after: (ms, work) => {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
};

/** RFC 3339 in UTC with milliseconds. */
export const timestamp = (clock: Pick<Clock, "now">): string => new Date(clock.now()).toISOString();

/** How long a service's start waits for what others must answer, before it goes on in the background, in milliseconds. */
export const startWaitMs = 5000;

/**
 * Resolves when `work` has settled, at the latest after five seconds: a start waits for others, and not for ever.
 * Rejects when `work` rejects before.
 */
export async function waitAtStart(clock: Pick<Clock, "sleep">, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  const waited = clock.sleep(startWaitMs, over.signal).catch(() => undefined);
  await Promise.race([work, waited]).finally(() => over.abort());
}
