/** The text of a statement: its kind, its tokens and parameters, and the text that runs in its place. */
export { boundedRowsMax, givesBoundedResult } from "./bounded-result.ts";
export { planText, readPlan } from "./explain.ts";
export { withValues } from "./literals.ts";
export {
  type GivenParameters,
  matchParameters,
  type Parameter,
  type ParameterType,
  type ParameterValue,
  parametersOf,
} from "./parameters.ts";
export {
  type Compiled,
  markedStatement,
  plainStatement,
  readStatement,
  type Source,
  type Statement,
} from "./statement.ts";
