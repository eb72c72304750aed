/** The operations as Prometheus sees them; the words of callers are no labels. */
import { latencyBuckets, type Metrics } from "../../../runtime/telemetry/telemetry.ts";
import { knownSources } from "./intake.ts";
import type { OperationsStore } from "./store.ts";

/** Model calls and agents' runs take minutes. */
const buckets = [...latencyBuckets, 120, 300, 600];

/** Counts what is recorded from now on, and shows what the store holds. */
export function measureOperations(
  { onRecorded, state, files, problems }: OperationsStore,
  { metrics }: { metrics: Metrics },
): void {
  const counted = metrics.counter(
    "observed_operations_total",
    "Operations recorded since the start, by source (callers' own words as other) and outcome.",
  );
  const durations = metrics.histogram(
    "observed_operation_duration_seconds",
    "How long the recorded operations took.",
    buckets,
  );
  onRecorded(({ source: reported, success, duration_ms }) => {
    const source = knownSources.includes(reported) ? reported : "other";
    counted.add(1, { source, outcome: success ? "success" : "failure" });
    durations.observe(duration_ms / 1000, { source });
  });
  const gauge = (name: string, help: string, read: () => number) =>
    metrics.gauge(`observerd_${name}`, help, read);
  gauge("operations", "Operations of all time.", () => state.stats.read().total);
  gauge("log_files", "Files of the operations log.", files);
  gauge("log_damage", "Damaged places found in the log since the start.", () => problems().length);
  gauge(
    "failure_clusters_dropped",
    "Failure clusters that left because there were too many.",
    state.clusters.dropped,
  );
  gauge("corrections_skipped", "Lines of overseer corrections that could not be taken.", () => {
    return state.marks().corrections?.skipped ?? 0;
  });
}
