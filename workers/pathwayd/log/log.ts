/** The log on disk: its damage, its compaction, its backups and inspections, and what is counted. */

export { durableLog } from "./inspection.ts";
export { createCompactionPolicy, gauges, memoryPerByte, openStore, type Store, statsOf } from "./store.ts";
