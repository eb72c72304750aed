/**
 * HTTP exchanges over a MessagePort: what `Peer.fetch` is between services of one process. Requests and answers have
 * the meaning they have over a socket: bodies are streams with backpressure, going away is noticed, an answer that
 * breaks off is an error and never an end.
 */

import { bufferedResponse } from "../bodies/bodies.ts";
import { fail, fromWire, type ServiceError, toWire, type WireError } from "../errors/errors.ts";
import { traceHeaders } from "../trace-context/trace-context.ts";
import {
  type BodyFrame,
  type IncomingBody,
  incomingBody,
  type OutgoingBody,
  outgoingBody,
  readSoon,
} from "./body-port.ts";

export interface RequestHead {
  method: string;
  path: string;
  headers: [string, string][];
}
export interface ResponseHead {
  status: number;
  headers: [string, string][];
}
/** The body: buffered, in frames that follow, or none. */
export interface Content {
  buffered?: Uint8Array;
  streamed?: true;
}

export type Frame = { exchange: number } & (
  | ({ open: RequestHead } & Content)
  | ({ head: ResponseHead } & Content)
  /** Of the request's body when it comes from the caller, of the answer's when it comes from the service; credit for the other. */
  | { body: BodyFrame }
  /** Nothing more is to be done: from the caller it went away, from the service it failed. */
  | { over: WireError }
);

export const isExchange = (data: unknown): data is Frame =>
  typeof data === "object" && data !== null && "exchange" in data;

/** The calling end of exchanges, over whichever port is attached. */
export interface Exchanges {
  fetch: (path: string, init?: RequestInit) => Promise<Response>;
  take: (frame: Frame) => void;
  attach: (port: MessagePort) => void;
  /** Fails what is open, each with its own reason. */
  detach: (reasonOf: (method: string, path: string) => ServiceError) => void;
}

/** One exchange as its caller has it. */
export interface Open {
  take: (frame: Frame) => void;
  fail: (reason: ServiceError) => void;
}

export function createExchanges(peer: string, inFlightMax: number): Exchanges {
  const open = new Map<number, Open & { sent: { method: string; path: string } }>();
  let port: MessagePort | undefined;
  let lastId = 0;
  return {
    attach: (next) => {
      port = next;
    },
    detach: (reasonOf) => {
      port = undefined;
      for (const { sent, fail } of [...open.values()]) fail(reasonOf(sent.method, sent.path));
    },
    take: (frame) => open.get(frame.exchange)?.take(frame),
    fetch: async (path, init = {}) => {
      const own = port;
      if (own === undefined) throw fail("unavailable", `${peer} is not running`, { retryAfterSeconds: 1 });
      if (open.size >= inFlightMax)
        throw fail("overloaded", `more than ${inFlightMax} requests to ${peer} are open`, {
          retryAfterSeconds: 1,
        });
      init.signal?.throwIfAborted();
      const id = ++lastId;
      const { promise, resolve, reject } = Promise.withResolvers<Response>();
      const exchange = caller(own, id, init.signal ?? undefined, {
        answer: resolve,
        refuse: reject,
        end: () => open.delete(id),
      });
      open.set(id, { ...exchange, sent: { method: init.method ?? "GET", path } });
      void exchange.begin(path, init);
      return promise;
    },
  };
}

interface Outcome {
  answer: (response: Response) => void;
  refuse: (reason: unknown) => void;
  /** Neither body is under way any more. */
  end: () => void;
}

const goneAway = toWire(fail("client_closed", "the caller went away"));

function caller(port: MessagePort, id: number, signal: AbortSignal | undefined, outcome: Outcome) {
  const post = (frame: object, transfer: ArrayBuffer[] = []) =>
    port.postMessage({ exchange: id, ...frame }, transfer);
  let incoming: IncomingBody | undefined;
  let outgoing: OutgoingBody | undefined;
  let isOver = false;
  const end = () => {
    isOver = true;
    signal?.removeEventListener("abort", leave);
    outgoing?.stop("the exchange is over");
    outcome.end();
  };
  const give = (reason: unknown, error: ServiceError) => {
    if (isOver) return;
    incoming?.fail(error);
    outcome.refuse(reason);
    end();
  };
  /** The reader of the answer has cancelled. */
  const forget = () => {
    post({ over: goneAway });
    end();
  };
  const leave = () => {
    post({ over: goneAway });
    give(signal?.reason, fail("client_closed", "the request was given up"));
  };
  signal?.addEventListener("abort", leave, { once: true });

  const answered = ({ head, buffered, streamed }: { head: ResponseHead } & Content) => {
    if (streamed) {
      incoming = incomingBody((body) => ("cancel" in body ? forget() : post({ body })));
      return outcome.answer(new Response(incoming.stream, head));
    }
    outcome.answer(buffered?.length ? bufferedResponse(buffered, head) : new Response(null, head));
    end();
  };
  return {
    fail: (error: ServiceError) => give(error, error),
    take: (frame: Frame) => {
      if ("head" in frame) answered(frame);
      else if ("over" in frame) give(fromWire(frame.over), fromWire(frame.over));
      else if ("body" in frame) {
        const { body } = frame;
        if ("taken" in body || "cancel" in body) return outgoing?.take(body);
        incoming?.take(body);
        if ("end" in body || "broken" in body) end();
      }
    },
    begin: async (path: string, { method = "GET", headers, body }: RequestInit) => {
      const head: RequestHead = { method, path, headers: pairsOf(headers) };
      try {
        const { content, rest } = await contentOf(body, head.headers);
        if (isOver) return void rest?.reader.cancel().catch(() => undefined);
        post({ open: head, ...content });
        if (rest)
          outgoing = outgoingBody(rest.reader, (frame, transfer) => post({ body: frame }, transfer), {
            first: rest.first,
            handOver: true,
          });
      } catch (error) {
        give(error, fail("client_closed", "the body cannot be read"));
      }
    },
  };
}

/** Pairs are taken as they are: they were just read from other headers. */
const pairsOf = (headers: RequestInit["headers"]): [string, string][] => {
  const pairs = Array.isArray(headers) ? (headers as [string, string][]) : [...new Headers(headers)];
  const trace = traceHeaders();
  // The work's own: what is passed on is the caller's.
  return trace
    ? [...pairs.filter(([name]) => name !== "traceparent" && name !== "tracestate"), ...Object.entries(trace)]
    : pairs;
};

export interface Rest {
  reader: ReadableStreamDefaultReader<Uint8Array>;
  first: Uint8Array[];
}

/** A body that is there already travels with the head; one that is slow to begin does not hold the head up. */
async function contentOf(
  body: RequestInit["body"],
  headers: [string, string][],
): Promise<{ content: Content; rest?: Rest }> {
  if (body === undefined || body === null) return { content: {} };
  if (body instanceof Uint8Array) return { content: { buffered: body } };
  const response = new Response(body);
  const has = (name: string) => headers.some(([each]) => each === name);
  const type = response.headers.get("content-type");
  if (type !== null && !has("content-type")) headers.push(["content-type", type]);
  if (body instanceof Blob && !has("content-length")) headers.push(["content-length", String(body.size)]);
  const { soon, reader } = await readSoon((response.body as ReadableStream<Uint8Array>).getReader());
  if (soon === undefined) return { content: { streamed: true }, rest: { reader, first: [] } };
  if (soon.done) return { content: { buffered: new Uint8Array() } };
  const length = headers.find(([name]) => name === "content-length")?.[1];
  if (length === String(soon.value.length)) return { content: { buffered: soon.value } };
  return { content: { streamed: true }, rest: { reader, first: [soon.value] } };
}
