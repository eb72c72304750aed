/** The record of operations: their log on disk, and what it adds up to. */
export { inspectOperations } from "./inspection.ts";
export { isTraceUid, operationOf } from "./intake.ts";
export type { FileMark, Marks } from "./line.ts";
export { measureOperations } from "./metrics.ts";
export type { EventInput, Operations } from "./operation.ts";
export { eventsPage, failuresPage } from "./pages.ts";
export { type OperationsStore, openOperations, type Taken } from "./store.ts";
