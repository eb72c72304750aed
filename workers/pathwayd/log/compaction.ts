/** When the log is compacted without being asked. */

import type { Config } from "../../../runtime/config/config.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { TraceTable } from "../traces/traces.ts";
import type { Store } from "./store.ts";

/** Length of the line of a replay with a short uid, in bytes; packed it takes about 12. */
const replayLineBytes = 100;
/** After a failure the log grows by this much before another try. */
const retryGrowth = 1.1;

/** Whether packing the replays saves enough. */
export const paysToCompact = (
  { bytes, singleReplays }: { bytes: number; singleReplays: number },
  {
    compact_min_bytes,
    compact_replay_percent,
  }: Pick<Config["pathwayd"], "compact_min_bytes" | "compact_replay_percent">,
): boolean =>
  bytes >= compact_min_bytes && singleReplays * replayLineBytes * 100 >= bytes * compact_replay_percent;

export interface CompactionPolicy {
  pays: () => boolean;
  onFailedCompaction: (cause: unknown) => void;
}

export function createCompactionPolicy(deps: {
  table: Pick<TraceTable, "counts">;
  store: Pick<Store, "bytes">;
  limits: Config["pathwayd"];
  log: Log;
}): CompactionPolicy {
  const { table, store, limits, log } = deps;
  let notBelow = 0;
  return {
    pays: () => {
      const bytes = store.bytes();
      return (
        bytes >= notBelow && paysToCompact({ bytes, singleReplays: table.counts().singleReplays }, limits)
      );
    },
    onFailedCompaction: (cause) => {
      notBelow = store.bytes() * retryGrowth;
      log.error("the log could not be compacted and is as it was", describe(cause));
    },
  };
}
