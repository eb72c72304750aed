/** `POST /rpc/:verb` for services in other processes, as an HTTP handler. */
import { bufferedResponse, readBytes } from "../bodies/bodies.ts";
import { type CallContext, matchPath, pathOf, type RawContext } from "../contract/contract.ts";
import { answer, decode, encode, type Invoke, rpcMediaType } from "../rpc/rpc.ts";
import type { Handler } from "./guard.ts";

/** Largest encoded call between processes, in bytes: an object of `storaged.write` with room to spare. */
const rpcBytesMax = 128 * 1024 * 1024;

export function rpcHandler(invoke: Invoke): Handler {
  return async (request, context) => {
    const verb = matchPath("/rpc/:verb", pathOf(request.url))?.verb ?? "";
    const input = decode(await readBytes(request, rpcBytesMax));
    const reply = await answer(invoke, verb, input, callOf(context));
    return bufferedResponse(encode(reply), { headers: { "content-type": rpcMediaType } });
  };
}

/** What a verb gets of a request beside its input. */
export const callOf = ({ requestId, signal, idempotencyKey }: RawContext): CallContext => ({
  requestId,
  signal,
  ...(idempotencyKey && { idempotencyKey }),
});
