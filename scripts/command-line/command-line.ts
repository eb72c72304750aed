/** What operators' commands share: their words, their progress bar and their way to a running product. */
export {
  type ConfigWords,
  configOf,
  gatewayOf,
  listening,
  readWords,
  UsageError,
  type Words,
} from "./arguments.ts";
export { ask, BrokenOff, type Gateway, knock, linesOf } from "./gateway.ts";
export { createProgress, type ProgressBar } from "./progress.ts";
