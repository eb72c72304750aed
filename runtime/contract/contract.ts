/** Contracts: endpoints as data, and the checks derived from them. */
export {
  type CallContext,
  type CallOptions,
  type ClientOf,
  type Contract,
  closed,
  contract,
  del,
  type Endpoint,
  type ErrorForm,
  get,
  type HttpMethod,
  type InputOf,
  internal,
  isSafe,
  methodsOf,
  mutates,
  type Peer,
  type Place,
  patch,
  placesOf,
  post,
  prefixOf,
  put,
  type Raw,
  type RawContext,
  type RawOf,
  type ReplyOf,
  type Running,
  raw,
  t,
  type Verb,
  type VerbsOf,
} from "./endpoints.ts";
export type { Cell, Erasing, ErasureReport, Subject } from "./erasing.ts";
export {
  ErasureReported,
  ErasureRequest,
  erasureReasons,
  SubjectText,
  subjectCharactersMin,
  type Whom,
} from "./erasure.ts";
export { type HttpRequest, isMatch, matchPath, pathOf, searchOf } from "./route.ts";
export { Binary, Bytes, Events, nextPage, pageFields } from "./shapes.ts";
export { check, checkTable, fits, fromQuery, inputSchema } from "./validate.ts";
