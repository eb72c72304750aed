/**
 * Bodies of requests while they arrive. All are read here: a silent caller is given up, and a request that only waits
 * for its caller is not counted among those that are served.
 */

import type { HttpRequest } from "../contract/contract.ts";
import { fail, type ServiceError } from "../errors/errors.ts";
import type { Clock } from "../scheduling/scheduling.ts";

/** What the listener that a request came to knows of waiting. */
export interface Arrivals {
  clock: Pick<Clock, "elapsed" | "after">;
  /** Longest wait for a first byte and between two, or for a short body whole; undefined: no end. */
  silenceMs: number | undefined;
  /** The waits that go on. */
  waits: Set<Wait>;
  /** Throws `overloaded` where what has arrived cannot be served now. */
  admit: () => void;
}

/** One wait for a caller. */
interface Wait {
  /** On the monotonic clock. */
  since: number;
  giveUp: (failure: ServiceError) => void;
}

interface Arrival extends Arrivals {
  bytes: number;
  waitedMs: number;
  failure?: ServiceError;
}

const arrivals = new WeakMap<HttpRequest, Arrival>();

/** Reading this request's body waits by these rules from now on. */
export const watchBody = (request: HttpRequest, rules: Arrivals): void =>
  void arrivals.set(request, { ...rules, bytes: 0, waitedMs: 0 });

/** Why the body was given up, when it was. */
export const bodyFailure = (request: HttpRequest): ServiceError | undefined => arrivals.get(request)?.failure;

/** How long callers may be silent while the service stops, in milliseconds. */
const stoppingSilenceMs = 1000;

/** Gives up the waits for callers that are silent while the service stops: they must not hold it. */
export function giveUpSilent({ waits, clock }: Pick<Arrivals, "waits" | "clock">): void {
  for (const { since, giveUp } of waits)
    if (clock.elapsed() - since >= stoppingSilenceMs)
      giveUp(
        fail("unavailable", "the service stops and does not wait for the rest of the body; send it again", {
          retryAfterSeconds: 1,
        }),
      );
}

/** Bodies announced as this short are read whole: reading a stream costs more than the wait. */
const shortBytesMax = 64 * 1024;

export const isShortBody = ({ headers }: HttpRequest): boolean => {
  const announced = headers.get("content-length");
  return announced !== null && Number(announced) <= shortBytesMax;
};

/** The whole of a short body. Throws `timeout` when it is not there in time. */
export async function shortBody(request: HttpRequest): Promise<Uint8Array> {
  const arrival = arrivals.get(request);
  if (!arrival) return request.bytes();
  const announced = request.headers.get("content-length");
  const bytes = await within(arrival, arrival.silenceMs, request.bytes(), () => {
    return `expected a body of ${announced} bytes within ${arrival.silenceMs} ms, and it has not arrived`;
  });
  arrival.admit();
  return bytes;
}

/** The body as a stream; null: there is none. Silence breaks it with `timeout`. */
export function bodyOf(request: HttpRequest): ReadableStream<Uint8Array> | null {
  const { body } = request;
  const arrival = arrivals.get(request);
  if (body === null || !arrival) return body;
  const reader = body.getReader();
  return streamOf(reader, () => next(arrival, reader));
}

/** The same once its first bytes are there: until then its caller costs nothing but a connection. */
export async function begunBody(request: HttpRequest): Promise<ReadableStream<Uint8Array> | null> {
  const { body } = request;
  const arrival = arrivals.get(request);
  if (body === null || !arrival) return body;
  const reader = body.getReader();
  let first: Promise<Read> | undefined = next(arrival, reader);
  // Other failures reach whoever reads the stream.
  await first.catch((error) => {
    if (error === arrival.failure) throw error;
  });
  arrival.admit();
  return streamOf(reader, () => {
    const read = first ?? next(arrival, reader);
    first = undefined;
    return read;
  });
}

const streamOf = (reader: Reader, read: () => Promise<Read>): ReadableStream<Uint8Array> =>
  new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { value, done } = await read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );

type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Read = Awaited<ReturnType<Reader["read"]>>;

/**
 * Slower than this on average, a body is given up: single bytes now and then are no progress. What Apache's
 * mod_reqtimeout asks for by default. Only the time counts in which we wait, not that in which the caller does.
 */
const bytesPerSecondMin = 500;

async function next(arrival: Arrival, reader: Reader): Promise<Read> {
  const { silenceMs, clock } = arrival;
  const began = clock.elapsed();
  const allowedMs =
    silenceMs === undefined
      ? undefined
      : Math.min(silenceMs, silenceMs + (arrival.bytes / bytesPerSecondMin) * 1000 - arrival.waitedMs);
  const read = await within(
    arrival,
    allowedMs,
    reader.read(),
    () =>
      `expected more of the body within ${silenceMs} ms and at least ${bytesPerSecondMin} bytes per second, and ${arrival.bytes} bytes came`,
  );
  arrival.waitedMs += clock.elapsed() - began;
  arrival.bytes += read.value?.length ?? 0;
  return read;
}

/** How long what is there already has to be read: a process that was held finds the time over before it reads. */
const lastLookMs = 10;

/** Waits for what the caller sends. */
async function within<T>(
  arrival: Arrival,
  ms: number | undefined,
  sent: Promise<T>,
  expected: () => string,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const { clock, waits } = arrival;
  const giveUp = (failure: ServiceError) => {
    arrival.failure = failure;
    reject(failure);
  };
  const expire = () => giveUp(fail("timeout", `${expected()}; the request was given up, send it again`));
  let stop = () => {};
  const look = () => {
    stop = clock.after(lastLookMs, expire);
  };
  if (ms !== undefined) stop = clock.after(Math.max(0, ms), look);
  const wait = { since: clock.elapsed(), giveUp };
  waits.add(wait);
  try {
    return await Promise.race([sent, promise]);
  } finally {
    waits.delete(wait);
    stop();
  }
}
