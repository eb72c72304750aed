/** Totals of all time. Each segment of the log begins with a checkpoint of them, so they survive the removal of old segments. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Observerd, Operation } from "../contract.ts";

export type StatsCheckpoint = ReplyOf<Observerd["endpoints"]["stats"]>;

export interface Stats {
  add: (operation: Operation) => void;
  /** In the documented shape; the latest scenario operation is the last. */
  read: () => StatsCheckpoint;
  restore: (checkpoint: StatsCheckpoint) => void;
}

/** Sources counted by name; more are counted under `other`, since callers choose the words. */
const sourcesMax = 1000;

/** Empty totals that keep the latest `recentMax` scenario operations. */
export function createStats(recentMax: number): Stats {
  let total = 0;
  let successes = 0;
  const bySource = new Map<string, number>();
  let recent: Operation[] = [];
  return {
    add: (operation) => {
      const { source, success } = operation;
      total += 1;
      if (success) successes += 1;
      const counted = bySource.has(source) || bySource.size < sourcesMax ? source : "other";
      bySource.set(counted, (bySource.get(counted) ?? 0) + 1);
      if (source !== "scenario") return;
      recent.push(operation);
      if (recent.length > recentMax) recent = recent.slice(-recentMax);
    },
    read: () => ({
      total,
      successes,
      failures: total - successes,
      by_source: Object.fromEntries(bySource),
      recent_scenario_ops: [...recent],
    }),
    restore: (checkpoint) => {
      total = checkpoint.total;
      successes = checkpoint.successes;
      bySource.clear();
      for (const [source, count] of Object.entries(checkpoint.by_source)) bySource.set(source, count);
      recent = checkpoint.recent_scenario_ops.slice(-recentMax);
    },
  };
}
