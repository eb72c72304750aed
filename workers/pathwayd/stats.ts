/** What pathwayd counts: for `stats`, and for metrics. */
import type { Deps } from "../../runtime/service.ts";
import type { Book } from "./book.ts";
import { countOf } from "./sequences.ts";
import type { Store } from "./store.ts";

export function statsOf(book: Book, store: Store) {
  const { live, retired, superseded, replays } = book.counts();
  return {
    total: book.entries.length,
    live,
    retired,
    superseded,
    replays,
    log_bytes: store.bytes(),
    log_records: store.records(),
    damaged_lines: store.damagedLines(),
    lost_changes: countOf(book.lost()),
    problems: store.problems(),
  };
}

export function gauges(
  { metrics }: Deps,
  { book, store, writer }: { book: Book; store: Store; writer: { waiting: () => number } },
): void {
  metrics.gauge("pathwayd_traces", "Traces, with those retired and superseded.", () => book.entries.length);
  metrics.gauge("pathwayd_traces_live", "Traces that may be shown.", () => book.counts().live);
  metrics.gauge("pathwayd_log_bytes", "Size of the log.", store.bytes);
  metrics.gauge("pathwayd_damaged_lines", "Lines of the log that cannot be read.", store.damagedLines);
  metrics.gauge("pathwayd_lost_changes", "Changes that no line holds any more.", () => countOf(book.lost()));
  metrics.gauge("pathwayd_waiting", "Changes that wait to be stored.", writer.waiting);
}
