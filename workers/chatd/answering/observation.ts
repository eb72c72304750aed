/** What is measured, logged and recorded of a request, exactly once, at its end. */

import { ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log, type Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { Usage } from "../budget/budget.ts";
import type { Json } from "../schemas/schemas.ts";
import type { CallRecord, Calls } from "./calls.ts";

/** What is known of a request while it runs. */
export interface Observation {
  requestId: string;
  traceId?: string | undefined;
  provider: string;
  model: string;
  streamed: boolean;
  /** Monotonic milliseconds. */
  startedAt: number;
  firstTokenAt?: number;
  fallbacks: number;
  retries: number;
  cached: boolean;
  usage?: Usage;
  /** Recorded only with `record_content`. */
  messages: unknown;
  output: string;
}

export interface Observer {
  /** The request ended: `cause` is its failure, undefined when it succeeded. */
  finish: (observed: Observation, cause?: unknown) => void;
}

/** Content kept of one call, in characters. */
const contentMax = 16_384;
const cut = (text: string): string => (text.length > contentMax ? `${text.slice(0, contentMax)}…` : text);

export function createObserver({
  calls,
  clock,
  log,
  metrics,
  recordContent,
}: {
  calls: Calls;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  recordContent: boolean;
}): Observer {
  const meter = createMeter(metrics);
  return {
    finish: (observed, cause) => {
      const durationMs = clock.elapsed() - observed.startedAt;
      const error = cause === undefined ? undefined : toWire(cause);
      const outcome = error?.type ?? "ok";
      const record = recordOf(observed, { at: timestamp(clock), durationMs, outcome });
      if (error) record.error = error.message;
      if (recordContent) {
        record.input = cut(JSON.stringify(observed.messages));
        record.output = cut(observed.output);
      }
      calls.add(record);
      meter(record);
      if (!error) return;
      const { request_id, provider, model, fallbacks, retries } = record;
      const fields = { request_id, provider, model, outcome, fallbacks, retries, error: error.message };
      if (!(cause instanceof ServiceError))
        log.error("a chat failed unexpectedly", { ...fields, ...describe(cause) });
      else log.warn("a chat failed", fields);
    },
  };
}

function recordOf(
  observed: Observation,
  { at, durationMs, outcome }: { at: string; durationMs: number; outcome: string },
): Omit<CallRecord, "sequence"> {
  const { promptTokens, completionTokens, costUsd } = observed.usage ?? {};
  const { firstTokenAt, startedAt } = observed;
  return {
    at,
    request_id: observed.requestId,
    ...(observed.traceId !== undefined && { trace_id: observed.traceId }),
    provider: observed.provider,
    model: observed.model,
    outcome,
    streamed: observed.streamed,
    duration_ms: durationMs,
    ...(firstTokenAt !== undefined && { first_token_ms: firstTokenAt - startedAt }),
    fallbacks: observed.fallbacks,
    retries: observed.retries,
    cached: observed.cached,
    ...(promptTokens !== undefined && { prompt_tokens: promptTokens }),
    ...(completionTokens !== undefined && { completion_tokens: completionTokens }),
    ...(costUsd !== undefined && { cost_usd: costUsd }),
  };
}

/** The text that a completion or a chunk brings, for the record and for budgets. */
export function textIn({ choices }: Json): string {
  let text = "";
  for (const choice of (Array.isArray(choices) ? choices : []) as Json[]) {
    const { content, reasoning, tool_calls: calls } = Object(choice?.message ?? choice?.delta) as Json;
    if (typeof reasoning === "string") text += reasoning;
    if (typeof content === "string") text += content;
    for (const call of (Array.isArray(calls) ? calls : []) as Json[]) {
      const { name, arguments: given } = Object(call?.function) as Json;
      text += `${typeof name === "string" ? name : ""}${typeof given === "string" ? given : ""}`;
    }
  }
  return text;
}

function createMeter(metrics: Metrics) {
  const finished = metrics.counter("chatd_calls_total", "Finished conversations, by provider and outcome.");
  const tokens = metrics.counter("chatd_tokens_total", "Tokens that providers counted.");
  const cost = metrics.counter("chatd_cost_usd_total", "Dollars that answers cost, where known.");
  const retries = metrics.counter("chatd_retries_total", "Tries after the first.");
  const fallbacks = metrics.counter("chatd_fallbacks_total", "Models given up for the next.");
  const hits = metrics.counter("chatd_cache_hits_total", "Answers from the cache.");
  const seconds = metrics.histogram("chatd_call_duration_seconds", "Time of a conversation.");
  const firstToken = metrics.histogram("chatd_first_token_seconds", "Time until a stream's first token.");
  return (call: Omit<CallRecord, "sequence">) => {
    const { provider } = call;
    finished.add(1, { provider, outcome: call.outcome, streamed: String(call.streamed) });
    if (call.prompt_tokens) tokens.add(call.prompt_tokens, { provider, kind: "prompt" });
    if (call.completion_tokens) tokens.add(call.completion_tokens, { provider, kind: "completion" });
    if (call.cost_usd) cost.add(call.cost_usd, { provider });
    if (call.retries > 0) retries.add(call.retries, { provider });
    if (call.fallbacks > 0) fallbacks.add(call.fallbacks, { provider });
    if (call.cached) hits.add();
    seconds.observe(call.duration_ms / 1000, { provider });
    if (call.first_token_ms !== undefined) firstToken.observe(call.first_token_ms / 1000, { provider });
  };
}
