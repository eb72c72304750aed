/** A transport is one function, `Call`. Everything here makes one or serves one. */

import type { CallContext, CallOptions, ClientOf, Contract } from "../contract/contract.ts";
import { fail, fromWire, type ServiceError, toWire, type WireError } from "../errors/errors.ts";
import { inTrace, type TraceHeaders, traceHeaders, traceOf } from "../trace-context/trace-context.ts";
import { createExchanges, type Exchanges, isExchange } from "./exchange.ts";
import { serveExchanges } from "./exchange-server.ts";
import { unanswered } from "./unanswered.ts";

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
  trace?: TraceHeaders;
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

/** A caller's end of a MessageChannel that survives its peer: a new port can be attached after a restart. */
export interface PortTransport {
  call: Call;
  fetch: Exchanges["fetch"];
  attach: (port: MessagePort) => void;
  /**
   * Rejects what is pending; later calls fail until `attach`. For a reason in words what is safe is `unavailable` and
   * the outcome of all else unknown.
   */
  detach: (reason: string | ServiceError) => void;
}

/** What may be asked again without doing anything twice. */
export interface Safe {
  verb: (verb: string) => boolean;
  request: (method: string, path: string) => boolean;
}
const nothingSafe: Safe = { verb: () => false, request: (method) => method === "GET" || method === "HEAD" };

export function overPort(peer: string, limits: CallLimits, safe: Safe = nothingSafe): PortTransport {
  const waiting = new Map<number, { verb: string; settle: (reply: PortReply) => void }>();
  const exchanges = createExchanges(peer, limits.inFlightMax);
  let current: MessagePort | undefined;
  let lastId = 0;

  const detach = (reason: string | ServiceError) => {
    current?.close();
    current = undefined;
    const errorOf = (isSafe: boolean) => (typeof reason === "string" ? unanswered(reason, isSafe) : reason);
    for (const { verb, settle } of [...waiting.values()])
      settle({ id: 0, error: toWire(errorOf(safe.verb(verb))) });
    exchanges.detach((method, path) => errorOf(safe.request(method, path)));
  };

  const attach = (port: MessagePort) => {
    detach(`${peer} was replaced`);
    current = port;
    exchanges.attach(port);
    port.onmessage = ({ data }: MessageEvent) =>
      isExchange(data) ? exchanges.take(data) : waiting.get(data.id)?.settle(data);
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
    waiting.set(id, { verb, settle });
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const { requestId, idempotencyKey } = options;
      const trace = traceHeaders();
      const message: PortCall = {
        id,
        verb,
        input,
        ...(requestId && { requestId }),
        ...(idempotencyKey && { idempotencyKey }),
        ...(trace && { trace }),
      };
      sendCall(port, message, options.transfer ?? []);
      return await promise;
    } finally {
      waiting.delete(id);
      signal.removeEventListener("abort", cancel);
      done();
    }
  };
  return { call, fetch: exchanges.fetch, attach, detach };
}

/** Cloning recurses: what nests some 100,000 levels deep does not pass. */
function sendCall(port: MessagePort, message: PortCall, transfer: ArrayBuffer[]): void {
  try {
    port.postMessage(message, transfer);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw fail("bad_request", "the request nests too deep", { cause });
  }
}

interface PortServing {
  invoke: Invoke;
  /** Answers requests, as a socket's would be. */
  fetch: (request: Request) => Promise<Response>;
  /** What one caller may have open, of calls and of requests. */
  inFlightMax: number;
}

/** Serves what arrives on a port, until it closes. `idle` resolves when no request is open. */
export function servePort(
  port: MessagePort,
  { invoke, fetch, inFlightMax }: PortServing,
): { idle: () => Promise<void> } {
  const running = new Map<number, AbortController>();
  const exchanges = serveExchanges(port, fetch, inFlightMax);
  port.addEventListener("close", () => {
    exchanges.close();
    for (const controller of running.values())
      controller.abort(fail("client_closed", "the caller went away"));
  });
  port.onmessage = ({ data }: MessageEvent) => {
    if (isExchange(data)) return exchanges.take(data);
    take(data);
  };
  const take = (data: PortCall | PortCancel) => {
    if ("cancel" in data) return running.get(data.id)?.abort(fail("client_closed", "the caller gave up"));
    if (running.size >= inFlightMax)
      return port.postMessage({ id: data.id, error: toWire(tooMany("this service", { inFlightMax })) });
    const controller = new AbortController();
    running.set(data.id, controller);
    const trace = traceOf(data.trace?.traceparent, data.trace?.tracestate);
    const context = contextOf(data, controller.signal);
    const answered = inTrace(trace, () => answer(invoke, data.verb, data.input, context));
    void answered.then((reply) => {
      running.delete(data.id);
      send(port, { id: data.id, ...reply });
    });
  };
  return { idle: exchanges.idle };
}

function send(port: MessagePort, reply: PortReply): void {
  try {
    port.postMessage(reply, takeTransfer(reply.value));
  } catch {
    // The value cannot be cloned: without an answer the caller would wait for its deadline.
    port.postMessage({ id: reply.id, error: toWire(undefined) });
  }
}

/** The media type of encoded calls and answers; a proxy's page or another server has another. */
export const rpcMediaType = "application/vnd.lakehouse.rpc";

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

/** The refusal of a caller that has too much open. */
export const tooMany = (peer: string, { inFlightMax }: { inFlightMax: number }) =>
  fail("overloaded", `more than ${inFlightMax} calls to ${peer} are open`, { retryAfterSeconds: 1 });

/** One signal for the caller's abort and the deadline; `done` releases the timer. */
export function deadline(
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
