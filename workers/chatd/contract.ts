/** chatd: one API for every language model. See README.md beside this file. */
import { closed, contract, Events, get, internal, post, raw, t } from "../../runtime/contract/contract.ts";
import {
  Completion,
  OpenAiShape,
  OwnCompletion,
  OwnShape,
  ResponsesAnswer,
  ResponsesShape,
  TextCompletion,
  TextShape,
} from "./schemas/schemas.ts";

const count = t.Integer({ minimum: 0 });

/** One finished call of a model; never its key, its content only when configured. */
export const Call = closed({
  /** Grows by one with each call. */
  sequence: t.Integer({ minimum: 1 }),
  at: t.String({ format: "date-time" }),
  request_id: t.String(),
  /** Of W3C Trace Context, where the caller is part of a trace. */
  trace_id: t.Optional(t.String()),
  provider: t.String(),
  model: t.String(),
  /** `ok`, or the error's type. */
  outcome: t.String(),
  error: t.Optional(t.String()),
  streamed: t.Boolean(),
  duration_ms: t.Number({ minimum: 0 }),
  first_token_ms: t.Optional(t.Number({ minimum: 0 })),
  /** Providers tried before this one. */
  fallbacks: count,
  retries: count,
  cached: t.Boolean(),
  prompt_tokens: t.Optional(count),
  completion_tokens: t.Optional(count),
  cost_usd: t.Optional(t.Number({ minimum: 0 })),
  input: t.Optional(t.String()),
  output: t.Optional(t.String()),
});

/** A model in OpenAI's shape. */
const Model = closed({ id: t.String(), object: t.Literal("model"), created: count, owned_by: t.String() });

const chunks = Events("Events with a `chat.completion.chunk` each as JSON; the last says [DONE].");
const cacheHeader = {
  "x-lakehouse-cache": "`off`, `use` or `refresh`: whether an answer may come from the cache.",
};
const answerHeaders = {
  "x-lakehouse-provider": "Who answered.",
  "x-lakehouse-model": "The model that answered, percent-encoded.",
  "x-lakehouse-cache": "What the cache did.",
  "x-lakehouse-fallbacks": "Models that were tried before, if any.",
  "x-lakehouse-retries": "Tries beyond the first, if any.",
  "x-lakehouse-ignored": "Fields that the model has no use for, if any.",
};
/** What a provider answers, or does not. */
const refusals = [402, 408, 502];

export const chatd = contract("chatd", {
  chat: raw(["POST"], "/chat", {
    reads: true,
    summary: "A conversation: {model | models, messages, …}. With stream: true, server-sent events.",
    consumes: { "application/json": OwnShape },
    produces: { "application/json": OwnCompletion, "text/event-stream": chunks },
    headers: cacheHeader,
    answerHeaders,
    refusals,
  }),
  completions: raw(["POST"], "/chat/completions", {
    errors: "openai",
    reads: true,
    summary: "The same in OpenAI's shape: its clients work unchanged.",
    consumes: { "application/json": OpenAiShape },
    produces: { "application/json": Completion, "text/event-stream": chunks },
    headers: cacheHeader,
    answerHeaders,
    refusals,
  }),
  textCompletions: raw(["POST"], "/completions", {
    errors: "openai",
    reads: true,
    summary: "A text that goes on, in OpenAI's older shape: {model, prompt, suffix?, …}.",
    consumes: { "application/json": TextShape },
    produces: {
      "application/json": TextCompletion,
      "text/event-stream": Events("Events with a `text_completion` each as JSON; the last says [DONE]."),
    },
    headers: cacheHeader,
    answerHeaders,
    refusals,
  }),
  responses: raw(["POST"], "/responses", {
    errors: "openai",
    reads: true,
    summary: "A conversation in the shape of OpenAI's Responses: {model, input, tools?, …}. Nothing is kept.",
    consumes: { "application/json": ResponsesShape },
    produces: {
      "application/json": ResponsesAnswer,
      "text/event-stream": Events("Events of OpenAI's Responses, each as JSON."),
    },
    headers: cacheHeader,
    answerHeaders,
    refusals,
  }),
  providers: get("/chat/providers", {
    summary: "Each provider, and whether it can be used: its key is there and it answers.",
    reply: t.Record(t.String(), t.Boolean()),
  }),
  providerDetails: get("/chat/providers/details", {
    summary: "Each provider with its address, key presence, reachability, limits and use.",
    reply: closed({
      providers: t.Array(
        closed({
          name: t.String(),
          kind: t.String(),
          base_url: t.String(),
          has_key: t.Boolean(),
          reachable: t.Boolean(),
          reason: t.Optional(t.String()),
          in_flight: count,
          max_concurrent: count,
          /** Today, in UTC. */
          spent_usd: t.Number({ minimum: 0 }),
          spent_tokens: t.Number({ minimum: 0 }),
        }),
      ),
    }),
  }),
  testProvider: post("/chat/providers/:name/test", {
    reads: true,
    summary:
      "Asks a provider for its models now, which costs nothing: whether it answers, with the key that it is given.",
    params: closed({ name: t.String({ minLength: 1, maxLength: 200 }) }),
    body: closed({}),
    reply: closed({
      name: t.String(),
      reachable: t.Boolean(),
      /** Why it cannot be used. */
      reason: t.Optional(t.String()),
      models: count,
      took_ms: t.Number({ minimum: 0 }),
    }),
  }),
  model: get("/models/*", {
    refusals: [502],
    errors: "openai",
    summary: "One model by its name, which may hold slashes.",
    params: closed({ key: t.String({ minLength: 1, maxLength: 200 }) }),
    reply: Model,
  }),
  models: get("/models", {
    errors: "openai",
    summary: "The models of every provider that answers, and `local`: for conversations and vectors.",
    reply: closed({
      object: t.Literal("list"),
      data: t.Array(Model),
    }),
  }),

  // Between services.
  complete: internal({
    reads: true,
    summary: "One answer as text, not streamed.",
    body: closed({
      model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
      system: t.Optional(t.String()),
      prompt: t.String({ minLength: 1 }),
      /** A JSON schema the answer must follow. */
      schema: t.Optional(t.Record(t.String(), t.Unknown())),
      max_tokens: t.Optional(t.Integer({ minimum: 1 })),
    }),
    reply: closed({ text: t.String(), model: t.String() }),
  }),
  calls: internal({
    reads: true,
    summary: "Calls finished after a sequence number, oldest first; waits up to `wait_ms` for one.",
    body: closed({ after: count, wait_ms: t.Optional(t.Integer({ minimum: 0, maximum: 60_000 })) }),
    reply: closed({
      calls: t.Array(Call),
      /** Of this start of the service: sequences begin anew with another. */
      life: t.String(),
      /** Calls forgotten before they were read. */
      missed: count,
    }),
  }),
});
export type Chatd = typeof chatd;
