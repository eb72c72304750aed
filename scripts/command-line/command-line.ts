/** What operators' commands share: their arguments, their progress bar and the client of a running product. */
export {
  type Arguments,
  type ConfigArguments,
  configOf,
  gatewayOf,
  listening,
  parseArguments,
  UsageError,
} from "./arguments.ts";
export { ask, askDurable, type Gateway, IncompleteAnswer, linesOf } from "./gateway.ts";
export { amountOf, createProgress, type ProgressBar } from "./progress.ts";
