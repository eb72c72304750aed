/** What is kept of every operation: counters, and the journal of failures. */
export { decodeLine, openErrorJournal } from "./journal.ts";
export { linesBackwards } from "./lines-backwards.ts";
export { createOperations, type Operation, type Operations } from "./operations.ts";
