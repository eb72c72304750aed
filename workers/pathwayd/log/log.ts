/** The log on disk: its damage, its compaction, its backups and inspections, and what is counted. */
export { createCompactionPolicy } from "./compaction.ts";
export { durableLog } from "./inspection.ts";
export { gauges, statsOf } from "./stats.ts";
export { memoryPerByte, openStore, type Store } from "./store.ts";
