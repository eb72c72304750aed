/** vectord's engines, for tests that need nothing else of it. */
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import type { Engines } from "../../../workers/vectord/engine/interface.ts";
import { type EnginesOptions, openEngines } from "../../../workers/vectord/threads/threads.ts";

export const testEngines = (options: Partial<EnginesOptions> = {}): Promise<Engines> =>
  openEngines({
    threads: 1,
    maxWaiting: 1024,
    hnswEngine: "usearch",
    trainingBytesMax: 2e9,
    clock: systemClock,
    log: createLog("vectord", "error"),
    metrics: createMetrics(),
    ...options,
  });
