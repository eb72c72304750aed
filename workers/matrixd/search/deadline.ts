/** Time: work that is given up when it is late or nobody waits for it any more, and what each step of a search took. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

/**
 * The work's result; or `timeout` after `ms`, or the signal's reason as soon as it is aborted. In both of these the
 * work's own signal is aborted, and what it still does is nobody's concern.
 */
export async function within<T>(
  ms: number,
  { clock, signal, what }: { clock: Clock; signal: AbortSignal; what: string },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const given = new AbortController();
  const over = Promise.withResolvers<never>();
  const giveUp = (reason: unknown) => {
    over.reject(reason);
    given.abort(reason);
  };
  const gone = () => giveUp(signal.reason);
  signal.addEventListener("abort", gone, { once: true });
  const undo = clock.after(ms, () =>
    giveUp(fail("timeout", `${what} did not answer within ${ms} ms and was left out`)),
  );
  try {
    return await Promise.race([work(given.signal), over.promise]);
  } finally {
    undo();
    signal.removeEventListener("abort", gone);
  }
}

export type Stopwatch = <T>(step: string, work: () => Promise<T>) => Promise<T>;

export function createStopwatch(clock: Clock): { watch: Stopwatch; tookMs: Record<string, number> } {
  const tookMs: Record<string, number> = {};
  return {
    tookMs,
    watch: async (step, work) => {
      const started = clock.elapsed();
      try {
        return await work();
      } finally {
        const took = Math.round((clock.elapsed() - started) * 1000) / 1000;
        tookMs[step] = Math.max(tookMs[step] ?? 0, took);
      }
    },
  };
}
