/** When the log is compacted without being asked. */
import type { Config } from "../../../runtime/config/config.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { TraceTable } from "../traces/traces.ts";
import type { Store } from "./store.ts";

/** Length of the line of a replay with a short uid, in bytes; packed it takes about 12. */
const replayLineBytes = 100;
/** After a failure the log grows by this much before another try. */
const retryGrowth = 1.1;

export function createCompactionPolicy(deps: {
  table: Pick<TraceTable, "counts">;
  store: Pick<Store, "bytes">;
  limits: Config["pathwayd"];
  log: Log;
}) {
  const { table, store, limits, log } = deps;
  let notBelow = limits.compact_min_bytes;
  return {
    /** Whether packing the replays saves enough. */
    pays: (): boolean => {
      const bytes = store.bytes();
      const packable = table.counts().singleReplays * replayLineBytes;
      return bytes >= notBelow && packable * 100 >= bytes * limits.compact_replay_percent;
    },
    onFailedCompaction: (cause: unknown): void => {
      notBelow = Math.max(limits.compact_min_bytes, store.bytes() * retryGrowth);
      log.error("the log could not be compacted and is as it was", describe(cause));
    },
  };
}
