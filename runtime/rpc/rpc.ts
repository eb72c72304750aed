/** Calls between services: in a thread, over a MessagePort, over a socket or over HTTP, with streamed bodies. */
export { readSoon } from "./body-port.ts";
export { decode, encode } from "./codec.ts";
export { direct, overHttp, refusedToken } from "./http.ts";
export { counted, createInvoke } from "./invoke.ts";
export { openSocketPort } from "./socket-port.ts";
export {
  answer,
  type Call,
  type CallLimits,
  client,
  type Invoke,
  overPort,
  type PortTransport,
  rpcMediaType,
  type Safe,
  servePort,
  transferring,
} from "./transport.ts";
export { fetchFailure, isSafeRequest, unanswered } from "./unanswered.ts";
