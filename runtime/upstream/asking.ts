/** Servers of others, asked by HTTP: the one way to ask them, and to read what they answer within a bound. */

import { isKnownEncoding, isPlain, unpacked } from "../bodies/bodies.ts";
import type { Clock } from "../scheduling/scheduling.ts";

/** A content coding that nobody here can read. */
export class UnknownEncoding extends Error {}

/** `fetch` with the bytes as they were sent. Redirects are not followed: keys are for the address they were given for. */
export const fetchAsSent = (url: string | URL, init: RequestInit = {}): Promise<Response> =>
  fetch(url, { ...init, redirect: "manual", decompress: false } as RequestInit);

/**
 * The same unpacked as it is read. Bun's own makes each piece that comes whatever it unpacks to, so that a megabyte of
 * gzip is a gigabyte at once. Throws UnknownEncoding beside what `fetch` throws.
 */
export async function fetchUpstream(url: string | URL, init: RequestInit = {}): Promise<Response> {
  const response = await fetchAsSent(url, init);
  const encoding = response.headers.get("content-encoding");
  if (encoding === null || isPlain(encoding) || !response.body) return response;
  if (!isKnownEncoding(encoding)) {
    await response.body.cancel();
    throw new UnknownEncoding(`the answer's content encoding '${encoding.slice(0, 40)}' is not known here`);
  }
  const headers = new Headers(response.headers);
  // They were true of the packed body.
  headers.delete("content-encoding");
  headers.delete("content-length");
  const { status, statusText } = response;
  return new Response(unpacked(response.body, encoding), { status, statusText, headers });
}

export interface BodyLimit {
  bytesMax: number;
  /** What is thrown beyond it. */
  tooMuch: () => Error;
}

const announced = (response: Response): number =>
  Number(response.headers.get("content-length") ?? Number.NaN);

/** The whole body. Throws beyond the bound, before reading where that is announced. */
export async function bytesOf(response: Response, limit: BodyLimit): Promise<Uint8Array> {
  if (announced(response) > limit.bytesMax) {
    await response.body?.cancel();
    throw limit.tooMuch();
  }
  if (announced(response) >= 0) return response.bytes();
  const chunks: Uint8Array[] = [];
  for await (const chunk of piecesOf(response, limit)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The whole body as text. */
export const textOf = async (response: Response, limit: BodyLimit): Promise<string> =>
  new TextDecoder().decode(await bytesOf(response, limit));

/** How long a server may take to close an answer after its last byte. */
const closingMs = 50;

interface Pieces {
  /** Whether the answer is complete although its body has not ended. */
  isComplete: () => boolean;
  clock: Pick<Clock, "after">;
}

/**
 * The body's bytes as they come. A reader that stops early cancels the rest; where the answer is complete already, its
 * end is awaited for a moment in the background, so that the connection can be used again.
 */
export async function* piecesOf(
  response: Response,
  limit: BodyLimit,
  pieces?: Pieces,
): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let bytes = 0;
  let isEnded = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isEnded = done;
      if (done) return;
      bytes += value.length;
      if (bytes > limit.bytesMax) throw limit.tooMuch();
      yield value;
    }
  } finally {
    const leave = () => void reader.cancel().catch(() => undefined);
    if (!isEnded && pieces?.isComplete()) {
      const stop = pieces.clock.after(closingMs, leave);
      void reader
        .read()
        .then(({ done }) => (done ? undefined : leave()), leave)
        .finally(stop);
    } else if (!isEnded) leave();
  }
}

/** The same answer, whose body fails beyond the bound: for answers that a package reads. */
export function limitBody(response: Response, limit: BodyLimit): Response {
  if (!response.body || announced(response) <= limit.bytesMax) return response;
  const pieces = piecesOf(response, limit);
  const counted = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void (await pieces.return(undefined)),
    },
    { highWaterMark: 0 },
  );
  const { status, headers } = response;
  return new Response(counted, { status, headers });
}
