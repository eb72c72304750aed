/** What a process reports of itself: log lines and metrics. */
export { createLog, describe, type Level, type Log, levels, recentLines, withoutSecrets } from "./log.ts";
export { createMetrics, latencyBuckets, type Metrics } from "./metrics.ts";
export { measureThread } from "./process-metrics.ts";
