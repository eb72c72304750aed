/** Changes: decided one after another, stored in batches, answered once they are durable. */
export type { Draft } from "./draft.ts";
export { planAdd, planAddIdempotent, planReplay, planRetire, planRevise, planUpdate } from "./plan.ts";
export { operationsFound, resuming, type Write } from "./resume.ts";
export { createWriter, type Writer } from "./writer.ts";
