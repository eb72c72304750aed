/** What pathwayd counts: for `stats`, and for metrics. */
import type { Deps } from "../../../runtime/service/service.ts";
import { countOf, type TraceTable } from "../traces/traces.ts";
import type { Store } from "./store.ts";

export function statsOf(table: TraceTable, store: Store) {
  const { live, retired, superseded, replays } = table.counts();
  return {
    total: table.entries.length,
    live,
    retired,
    superseded,
    replays,
    log_bytes: store.bytes(),
    log_records: store.records(),
    damaged_lines: store.damagedLines(),
    lost_changes: countOf(table.lost()),
    problems: store.problems(),
  };
}

export function gauges(
  { metrics }: Deps,
  { table, store, writer }: { table: TraceTable; store: Store; writer: { waiting: () => number } },
): void {
  metrics.gauge("pathwayd_traces", "Traces, with those retired and superseded.", () => table.entries.length);
  metrics.gauge("pathwayd_traces_live", "Traces that may be shown.", () => table.counts().live);
  metrics.gauge("pathwayd_log_bytes", "Size of the log.", store.bytes);
  metrics.gauge("pathwayd_damaged_lines", "Lines of the log that cannot be read.", store.damagedLines);
  metrics.gauge("pathwayd_lost_changes", "Changes that no line holds any more.", () => countOf(table.lost()));
  metrics.gauge("pathwayd_waiting", "Changes that wait to be stored.", writer.waiting);
}
