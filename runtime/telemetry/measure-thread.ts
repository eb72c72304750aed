/** What one service takes of its process: services of one process share all but their JavaScript heaps. */
import type { Metrics } from "./metrics.ts";

export function measureThread(metrics: Metrics): void {
  const startedAt = performance.now();
  metrics.gauge("uptime_seconds", "Time since this service started.", () =>
    Math.round((performance.now() - startedAt) / 1000),
  );
  metrics.gauge(
    "heap_bytes",
    "JavaScript heap of this service's thread.",
    () => process.memoryUsage().heapUsed,
  );
  metrics.gauge("process_resident_bytes", "Resident memory of the process this service is in.", () =>
    process.memoryUsage.rss(),
  );
  metrics.gauge("process_id", "The process this service is in.", () => process.pid);
}
