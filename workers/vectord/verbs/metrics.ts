/** vectord's metrics. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { Indexes } from "../indexes/indexes.ts";

export interface Instruments {
  /** Counts the items when the work succeeds, and how long it took. */
  add: <T>(items: number, work: () => Promise<T>) => Promise<T>;
  search: <T>(queries: number, work: () => Promise<T>) => Promise<T>;
}

export function createInstruments(
  metrics: Metrics,
  clock: Pick<Clock, "elapsed">,
  indexes: Indexes,
): Instruments {
  const counted = (total: string, seconds: string, what: string) => {
    const count = metrics.counter(total, `${what} that succeeded.`);
    const time = metrics.histogram(seconds, `Duration of the requests with ${what.toLowerCase()}.`);
    return async <T>(amount: number, work: () => Promise<T>): Promise<T> => {
      const began = clock.elapsed();
      const result = await work();
      count.add(amount);
      time.observe((clock.elapsed() - began) / 1000);
      return result;
    };
  };
  const sum = (of: (info: ReturnType<ReturnType<Indexes["get"]>["info"]>) => number) => () =>
    indexes.open().reduce((total, live) => total + of(live.info()), 0);
  metrics.gauge("vectord_indexes", "Indexes that are open.", () => indexes.open().length);
  metrics.gauge(
    "vectord_indexes_unreadable",
    "Indexes that cannot be opened.",
    () => indexes.unreadable().length,
  );
  metrics.gauge(
    "vectord_items",
    "Items of all indexes.",
    sum(({ count }) => count),
  );
  metrics.gauge(
    "vectord_items_deleted",
    "Dead rows that wait for compaction.",
    sum(({ deleted }) => deleted),
  );
  metrics.gauge(
    "vectord_items_unindexed",
    "Rows that engines do not cover yet.",
    sum(({ count, deleted, indexed }) => Math.max(0, count + deleted - indexed)),
  );
  metrics.gauge(
    "vectord_memory_bytes",
    "Memory of vectors and engines.",
    sum(({ memory_bytes }) => memory_bytes),
  );
  metrics.gauge(
    "vectord_stored_bytes",
    "Bytes of all indexes in storage.",
    sum(({ stored_bytes }) => stored_bytes),
  );
  return {
    add: counted("vectord_added_items_total", "vectord_add_seconds", "Items"),
    search: counted("vectord_queries_total", "vectord_search_seconds", "Queries"),
  };
}
