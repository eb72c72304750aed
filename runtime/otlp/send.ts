/** One batch to an OTLP endpoint: retried as the protocol says; the key never appears in a message. */

import { errorCode } from "../durable/durable.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { fetchUpstream, retryAfterMs, UnknownEncoding } from "../upstream/upstream.ts";

/** What became of a batch. */
type Sent =
  | { outcome: "sent"; rejected: number; message?: string }
  /** The endpoint refused it, or retries are exhausted. */
  | { outcome: "refused" | "exhausted"; why: string };

export interface Endpoint {
  url: string;
  /** Of `[providers.<name>] api_key`, or undefined. */
  key: string | undefined;
  timeoutMs: number;
  /** Tries after the first. */
  retries: number;
  clock: Clock;
  /** Called before each wait, for the log. */
  onRetry: (why: string, waitMs: number) => void;
}

/** The answers OTLP/HTTP calls retryable; all other 4xx and 5xx must not be tried again. */
const retryable = new Set([429, 502, 503, 504]);
/** First wait when the endpoint names none, doubled each time; as the OpenTelemetry exporters, 1 s to 5 s. */
const backoffMs = 1000;
const backoffMaxMs = 5000;
/** Longest `Retry-After` that is honoured; a longer one waits this long. */
const retryAfterMaxMs = 60_000;
const answerBytesMax = 64 * 1024;

/** `user:password`, as Langfuse's public and secret key, is Basic; anything else a Bearer token. */
export const authorizationOf = (key: string): string =>
  key.includes(":") ? `Basic ${Buffer.from(key).toString("base64")}` : `Bearer ${key}`;

/** Sends the body until it is taken, refused, or tries run out. Rejects only when `signal` aborts. */
export async function sendBatch(body: string, endpoint: Endpoint, signal: AbortSignal): Promise<Sent> {
  for (let attempt = 0; ; attempt++) {
    const answer = await once(body, endpoint, signal);
    if ("sent" in answer) return answer.sent;
    if (attempt >= endpoint.retries) return { outcome: "exhausted", why: answer.why };
    const waitMs = answer.waitMs ?? Math.min(backoffMaxMs, backoffMs * 2 ** attempt);
    endpoint.onRetry(answer.why, waitMs);
    await endpoint.clock.sleep(waitMs, signal);
  }
}

type Attempt = { sent: Sent } | { why: string; waitMs?: number };

async function once(
  body: string,
  { url, key, timeoutMs, clock }: Endpoint,
  signal: AbortSignal,
): Promise<Attempt> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", stop, { once: true });
  const cancel = clock.after(timeoutMs, () => controller.abort());
  try {
    const response = await fetchUpstream(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key !== undefined && { authorization: authorizationOf(key) }),
      },
      body,
      signal: controller.signal,
    });
    const text = await readSome(response);
    if (response.ok) return { sent: taken(withoutKey(text, key)) };
    const why = `it answered ${response.status}`;
    if (!retryable.has(response.status)) return { sent: { outcome: "refused", why } };
    const waitMs = askedWaitMs(response.headers, clock);
    return { why, ...(waitMs !== undefined && { waitMs }) };
  } catch (cause) {
    signal.throwIfAborted();
    if (controller.signal.aborted) return { why: `it did not answer within ${timeoutMs} ms` };
    if (cause instanceof UnknownEncoding) return { sent: { outcome: "refused", why: cause.message } };
    return { why: `it could not be reached (${errorCode(cause) ?? "no code"})` };
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
  }
}

/** Endpoints echo what they were sent in error messages: the key must not get into the log. */
const withoutKey = (text: string, key: string | undefined): string =>
  key === undefined
    ? text
    : text.replaceAll(authorizationOf(key).split(" ")[1] ?? key, "[hidden]").replaceAll(key, "[hidden]");

/** The beginning of the answer; the rest is not read. */
async function readSome(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > answerBytesMax) break;
  }
  return Buffer.concat(chunks).toString();
}

/** An answer of success, with how many spans were rejected all the same. */
function taken(text: string): Sent {
  let partial: unknown;
  try {
    partial = (JSON.parse(text) as { partialSuccess?: unknown } | null)?.partialSuccess;
  } catch {
    // Some endpoints answer 200 with no JSON: all was taken.
  }
  const { rejectedSpans, errorMessage } = (partial ?? {}) as {
    rejectedSpans?: unknown;
    errorMessage?: unknown;
  };
  const rejected = Number(rejectedSpans ?? 0);
  return {
    outcome: "sent",
    rejected: Number.isSafeInteger(rejected) ? Math.max(0, rejected) : 0,
    ...(typeof errorMessage === "string" && errorMessage !== "" && { message: errorMessage.slice(0, 500) }),
  };
}

/** `Retry-After` in milliseconds, capped; undefined without one. */
export function askedWaitMs(headers: Headers, clock: Pick<Clock, "now">): number | undefined {
  const waitMs = retryAfterMs(headers, clock);
  return waitMs === undefined ? undefined : Math.min(retryAfterMaxMs, waitMs);
}
