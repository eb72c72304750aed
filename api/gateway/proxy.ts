/** Streams between a client and a service: unbuffered in both directions, aborts passed on. */
import type { Contract, Peer, RawContext } from "../../runtime/contract.ts";
import { fail, ServiceError } from "../../runtime/errors.ts";

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
const requestOnly = ["host", "authorization", "expect"];

function forwarded(headers: Headers, drop: readonly string[]): Headers {
  const copy = new Headers(headers);
  const named = (headers.get("connection") ?? "").split(",").map((name) => name.trim());
  for (const name of [...connectionHeaders, ...drop, ...named]) if (/^[\w-]+$/.test(name)) copy.delete(name);
  return copy;
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
  const headers = forwarded(request.headers, requestOnly);
  headers.set("x-request-id", requestId);
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(fail("deadline_exceeded", `${name} did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  const leave = () => controller.abort(fail("client_closed", "the client went away"));
  signal.addEventListener("abort", leave, { once: true });
  try {
    const { method, body } = request;
    const init = { method, headers, body, signal: controller.signal, duplex: "half" } as RequestInit;
    const response = await peer.fetch(path, init);
    return new Response(response.body, { status: response.status, headers: forwarded(response.headers, []) });
  } catch (cause) {
    if (controller.signal.aborted) throw controller.signal.reason;
    if (cause instanceof ServiceError) throw cause;
    throw fail("unavailable", `${name} cannot be reached`, { cause, retryAfterSeconds: 1 });
  } finally {
    clearTimeout(timer);
  }
}
