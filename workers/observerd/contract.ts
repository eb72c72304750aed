/** observerd: what happened, and what to learn from it. See README.md beside this file. */
import type { Static } from "@sinclair/typebox";
import {
  Binary,
  closed,
  contract,
  get,
  nextPage,
  pageFields,
  post,
  raw,
  t,
} from "../../runtime/contract/contract.ts";
import { TraceUid } from "../pathwayd/contract.ts";

const word = t.String({ minLength: 1, maxLength: 200 });
const text = t.String({ maxLength: 64 * 1024 });
const time = t.String({ format: "date-time" });
const count = t.Integer({ minimum: 0 });
const sourceWord = t.String({
  pattern: "^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}$",
  description: "mcp, scenario, langfuse, overseer_correction, chatd, otlp, or a word of the caller's own.",
});

/** What a caller reports of one operation. */
const eventFields = {
  endpoint: t.String({
    minLength: 1,
    maxLength: 1000,
    description: "What was called, as /v1/sql or a tool's name.",
  }),
  success: t.Boolean(),
  duration_ms: t.Number({ minimum: 0 }),
  /** When it began; now unless given. */
  timestamp: t.Optional(time),
  input_summary: t.Optional(text),
  output_summary: t.Optional(text),
  error: t.Optional(text),
  model: t.Optional(word),
  /** Ties the operations of one run, session or trace together. */
  run_id: t.Optional(word),
  /** The pathway trace this operation followed or made. */
  trace_uid: t.Optional(TraceUid),
  attributes: t.Optional(t.Record(t.String(), t.Unknown())),
};

export const Operation = closed({
  id: t.String(),
  ...eventFields,
  timestamp: time,
  source: word,
  /** As it was recorded: earlier releases took any word. */
  trace_uid: t.Optional(t.String()),
});
export type Operation = Static<typeof Operation>;

const span = t.String({ pattern: "^[1-9][0-9]{0,3}[mhd]$", description: "A length of time: 15m, 24h, 7d." });

const ms = t.Number({ minimum: 0 });
export const StatsGroup = closed({
  /** When the step begins. */
  start: t.Optional(time),
  model: t.Optional(t.String()),
  endpoint: t.Optional(t.String()),
  source: t.Optional(t.String()),
  total: count,
  failures: count,
  p50_ms: ms,
  p90_ms: ms,
  p99_ms: ms,
  max_ms: ms,
  /** Of the operations that say them. */
  prompt_tokens: t.Optional(count),
  completion_tokens: t.Optional(count),
  cost_usd: t.Optional(t.Number({ minimum: 0 })),
});

export const FailureCluster = closed({
  /** Stable: of endpoint, error class and normalised message. */
  signature: t.String(),
  endpoint: t.String(),
  error_class: t.String(),
  /** The message with numbers, ids, quoted values and paths replaced by placeholders. */
  message: t.String(),
  count,
  first_seen: time,
  last_seen: time,
  /** Failures an hour, over the time between the first and the last; within an hour, their number. */
  rate_per_hour: t.Number({ minimum: 0 }),
  /** Failures within the last `observerd.escalation_window_ms`. */
  recent: count,
  /** At least three of them, and half as many again as in the window before. */
  growing: t.Boolean(),
  escalated_at: t.Optional(time),
  /** What the model made of it when it was escalated. */
  diagnosis: t.Optional(t.String()),
  /** The newest few, newest first. */
  examples: t.Array(Operation),
});

const Verdict = t.Union([t.Literal("accept"), t.Literal("reject"), t.Literal("needs_human")]);

export const Review = closed({
  id: t.String(),
  at: time,
  verdict: Verdict,
  /** 0 to 1. */
  confidence: t.Number({ minimum: 0, maximum: 1 }),
  reasons: t.Array(closed({ rule: t.String(), weight: t.Number(), detail: t.String() })),
  /** `heuristic`, `human`, or the model that was asked. */
  reviewer: t.String(),
  /** Who scored it, where `reviewer` is `human`; no later review by rules or a model counts against it. */
  by: t.Optional(word),
  run_id: t.Optional(word),
});

const any = t.Object({}, { additionalProperties: true });
/** OpenTelemetry's requests as JSON: what stands in them is theirs. */
const otlp = <N extends string, C extends string>(name: N, count: C) => ({
  consumes: {
    "application/x-protobuf": Binary,
    "application/json": t.Object({ [name]: t.Optional(t.Array(any)) }, { additionalProperties: true }),
  },
  produces: {
    "application/x-protobuf": Binary,
    /** `{}` where all was taken. */
    "application/json": closed({
      partialSuccess: t.Optional(closed({ [count]: t.String(), errorMessage: t.String() })),
    }),
  },
});

export const observerd = contract("observerd", {
  event: post("/observer/event", {
    resumable: true,
    summary: "Records one operation: in the log, the ring and the statistics when this has answered.",
    body: closed({ source: t.Optional(sourceWord), ...eventFields }),
    reply: closed({ id: t.String(), timestamp: time, source: word }),
  }),
  events: get("/observer/events", {
    summary: "The operations in the ring, newest first.",
    query: closed({
      source: t.Optional(word),
      endpoint: t.Optional(t.String({ minLength: 1, maxLength: 1000 })),
      success: t.Optional(t.Boolean()),
      run_id: t.Optional(word),
      since: t.Optional(time),
      ...pageFields,
    }),
    reply: closed({ events: t.Array(Operation), ...nextPage }),
  }),
  stats: get("/observer/stats", {
    summary:
      "Totals of all time, by source, and the latest scenario operations. With window, by or every also latencies, tokens and cost of the operations that are kept.",
    query: closed({
      /** Back from now, as 15m, 24h, 7d; without it all that are kept. */
      window: t.Optional(span),
      by: t.Optional(t.Union([t.Literal("model"), t.Literal("endpoint"), t.Literal("source")])),
      /** Steps of the window, each with groups of its own. */
      every: t.Optional(span),
    }),
    reply: closed({
      total: count,
      successes: count,
      failures: count,
      by_source: t.Record(t.String(), count),
      recent_scenario_ops: t.Array(Operation),
      since: t.Optional(time),
      until: t.Optional(time),
      /** In order of time, the largest first; those without a model or the like have no such field. */
      groups: t.Optional(t.Array(StatsGroup)),
      /** There are more groups than are shown. */
      more: t.Optional(t.Literal(true)),
    }),
  }),
  failures: get("/observer/failures", {
    summary: "Clusters of failures alike, the most frequent first.",
    query: closed({
      endpoint: t.Optional(t.String({ minLength: 1, maxLength: 1000 })),
      since: t.Optional(time),
      ...pageFields,
    }),
    reply: closed({ clusters: t.Array(FailureCluster), ...nextPage }),
  }),
  review: post("/observer/review", {
    resumable: true,
    refusals: [502],
    long: true,
    summary:
      "Judges one output: by rules first, by a model through chatd when one is configured and the rules are not sure.",
    body: closed({
      task: t.String({ minLength: 1, maxLength: 64 * 1024 }),
      output: text,
      /** What the output was made from; claims that are in none of it count against it. */
      evidence: t.Optional(t.Array(text, { maxItems: 100 })),
      run_id: t.Optional(word),
      trace_uid: t.Optional(TraceUid),
      /** Rules alone, whatever is configured. */
      heuristic_only: t.Optional(t.Boolean()),
    }),
    reply: Review,
  }),
  score: post("/observer/scores", {
    resumable: true,
    summary:
      "A person's judgement of a reviewed output or of a run: it settles what needs_human, and outweighs rules and models.",
    status: 201,
    body: closed({
      /** Exactly one of `review_id` and `run_id`. */
      review_id: t.Optional(word),
      run_id: t.Optional(word),
      /** How good it was: 0 for wrong, 1 for right; 0.5 and more accepts it, and the farther from 0.5 the surer. */
      score: t.Number({ minimum: 0, maximum: 1 }),
      /** Who says so. */
      by: word,
      comment: t.Optional(t.String({ minLength: 1, maxLength: 4096 })),
    }),
    reply: Review,
  }),
  waiting: get("/observer/reviews/waiting", {
    summary:
      "Reviews that say needs_human and that no person has scored since, the oldest first, with what is to be judged.",
    query: closed({ ...pageFields, page_size: t.Optional(t.Integer({ minimum: 1, maximum: 100 })) }),
    reply: closed({
      reviews: t.Array(closed({ review: Review, task: t.String(), output: t.String() })),
      ...nextPage,
    }),
  }),
  distill: post("/observer/distill", {
    refusals: [502],
    long: true,
    summary: "Turns recorded runs, reviews and playbooks into training sets in the primary bucket.",
    body: closed({
      /** `supervised`: prompt and good answer. `preference`: prompt, chosen, rejected. */
      kinds: t.Optional(
        t.Array(t.Union([t.Literal("supervised"), t.Literal("preference")]), {
          minItems: 1,
          uniqueItems: true,
        }),
      ),
      since: t.Optional(time),
      until: t.Optional(time),
      /** Sources of operations, and `review` and `playbook` for those; all unless given. */
      sources: t.Optional(t.Array(word, { minItems: 1, maxItems: 100, uniqueItems: true })),
      /** Answers judged with less are left out; 0.6 unless given. */
      min_confidence: t.Optional(t.Number({ minimum: 0, maximum: 1 })),
      /** Answers that nobody judged, of runs that succeeded, too: that a call succeeded does not make its answer good. */
      include_unreviewed: t.Optional(t.Boolean()),
    }),
    reply: closed({
      /** Key in bucket `primary`: counts, sources, span and the SHA-256 of each set. Written last. */
      manifest: t.String(),
      sets: t.Array(
        closed({
          kind: t.String(),
          /** Key in bucket `primary`; JSON lines. */
          key: t.String(),
          etag: t.String(),
          sha256: t.String(),
          examples: count,
          bytes: count,
        }),
      ),
      /** What was left out, and why. */
      skipped: t.Record(t.String(), count),
    }),
  }),
  loops: get("/observer/loops", {
    summary: "The background loops: whether they are on, how often, when they last ran and what they did.",
    reply: closed({
      loops: t.Array(
        closed({
          name: t.String(),
          enabled: t.Boolean(),
          interval_ms: count,
          runs: count,
          last_run_at: t.Optional(time),
          last_duration_ms: t.Optional(t.Number()),
          last_result: t.Optional(t.String()),
          last_error: t.Optional(t.String()),
        }),
      ),
    }),
  }),
  traces: raw(["POST"], "/observer/otlp/v1/traces", {
    summary: "OTLP/HTTP traces, protobuf or JSON: each span is recorded as an operation.",
    ...otlp("resourceSpans", "rejectedSpans"),
  }),
  logs: raw(["POST"], "/observer/otlp/v1/logs", {
    summary:
      "OTLP/HTTP logs: records of errors are recorded as operations; others are counted, which the answer says.",
    ...otlp("resourceLogs", "rejectedLogRecords"),
  }),
  metrics: raw(["POST"], "/observer/otlp/v1/metrics", {
    summary: "OTLP/HTTP metrics: data points are counted and not kept, which the answer says.",
    ...otlp("resourceMetrics", "rejectedDataPoints"),
  }),
});
export type Observerd = typeof observerd;
