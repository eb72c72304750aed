/** What each step of a search took. Corpora run side by side: a step's time is that of the slowest. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

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
