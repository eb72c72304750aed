/** How long a stop may take: all services share the time, level after level. */

import type { Config } from "../config/config.ts";
import type { Clock } from "../scheduling/scheduling.ts";

export interface StopLimits {
  /** For what runs, before it is cut off. */
  drainMs: number;
  /** For closing after that. */
  closeMs: number;
}

type Settings = Pick<Config["supervisor"], "stop_timeout_ms" | "heartbeat_ms">;

/**
 * What is left from now on, whenever it is asked: what runs in one level cannot lengthen the stop by the time of the
 * others. Closing has as long once more, and two heartbeats in any case, since it writes what must not be lost.
 */
export function stopLimits({ elapsed }: Pick<Clock, "elapsed">, settings: Settings): () => StopLimits {
  const { stop_timeout_ms: stopMs, heartbeat_ms: heartbeatMs } = settings;
  const began = elapsed();
  return () => {
    const passed = elapsed() - began;
    const drainMs = Math.max(0, stopMs - passed);
    return { drainMs, closeMs: Math.max(2 * heartbeatMs, 2 * stopMs - passed - drainMs) };
  };
}
