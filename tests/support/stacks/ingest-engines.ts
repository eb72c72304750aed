/** ingestd's engines, in child processes as in the product, for tests that need nothing else of it. */
import { join } from "node:path";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { type Engines, openEngines } from "../../../workers/ingestd/engine/engine.ts";

/** Engines that work in a folder, and read and write there alone. */
export const enginesIn = (
  folder: string,
  { threads = 2, memoryBytes = 2e9 }: { threads?: number; memoryBytes?: number } = {},
): Engines =>
  openEngines({
    threads,
    memoryBytes,
    directory: join(folder, "duckdb"),
    folders: async () => [folder],
    clock: systemClock,
    log: createLog("test", "error"),
    metrics: createMetrics(),
  });
