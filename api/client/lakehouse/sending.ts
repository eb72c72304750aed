/** Sends requests: the token, the deadline, and another try where nothing can be done twice. */
import { brokenOff, LakehouseError, refusal, silence } from "./failure.ts";

export interface ClientOptions {
  /** The gateway, as http://127.0.0.1:3110. */
  url: string;
  /** Or a function that is asked before each request, for tokens that change. */
  token?: string | (() => string | undefined);
  /** Tries beyond the first; 3 unless given, 0 for none. */
  retries?: number;
  /** Instead of the global one. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export interface RequestOptions {
  /** Ends the request, and the work behind it. */
  signal?: AbortSignal;
  /** A change that is asked for twice under one key is done once. A change with a key may be tried again. */
  idempotencyKey?: string;
  /** To find it by in the product's logs. */
  requestId?: string;
  headers?: Record<string, string>;
}

/** One request: where, and what. */
export interface Sent {
  method: string;
  /** With query. */
  path: string;
  body?: BodyInit | undefined;
  /** It changes nothing. */
  isSafe: boolean;
}

export type Send = (sent: Sent, options?: RequestOptions) => Promise<Response>;

const retriesDefault = 3;
/** The first pause where the product names none; each further one is twice as long. */
const pauseMsMin = 100;
/** The product's Retry-After is waited for up to here; a caller that wants to wait longer sees it in the error. */
const pauseMsMax = 30_000;

/** A product on this machine: no proxy of the environment may see its token. */
const isLoopback = (url: string): boolean =>
  /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);

export function createSend({ url, token, retries = retriesDefault, fetch: given }: ClientOptions): Send {
  const base = url.trim().replace(/\/+$/, "");
  if (!/^https?:\/\/[^/]/i.test(base) || !URL.canParse(base))
    throw new TypeError(`url: expected the gateway's address, as http://127.0.0.1:3110, got '${url}'`);
  const ask = given ?? ((to: string, init: RequestInit) => fetch(to, init));
  // Of Bun alone: neither its own deadline nor a proxy. Others take no notice of them.
  const platform = { timeout: false, ...(isLoopback(base) && { proxy: false }) };
  const once = async ({ method, path, body, isSafe }: Sent, options: RequestOptions): Promise<Response> => {
    const init: RequestInit = {
      ...platform,
      ...{ method, headers: headersOf(token, options, body), redirect: "error" },
      ...(body !== undefined && { body, ...(isStream(body) && { duplex: "half" }) }),
      ...(options.signal && { signal: options.signal }),
    };
    let response: Response;
    try {
      response = await ask(base + path, init);
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw silence(base, isSafe, cause);
    }
    if (response.ok || response.status === 304) return response;
    throw await refusal(base, response);
  };
  return async (sent, options = {}) => {
    for (let tries = 0; ; tries++) {
      try {
        return await once(sent, options);
      } catch (cause) {
        const pauseMs = tries < retries ? pauseOf(cause, tries, { sent, options }) : undefined;
        if (pauseMs === undefined) throw cause;
        await pause(pauseMs, options.signal);
      }
    }
  };
}

const isStream = (body: unknown): boolean => body instanceof ReadableStream;

function headersOf(token: ClientOptions["token"], options: RequestOptions, body: unknown): Headers {
  const headers = new Headers(options.headers);
  // Of a file or a command it often comes with the end of its line. An error must not show it.
  const bearer = (typeof token === "function" ? token() : token)?.trim();
  if (bearer && !/^[\x21-\x7e]+$/.test(bearer))
    throw new TypeError("token: expected letters, digits and signs, without spaces");
  if (bearer) headers.set("authorization", `Bearer ${bearer}`);
  if (options.idempotencyKey !== undefined) headers.set("idempotency-key", options.idempotencyKey);
  if (options.requestId !== undefined) headers.set("x-request-id", options.requestId);
  if (typeof body === "string" && !headers.has("content-type"))
    headers.set("content-type", "application/json");
  return headers;
}

/** How long to wait before another try, or undefined where there must be none. */
function pauseOf(
  cause: unknown,
  tries: number,
  { sent, options }: { sent: Sent; options: RequestOptions },
): number | undefined {
  // A stream is gone once it was sent.
  if (!(cause instanceof LakehouseError) || !cause.shouldRetry || isStream(sent.body)) return undefined;
  const { status, type, retryAfterSeconds } = cause;
  if (status === 503 || status === 429) {
    // With Retry-After the product says that nothing was done.
    const pauseMs = retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1000;
    return pauseMs !== undefined && pauseMs <= pauseMsMax ? pauseMs : undefined;
  }
  const isLost = status === undefined || type === "outcome_unknown";
  const mayBeTwice = sent.isSafe || options.idempotencyKey !== undefined;
  return isLost && mayBeTwice ? pauseMsMin * 2 ** tries * (0.5 + Math.random() / 2) : undefined;
}

const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });

/** The body's bytes as they come; one that breaks off is an error, never a shorter answer. */
export async function* chunksOf(
  response: Response,
  url: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  let isEnded = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isEnded = done;
      if (done) return;
      yield value;
    }
  } catch (cause) {
    isEnded = true;
    signal?.throwIfAborted();
    throw brokenOff(url, cause);
  } finally {
    // Who stops reading ends the work behind it.
    if (!isEnded) await reader.cancel().catch(() => undefined);
  }
}
