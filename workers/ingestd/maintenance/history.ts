/** What maintenance has done since the start, as operators see it. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { ingestd } from "../contract.ts";

type State = ReplyOf<(typeof ingestd)["endpoints"]["maintenance"]>;
export type Step = "compact" | "expire" | "sweep";
type Totals = State["steps"][Step];

export interface MaintenanceHistory {
  /** Runs a step and records what it did, or why it failed. */
  record: <T>(
    step: Step,
    name: string | undefined,
    work: () => Promise<T>,
    done: (result: T) => Done,
  ) => Promise<T>;
  steps: () => State["steps"];
  running: () => State["running"];
}

/** What one step did. `count` is of objects merged, versions expired or orphans removed. */
export interface Done {
  count: number;
  /** Of what was merged or removed. */
  bytes: number;
}

export function createHistory({ clock, metrics }: { clock: Clock; metrics: Metrics }): MaintenanceHistory {
  const runs = metrics.counter(
    "ingestd_maintenance_runs_total",
    "Steps of maintenance, by step and outcome.",
  );
  const counts = metrics.counter(
    "ingestd_maintenance_removed_total",
    "Objects merged, versions expired and orphans removed, by step.",
  );
  const bytesOf = metrics.counter("ingestd_maintenance_bytes_total", "Bytes of those, by step.");
  const nothing = (): Totals => ({ runs: 0, failed: 0, count: 0, bytes: 0 });
  const steps = { compact: nothing(), expire: nothing(), sweep: nothing() };
  let running: State["running"];

  return {
    record: async (step, name, work, done) => {
      const totals = steps[step];
      running = { step, ...(name !== undefined && { name }), since: timestamp(clock) };
      try {
        const result = await work();
        const { count, bytes } = done(result);
        totals.runs += 1;
        totals.count += count;
        totals.bytes += bytes;
        totals.last = { at: timestamp(clock), ...(name !== undefined && { name }), count, bytes };
        runs.add(1, { step, outcome: "done" });
        counts.add(count, { step });
        bytesOf.add(bytes, { step });
        return result;
      } catch (cause) {
        totals.failed += 1;
        const error = cause instanceof Error ? cause.message : String(cause);
        totals.last_error = { at: timestamp(clock), ...(name !== undefined && { name }), error };
        runs.add(1, { step, outcome: "failed" });
        throw cause;
      } finally {
        running = undefined;
      }
    },
    steps: () => structuredClone(steps),
    running: () => running,
  };
}
