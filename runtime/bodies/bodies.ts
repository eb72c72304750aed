/** Bodies of requests and answers: waited for, bounded, decompressed, and passed on without a stream where they are there already. */
export { encodeAnswer } from "./answer-encoding.ts";
export {
  bufferedBody,
  bufferedContent,
  bufferedRequest,
  bufferedResponse,
  jsonResponse,
} from "./buffered.ts";
export { isKnownEncoding, isPlain, unpacked } from "./content-encoding.ts";
export { readBytes, readJson, readJsonObject, refuseLongBody, tooLarge } from "./json-body.ts";
export {
  type Arrivals,
  begunBody,
  bodyFailure,
  bodyOf,
  giveUpSilent,
  isShortBody,
  shortBody,
  watchBody,
} from "./request-body.ts";
