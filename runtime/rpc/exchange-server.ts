/** The serving end of the exchanges of exchange.ts: frames become a request, and its answer becomes frames. */

import { bufferedBody, bufferedRequest } from "../bodies/bodies.ts";
import { fail, fromWire, type ServiceError, toWire } from "../errors/errors.ts";
import { incomingBody, type OutgoingBody, outgoingBody, readSoon } from "./body-port.ts";
import type { Content, Frame, Open, RequestHead, ResponseHead, Rest } from "./exchange.ts";

/** The serving end of exchanges on one port. */
interface ExchangeServer {
  take: (frame: Frame) => void;
  /** The caller is gone. */
  close: () => void;
  /** Resolves when nothing is open. */
  idle: () => Promise<void>;
}

/** Answers the requests of one caller by `fetch`. */
export function serveExchanges(
  port: MessagePort,
  fetch: (request: Request) => Promise<Response>,
  inFlightMax: number,
): ExchangeServer {
  const open = new Map<number, Open & { done: Promise<void> }>();
  return {
    take: (frame) => {
      const { exchange: id } = frame;
      if (!("open" in frame)) return open.get(id)?.take(frame);
      if (open.size >= inFlightMax) {
        const error = fail("overloaded", `more than ${inFlightMax} requests are open`, {
          retryAfterSeconds: 1,
        });
        return port.postMessage({ exchange: id, over: toWire(error) });
      }
      const served = answerOne(port, id, frame, fetch);
      open.set(id, served);
      void served.done.then(() => open.delete(id));
    },
    close: () => {
      for (const each of open.values()) each.fail(fail("client_closed", "the caller went away"));
    },
    idle: async () => {
      while (open.size > 0) await Promise.all([...open.values()].map(({ done }) => done));
    },
  };
}

function answerOne(
  port: MessagePort,
  id: number,
  { open, buffered, streamed }: { open: RequestHead } & Content,
  fetch: (request: Request) => Promise<Response>,
): Open & { done: Promise<void> } {
  const post = (frame: object) => port.postMessage({ exchange: id, ...frame });
  const incoming = streamed ? incomingBody((body) => post({ body })) : undefined;
  const controller = new AbortController();
  let outgoing: OutgoingBody | undefined;
  const give = (reason: ServiceError) => {
    controller.abort(reason);
    incoming?.fail(reason);
    outgoing?.stop(reason);
  };
  const respond = async () => {
    const { method, path, headers } = open;
    const url = `http://localhost${path}`;
    const init = { method, headers, signal: controller.signal };
    const request = buffered
      ? bufferedRequest(url, buffered, init)
      : new Request(url, {
          ...init,
          ...(incoming && { body: incoming.stream, duplex: "half" }),
        } as RequestInit);
    const response = await fetch(request);
    // The service did not read it to its end.
    if (incoming && !incoming.stream.locked) void incoming.stream.cancel();
    const head: ResponseHead = { status: response.status, headers: [...response.headers] };
    const known = bufferedBody(response);
    if (known) return post({ head, buffered: known });
    if (response.body === null) return post({ head });
    const reader = response.body.getReader();
    const begun = await begin(reader);
    if (begun.buffered) return post({ head, buffered: begun.buffered });
    post({ head, streamed: true });
    outgoing = outgoingBody(begun.reader, (frame) => post({ body: frame }), {
      first: begun.first,
      handOver: false,
    });
    if (controller.signal.aborted) outgoing.stop(controller.signal.reason);
    await outgoing.sent;
  };
  const done = respond()
    .catch((error) => post({ over: toWire(error) }))
    .finally(() => incoming?.fail(fail("client_closed", "the answer was given")));
  return {
    done,
    fail: give,
    take: (frame) => {
      if ("over" in frame) return give(fromWire(frame.over));
      if (!("body" in frame)) return;
      const { body } = frame;
      if ("taken" in body || "cancel" in body) outgoing?.take(body);
      else incoming?.take(body);
    },
  };
}

/** Reads the beginning of an answer: one that ends with its first chunk is sent in one piece. */
async function begin(
  answer: ReadableStreamDefaultReader<Uint8Array>,
): Promise<{ buffered: Uint8Array } | (Rest & { buffered?: undefined })> {
  const first = await answer.read();
  if (first.done) return { buffered: new Uint8Array() };
  const { soon, reader } = await readSoon(answer);
  if (soon?.done) return { buffered: first.value };
  return { first: soon ? [first.value, soon.value] : [first.value], reader };
}
