/** Streams between a client and a service: unbuffered in both directions, aborts passed on. */

import {
  begunBody,
  bodyFailure,
  bufferedBody,
  isShortBody,
  shortBody,
} from "../../../runtime/bodies/bodies.ts";
import type { Contract, HttpRequest, Peer, RawContext } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";

/** Headers of one connection, not of the message (RFC 9110 §7.6.1); `host` and the token are the gateway's own. */
const connectionHeaders = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
const ofAnswers = new Set(connectionHeaders);
const ofRequests = new Set([...connectionHeaders, "host", "authorization", "expect", "x-request-id"]);

function forwarded(headers: Headers, drop: ReadonlySet<string>): [string, string][] {
  const named = headers
    .get("connection")
    ?.toLowerCase()
    .split(/[\s,]+/);
  return [...headers].filter(([name]) => !drop.has(name) && !named?.includes(name));
}

async function sentBody(request: HttpRequest): Promise<Uint8Array | ReadableStream<Uint8Array> | null> {
  if (request.headers.get("content-length") === "0") return null;
  try {
    return isShortBody(request) ? await shortBody(request) : await begunBody(request);
  } catch (cause) {
    if (request.signal.aborted) throw fail("client_closed", "the client went away", { cause });
    throw cause;
  }
}

export interface Proxied {
  name: string;
  peer: Peer<Contract>;
  /** Longest wait for the first byte of the answer. */
  timeoutMs: number;
}

/** Passes the request on to `path` of the service and gives its answer as it comes. */
export async function proxy(
  { name, peer, timeoutMs }: Proxied,
  path: string,
  { request, requestId, signal }: RawContext,
): Promise<Response> {
  const headers = forwarded(request.headers, ofRequests);
  headers.push(["x-request-id", requestId]);
  // The request is forwarded once a body arrives: silent callers cost the service nothing.
  const body = await sentBody(request);
  if (signal.aborted) throw fail("client_closed", "the client went away");
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(fail("deadline_exceeded", `${name} did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  const leave = () => controller.abort(fail("client_closed", "the client went away"));
  signal.addEventListener("abort", leave, { once: true });
  try {
    const { method } = request;
    const init = { method, headers, body, signal: controller.signal, duplex: "half" } as RequestInit;
    const response = await peer.fetch(path, init);
    // Made in this process, where there is no connection that its headers could be about.
    if (bufferedBody(response)) return response;
    return new Response(response.body, {
      status: response.status,
      headers: forwarded(response.headers, ofAnswers),
    });
  } catch (cause) {
    if (controller.signal.aborted) throw controller.signal.reason;
    const failure = bodyFailure(request);
    if (failure) throw failure;
    if (cause instanceof ServiceError) throw cause;
    throw fail("client_closed", "the client's body cannot be read", { cause });
  } finally {
    clearTimeout(timer);
  }
}
