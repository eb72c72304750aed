/** The record of operations: their log on disk, and what it adds up to. */
export { redacted } from "./erasure.ts";
export { inspectOperations } from "./inspection.ts";
export { type EventInput, isTraceUid, operationOf } from "./intake.ts";
export type { FileMark, Marks } from "./line.ts";
export type { LogFile } from "./log.ts";
export { measureOperations } from "./metrics.ts";
export { eventsPage, failuresPage } from "./pages.ts";
export { type MarkedEvent, type Operations, type OperationsStore, openOperations } from "./store.ts";
