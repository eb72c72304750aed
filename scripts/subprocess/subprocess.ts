/** Other programs that commands run: one to its end, a step of a set-up, the product itself. It imports Bun built-ins alone: the packages may be missing. */
export { type Child, NotStarted, startChild } from "./child.ts";
export { messageOf, run } from "./run.ts";
export { runStep, type Say } from "./step.ts";
