/** Maps a provider's error answers to our status and remedy, for all providers alike. */

import type { ErrorType } from "../../../runtime/errors/errors.ts";
import { keyAdvice, noModel } from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import {
  retryAfterMs as askedToWait,
  hostOf,
  passedOnSeconds,
  quoted,
} from "../../../runtime/upstream/upstream.ts";
import type { Json } from "../schemas/schemas.ts";
import { failure, type ProviderFailure, type Remedy } from "./provider.ts";

/** Who refused. */
export interface Refusal {
  name: string;
  url: string;
  id: string;
  key: string | undefined;
  clock: Pick<Clock, "now">;
}

interface Refused {
  status: number;
  words: string;
  code: unknown;
  headers: Headers;
}

/** As OpenAI, OpenRouter, vLLM, llama.cpp, Moonshot and Ollama say that the conversation is too long. */
const tooLong =
  /maximum context length|context_length_exceeded|exceed_context_size|exceed(s|ed)? (the )?(max|maximum|available|model)?('s)? ?(context|token limit)|prompt is too long|input (length|tokens?) (and .*)?exceed|too many tokens|token length too long/i;
const usedUp = /insufficient_quota|insufficient credits|exceeded_current_quota|billing/i;
const moderated = /content_filter|content_policy|moderation|flagged/i;

/** Statuses after which the same request may succeed at the same provider. */
const passing = new Set([408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529]);

/** The failure for an answer with an error status. Its message is truncated and sanitized, and contains no key. */
export function refusedAnswer(
  { status, words: said, code, headers }: Refused,
  about: Refusal,
): ProviderFailure {
  const { name, url, id, key } = about;
  const words = quoted(said, key);
  const who = id === "" ? `${name} at ${hostOf(url)}` : `${name} at ${hostOf(url)} (model '${id}')`;
  // What a server says of a wrong key may hold the key.
  if (status === 401 || status === 403)
    return moderated.test(`${words} ${code}`)
      ? failure("unprocessable", `${who} declined the content`, "next", {
          details: { code: "content_policy_violation" },
        })
      : failure("bad_gateway", `${who} refused the key with ${status}: ${keyAdvice(name)}`, "next", {
          details: { code: "provider_key_refused" },
        });
  if (tooLong.test(`${words} ${code}`))
    return failure("unprocessable", `the conversation is longer than ${who} takes: ${words}`, "next", {
      details: overLong,
    });
  if (status === 402 || usedUp.test(`${words} ${code}`))
    return failure("bad_gateway", `${who} says that the account's credit is used up`, "next", {
      details: { code: "insufficient_quota" },
    });
  if (status === 404)
    return failure("not_found", `${who} knows no such model: ${words}`, "next", { details: noModel });
  const retryAfterMs = askedToWait(headers, about.clock);
  if (status === 429) return busy("too_many_requests", `${who} limits its callers: ${words}`, retryAfterMs);
  if (status === 503 || status === 529)
    return busy("overloaded", `${who} is overloaded: ${words}`, retryAfterMs);
  if (status === 422) return failure("unprocessable", `${who} cannot take the request: ${words}`, "none");
  if (status === 400 || status === 413 || status === 415)
    return failure(
      status === 413 ? "too_large" : "bad_request",
      `${who} refused the request: ${words}`,
      "none",
    );
  const remedy: Remedy = passing.has(status) ? "again" : "next";
  return failure("bad_gateway", `${who} failed with ${status}: ${words}`, remedy, { retryAfterMs });
}

/** How OpenAI calls a conversation that is too long. */
export const overLong = { code: "context_length_exceeded", field: "messages" };

/** An error inside an answer that began with 200. */
export function refusedInStream(error: unknown, about: Refusal): ProviderFailure {
  const { message, code, type, status } = Object(error) as Json;
  const words =
    typeof error === "string" ? error : typeof message === "string" ? message : JSON.stringify(error);
  const number = [code, status].map(Number).find((each) => each >= 400 && each < 600);
  const named = /rate_?limit/i.test(`${type} ${code}`)
    ? 429
    : /overloaded/i.test(`${type} ${code}`)
      ? 503
      : 502;
  return refusedAnswer(
    { status: number ?? named, words: words ?? "", code: code ?? type, headers: new Headers() },
    about,
  );
}

const busy = (type: ErrorType, message: string, retryAfterMs: number | undefined) =>
  failure(type, message, "again", { retryAfterMs, retryAfterSeconds: passedOnSeconds(retryAfterMs) });
