/** Changes: decided one after another, stored in batches, answered once they are durable. */
export { type TraceErasure, traceErasure } from "./erasure.ts";
export { operationsFound } from "./resume.ts";
export { writeVerbs } from "./verbs.ts";
export { createWriter, type Writer } from "./writer.ts";
