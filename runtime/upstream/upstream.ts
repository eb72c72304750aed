/** Servers of others: the one way to ask them, and what their failures mean. */
export {
  type BodyLimit,
  bytesOf,
  fetchAsSent,
  fetchUpstream,
  limitBody,
  piecesOf,
  textOf,
  UnknownEncoding,
} from "./asking.ts";
export { hostOf, isNobodyThere, passedOnSeconds, quoted, retryAfterMs, rootOf } from "./failures.ts";
