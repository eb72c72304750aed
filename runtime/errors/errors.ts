/** What goes wrong, as callers and operators see it: the table of error types, OpenAI's form of them, what stops a start, and what a wrong name may have meant. */
export { ConfigError } from "./config-error.ts";
export { namesInHeader, openAiError } from "./openai-error.ts";
export { peerError } from "./peer-error.ts";
export {
  type ErrorExtra,
  type ErrorType,
  errorBody,
  fail,
  final,
  fromWire,
  invalidField,
  isNothingDone,
  ServiceError,
  toWire,
  unlessGone,
  type WireError,
} from "./service-error.ts";
export { suggestionsFor } from "./suggestions.ts";
