/** What ingestd counts. */

import { toWire } from "../../../runtime/errors/errors.ts";
import type { Clock, Limiter } from "../../../runtime/scheduling/scheduling.ts";
import type { Metrics } from "../../../runtime/telemetry/telemetry.ts";

/** Returns what wraps each ingest to count it by its outcome. */
export function measureIngests(
  metrics: Metrics,
  limiter: Limiter,
  clock: Clock,
): <T>(work: () => Promise<T>) => Promise<T> {
  const ended = metrics.counter("ingests_total", "Ingests that ended, by outcome.");
  const seconds = metrics.histogram("ingest_duration_seconds", "Time of ingests that registered a dataset.");
  metrics.gauge("ingests_running", "Ingests that run.", limiter.running);
  metrics.gauge("ingests_waiting", "Ingests that wait for a free slot.", limiter.waiting);
  return async (work) => {
    const started = clock.elapsed();
    try {
      const answer = await work();
      ended.add(1, { outcome: "done" });
      seconds.observe((clock.elapsed() - started) / 1000);
      return answer;
    } catch (error) {
      ended.add(1, { outcome: toWire(error).type });
      throw error;
    }
  };
}
