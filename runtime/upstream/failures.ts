/** Servers of others: what their answers and failures mean, whatever they serve. */
import type { Clock } from "../scheduling/scheduling.ts";

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
