/** Traces in memory: the changes that made them, and what each is or was at a time. */
export { type Change, type Erased, fromSteps, LogRecord, linesOf, logFormat, type Scope } from "./change.ts";
export { type Contents, checkContent, checkTexts, checkVector, isSame, isSameContent } from "./content.ts";
export { createContentIndex } from "./content-index.ts";
export { erasedOf, renaming, statesOf } from "./erasure.ts";
export { type Facts, factsOf } from "./facts.ts";
export { advance, erasedUid, type Head, isLive, normOf, traceOf, unknownUid } from "./head.ts";
export { createTimes, formatTime, parseTime, type Times } from "./instant.ts";
export { countOf, createSequences, describeRanges } from "./sequences.ts";
export { countUpTo, createTraceTable, type Entry, headAt, type TraceTable, textsOf } from "./table.ts";
