/** A transport is one function, `Call`. Everything here makes one or serves one. */

import { decode, encode } from "./codec.ts";
import type { CallContext, CallOptions, ClientOf, Contract } from "./contract.ts";
import { fail, fromWire, toWire, type WireError } from "./errors.ts";

export type Call = (verb: string, input: unknown, options?: CallOptions) => Promise<unknown>;
/** The serving side of a call: validates, runs, throws ServiceErrors. */
export type Invoke = (verb: string, input: unknown, context: CallContext) => Promise<unknown>;

export interface CallLimits {
  timeoutMs: number;
  inFlightMax: number;
}

interface PortCall {
  id: number;
  verb: string;
  input: unknown;
  requestId?: string;
  idempotencyKey?: string;
}
interface PortCancel {
  id: number;
  cancel: true;
}
interface PortReply {
  id: number;
  value?: unknown;
  error?: WireError;
}

/** The typed face of a transport, for exactly the verbs of the contract. */
export function client<C extends Contract>(contract: C, call: Call): ClientOf<C> {
  const verbs = Object.entries(contract.endpoints).filter(([, endpoint]) => endpoint.kind !== "raw");
  const face = verbs.map(([verb]) => [
    verb,
    (input: unknown, options?: CallOptions) => call(verb, input, options),
  ]);
  return Object.fromEntries(face) as ClientOf<C>;
}

/** In this thread. Values pass as they are; errors lose their private cause as on every other wire. */
export const overLocal =
  (invoke: Invoke, limits: CallLimits): Call =>
  async (verb, input, options = {}) => {
    const { signal, done } = deadline(options, limits, verb);
    try {
      signal.throwIfAborted();
      const work = answer(invoke, verb, input, contextOf(options, signal));
      const { value, error } = await untilAborted(work, signal);
      if (error) throw fromWire(error);
      return value;
    } finally {
      done();
    }
  };

/** A caller's end of a MessageChannel that survives its peer: a new port can be attached after a restart. */
export interface PortTransport {
  call: Call;
  attach: (port: MessagePort) => void;
  /** Rejects what is pending; later calls fail until `attach`. */
  detach: (reason: string) => void;
}

export function overPort(peer: string, limits: CallLimits): PortTransport {
  const waiting = new Map<number, (reply: PortReply) => void>();
  let current: MessagePort | undefined;
  let lastId = 0;

  const detach = (reason: string) => {
    current?.close();
    current = undefined;
    for (const settle of [...waiting.values()])
      settle({ id: 0, error: { type: "unavailable", message: reason, retry_after_seconds: 1 } });
  };

  const attach = (port: MessagePort) => {
    detach(`${peer} was replaced`);
    current = port;
    port.onmessage = ({ data }: MessageEvent<PortReply>) => waiting.get(data.id)?.(data);
    port.addEventListener("close", () => {
      if (current === port) detach(`${peer} went away`);
    });
  };

  const call: Call = async (verb, input, options = {}) => {
    const port = current;
    if (!port) throw fail("unavailable", `${peer} is not running`, { retryAfterSeconds: 1 });
    if (waiting.size >= limits.inFlightMax) throw tooMany(peer, limits);
    const { signal, done } = deadline(options, limits, `${peer}.${verb}`);
    if (signal.aborted) {
      done();
      throw signal.reason;
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = ++lastId;
    const settle = ({ value, error }: PortReply) => {
      waiting.delete(id);
      if (error) reject(fromWire(error));
      else resolve(value);
    };
    const cancel = () => {
      waiting.delete(id);
      port.postMessage({ id, cancel: true } satisfies PortCancel);
      reject(signal.reason);
    };
    waiting.set(id, settle);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const { requestId, idempotencyKey } = options;
      const message: PortCall = {
        id,
        verb,
        input,
        ...(requestId && { requestId }),
        ...(idempotencyKey && { idempotencyKey }),
      };
      port.postMessage(message, options.transfer ?? []);
      return await promise;
    } finally {
      waiting.delete(id);
      signal.removeEventListener("abort", cancel);
      done();
    }
  };
  return { call, attach, detach };
}

/** Serves calls that arrive on a port, until it closes. `inFlightMax` bounds what one caller may have open. */
export function servePort(port: MessagePort, invoke: Invoke, inFlightMax: number): void {
  const running = new Map<number, AbortController>();
  port.addEventListener("close", () => {
    for (const controller of running.values())
      controller.abort(fail("client_closed", "the caller went away"));
  });
  port.onmessage = ({ data }: MessageEvent<PortCall | PortCancel>) => {
    if ("cancel" in data) return running.get(data.id)?.abort(fail("client_closed", "the caller gave up"));
    if (running.size >= inFlightMax)
      return port.postMessage({ id: data.id, error: toWire(tooMany("this service", { inFlightMax })) });
    const controller = new AbortController();
    running.set(data.id, controller);
    void answer(invoke, data.verb, data.input, contextOf(data, controller.signal)).then((reply) => {
      running.delete(data.id);
      send(port, { id: data.id, ...reply });
    });
  };
}

function send(port: MessagePort, reply: PortReply): void {
  try {
    port.postMessage(reply, takeTransfer(reply.value));
  } catch {
    // The value cannot be cloned: without an answer the caller would wait for its deadline.
    port.postMessage({ id: reply.id, error: toWire(undefined) });
  }
}

/** In another process, or on another host: `POST <url>/rpc/<verb>`. */
export const overHttp = (
  target: { peer: string; url: () => string; headers: Record<string, string> },
  limits: CallLimits,
): Call => {
  let inFlight = 0;
  return async (verb, input, options = {}) => {
    if (inFlight >= limits.inFlightMax) throw tooMany(target.peer, limits);
    const { signal, done } = deadline(options, limits, `${target.peer}.${verb}`);
    inFlight += 1;
    try {
      const response = await fetch(`${target.url()}/rpc/${verb}`, {
        method: "POST",
        body: encode(input),
        headers: rpcHeaders(target.headers, options),
        signal,
      });
      return unwrap(target.peer, new Uint8Array(await response.arrayBuffer()), response);
    } catch (cause) {
      throw asCallError(target.peer, cause, signal);
    } finally {
      inFlight -= 1;
      done();
    }
  };
};

/** The media type of encoded calls and answers; a proxy's page or another server has another. */
export const rpcMediaType = "application/vnd.lakehouse.rpc";

const rpcHeaders = (
  base: Record<string, string>,
  { requestId, idempotencyKey }: CallOptions,
): Record<string, string> => ({
  ...base,
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
  const refusal = refusalOf(bytes);
  if (refusal) throw fromWire(refusal);
  throw fail(
    "bad_gateway",
    `${peer} answered ${response.status} without an encoded reply: is its url right?`,
  );
}

/** An error in the form of the public API, as auth and limits give it before a call is looked at. */
function refusalOf(bytes: Uint8Array): WireError | undefined {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof error?.type === "string" && typeof error.message === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}

function asCallError(peer: string, cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (cause instanceof Error && cause.name === "ServiceError") return cause;
  return fail("unavailable", `${peer} cannot be reached`, { cause, retryAfterSeconds: 1 });
}

/** Runs a call and gives its outcome as data; never rejects, never leaks an internal message. */
export const answer = (
  invoke: Invoke,
  verb: string,
  input: unknown,
  context: CallContext,
): Promise<{ value?: unknown; error?: WireError }> =>
  invoke(verb, input, context).then(
    (value) => ({ value }),
    (error) => ({ error: toWire(error) }),
  );

const handedOver = new WeakMap<object, ArrayBuffer[]>();

/** Marks buffers inside a reply as handed over: sent without a copy, not to be used again by the service. */
export function transferring<T extends object>(value: T, buffers: ArrayBuffer[]): T {
  handedOver.set(value, buffers);
  return value;
}
const takeTransfer = (value: unknown): ArrayBuffer[] =>
  typeof value === "object" && value !== null ? (handedOver.get(value) ?? []) : [];

const contextOf = (
  { requestId, idempotencyKey }: { requestId?: string; idempotencyKey?: string },
  signal: AbortSignal,
): CallContext => ({
  requestId: requestId ?? crypto.randomUUID(),
  signal,
  ...(idempotencyKey && { idempotencyKey }),
});

const tooMany = (peer: string, { inFlightMax }: { inFlightMax: number }) =>
  fail("overloaded", `more than ${inFlightMax} calls to ${peer} are open`, { retryAfterSeconds: 1 });

/** One signal for the caller's abort and the deadline; `done` releases the timer. */
function deadline(
  options: CallOptions,
  limits: { timeoutMs: number },
  what: string,
): { signal: AbortSignal; done: () => void } {
  const controller = new AbortController();
  const ms = options.timeoutMs ?? limits.timeoutMs;
  const timer = setTimeout(
    () => controller.abort(fail("deadline_exceeded", `${what} did not answer within ${ms} ms`)),
    ms,
  );
  const stop = () => controller.abort(fail("client_closed", `the call of ${what} was given up`));
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener("abort", stop, { once: true });
  const done = () => {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  };
  return { signal: controller.signal, done };
}

/** Rejects when the signal aborts, though the work may still be ending. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", stop));
}
