/** Child processes of commands: a program, a step of the set-up, the product. They import Bun built-ins only: the packages may be missing. */
export { type Child, NotStarted, startChild } from "./child.ts";
export { messageOf, run } from "./run.ts";
export { runStep, type Say } from "./step.ts";
