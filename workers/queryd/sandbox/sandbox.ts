/** Which statements may run: decided on the syntax tree, by lists of names, and once more on the bound plan. */
export { type Analysis, createAnalysis, type Verdict } from "./analysis.ts";
export { checkBound } from "./bound-plan.ts";
export { jsonGuardStatements } from "./json-guards.ts";
export { isAllowedFunction } from "./name-lists.ts";
export type { Cost } from "./syntax-tree.ts";
export { guardStatements } from "./value-guards.ts";
