/** What is kept of every operation: counters, and the journal of failures. */
export { decodeLine, linesBackwards, openErrorJournal } from "./journal.ts";
export { createOperations, type Operation, type Operations } from "./operations.ts";
