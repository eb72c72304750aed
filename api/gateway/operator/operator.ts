/** What operators ask of the product: its settings, its logs, what it depends on, and backups. */
export { createCommands } from "./commands.ts";
export { newestLines } from "./log.ts";
