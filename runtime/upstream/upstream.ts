/** Servers of others: the one way to ask them, and what their failures mean. */
import { isKnownEncoding, isPlain, unpacked } from "../bodies/bodies.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { currentTrace, inSpan, traceHeaders } from "../trace-context/trace-context.ts";

// Servers of others, asked by HTTP: the one way to ask them, and to read what they answer within a bound.

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
  const response = await fetchTraced(url, init);
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

/** In a span of its own, and with the trace's headers: the other server's spans stand below ours. */
function fetchTraced(url: string | URL, init: RequestInit): Promise<Response> {
  const trace = currentTrace();
  if (trace === undefined) return fetchAsSent(url, init);
  const { hostname } = new URL(url);
  const method = init.method ?? "GET";
  const attributes = { "http.request.method": method, "server.address": hostname };
  return inSpan(trace, { name: `${method} ${hostname}`, kind: "client", attributes }, async (span) => {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(traceHeaders() ?? {})) headers.set(name, value);
    const response = await fetchAsSent(url, { ...init, headers });
    span.set({ "http.response.status_code": response.status });
    if (response.status >= 400) span.fail(`answered ${response.status}`);
    return response;
  });
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

// Servers of others: what their answers and failures mean, whatever they serve.

/** Host and port of a URL: what may be shown, for a URL can hold a password. */
export const hostOf = (url: string): string => new URL(url).host;

const wordsMax = 300;
/** Forms of keys that providers give out, for answers that repeat one they were not given by us. */
const keyForms = /\b(sk|pk|key|Bearer)[-_ ][A-Za-z0-9_-]{12,}/g;

/** A server's message as ours quote it: one line, at most 300 characters, without keys. */
export function quoted(words: string, key?: string): string {
  const hidden = key ? words.replaceAll(key, "[hidden]") : words;
  const line = hidden
    .slice(0, 4 * wordsMax)
    .replace(keyForms, "[hidden]")
    .replace(/<[^>]*>/g, " ")
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim();
  return line.length > wordsMax ? `${line.slice(0, wordsMax)}…` : line;
}

const nobodyThere = new Set([
  "ConnectionRefused",
  "ECONNREFUSED",
  "FailedToOpenSocket",
  "ENOTFOUND",
  "DNSException",
]);

/** What a fetch threw: packages wrap it, once or twice. */
export function rootOf(cause: unknown): unknown {
  let root = cause;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root;
}

/** True for the failure of a fetch where nobody listens: another try of the same address would not help. */
export function isNobodyThere(cause: unknown): boolean {
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === "string" && nobodyThere.has(code);
}

/** What a fetch that threw says of its server, for people; `again` where another try may help: the connection broke. */
export function connectionFault(
  cause: unknown,
  { name, url, about, advice }: { name: string; url: string; about: string; advice: string },
): { message: string; again: boolean } {
  if (isNobodyThere(cause))
    return { message: `${name} cannot be reached at ${hostOf(url)}${about}: ${advice}`, again: false };
  const who = `${name} at ${hostOf(url)}`;
  if (cause instanceof UnknownEncoding) return { message: `${who}${about}: ${cause.message}`, again: false };
  return { message: `${who} broke off its answer${about}`, again: true };
}

/**
 * What a server asks to wait, in milliseconds, by `retry-after-ms` (OpenAI's) or `Retry-After` in seconds or as a date
 * (RFC 9110 §10.2.3); undefined when it says nothing or nonsense.
 */
export function retryAfterMs(headers: Headers, clock: Pick<Clock, "now">): number | undefined {
  const inMs = numberIn(headers.get("retry-after-ms"));
  if (inMs !== undefined) return inMs;
  const text = headers.get("retry-after")?.trim() ?? "";
  const isDate = /^[A-Z][a-z]{2}, .* GMT$/.test(text);
  const waitMs = isDate ? Date.parse(text) - clock.now() : (numberIn(text) ?? Number.NaN) * 1000;
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}

function numberIn(text: string | null): number | undefined {
  const found = /^\d{1,9}(\.\d+)?$/.exec(text ?? "");
  return found ? Number(found[0]) : undefined;
}

const dayOfSeconds = 86_400;

/** The same for our own `Retry-After`: whole seconds, at least 1, at most a day. */
export const passedOnSeconds = (waitMs: number | undefined): number =>
  Math.min(dayOfSeconds, Math.max(1, Math.ceil((waitMs ?? 1000) / 1000)));
