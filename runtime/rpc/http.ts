/** Calls between processes: `POST <url>/rpc/<verb>`. */

import type { CallOptions } from "../contract/contract.ts";
import { fail, fromWire, type WireError } from "../errors/errors.ts";
import { traceHeaders } from "../trace-context/trace-context.ts";
import { type BodyLimit, bytesOf, fetchAsSent } from "../upstream/upstream.ts";
import { decode, encode } from "./codec.ts";
import { type Call, type CallLimits, deadline, rpcMediaType, tooMany } from "./transport.ts";
import { fetchFailure } from "./unanswered.ts";

/** Services reach each other without the proxy that HTTP_PROXY may name: it would see tokens and know no loopback. */
export const direct = { proxy: false } as unknown as RequestInit;

/** In another process, or on another host: `POST <url>/rpc/<verb>`. */
export const overHttp = (
  target: {
    peer: string;
    url: () => string;
    headers: Record<string, string>;
    isSafe?: (verb: string) => boolean;
  },
  limits: CallLimits,
): Call => {
  let inFlight = 0;
  return async (verb, input, options = {}) => {
    if (inFlight >= limits.inFlightMax) throw tooMany(target.peer, limits);
    const { signal, done } = deadline(options, limits, `${target.peer}.${verb}`);
    inFlight += 1;
    try {
      const response = await fetchAsSent(`${target.url()}/rpc/${verb}`, {
        method: "POST",
        body: encode(input),
        headers: rpcHeaders(target.headers, options),
        signal,
        ...direct,
      });
      return unwrap(target.peer, await bytesOf(response, replyLimit(target.peer)), response);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      if (cause instanceof Error && cause.name === "ServiceError") throw cause;
      throw fetchFailure(target.peer, target.isSafe?.(verb) ?? false, cause);
    } finally {
      inFlight -= 1;
      done();
    }
  };
};

/** Replies hold an object of storaged at most, as calls do, and that in memory of both sides. */
const replyBytesMax = 512 * 1024 * 1024;
const replyLimit = (peer: string): BodyLimit => ({
  bytesMax: replyBytesMax,
  tooMuch: () => fail("bad_gateway", `${peer} answered more than ${replyBytesMax} bytes`),
});

const rpcHeaders = (
  base: Record<string, string>,
  { requestId, idempotencyKey }: CallOptions,
): Record<string, string> => ({
  ...base,
  ...traceHeaders(),
  "content-type": rpcMediaType,
  ...(requestId && { "x-request-id": requestId }),
  ...(idempotencyKey && { "idempotency-key": idempotencyKey }),
});

function unwrap(peer: string, bytes: Uint8Array, response: Response): unknown {
  if (response.headers.get("content-type") === rpcMediaType) {
    const { value, error } = decode(bytes) as { value?: unknown; error?: WireError };
    if (error) throw fromWire(error);
    return value;
  }
  if (response.status === 401) throw refusedToken(peer);
  const refusal = refusalOf(bytes);
  if (refusal) throw fromWire(refusal);
  throw fail(
    "bad_gateway",
    `${peer} answered ${response.status} without an encoded reply: is its url right?`,
  );
}

/** The caller of this service can do nothing about it: its own token was right. */
export const refusedToken = (peer: string) =>
  fail("bad_gateway", `${peer} refuses the token of its callers: give every process the same auth.token`);

/** An error in the form of the public API, as auth and limits give it before a call is looked at. */
function refusalOf(bytes: Uint8Array): WireError | undefined {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof error?.type === "string" && typeof error.message === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
