/** An answer as HTTP: JSON or server-sent events, in the format of the endpoint. */
import type { Static } from "@sinclair/typebox";
import { jsonResponse } from "../../../runtime/bodies/bodies.ts";
import { check } from "../../../runtime/contract/contract.ts";
import { errorBody, invalidField, namesInHeader, openAiError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { About, Answer } from "../answering/answering.ts";
import {
  type ChatRequest,
  cacheHeader,
  type RequestOptions,
  readRequest,
} from "../conversation/conversation.ts";
import { type Json, TextShape } from "../schemas/schemas.ts";
import { event, eventStream, type Framing } from "./event-stream.ts";

export { event } from "./event-stream.ts";

/** How an endpoint writes an answer, which comes as a `chat.completion` or its chunks. */
export interface AnswerFormat {
  completion: (completion: Json, about: About) => Json;
  chunks: (chunks: AsyncGenerator<Json>, about: About) => AsyncGenerator<Json>;
  framing: (about: About, requestId: string) => Framing;
}

interface HttpOptions {
  format: AnswerFormat;
  requestId: string;
  clock: Pick<Clock, "after">;
  heartbeatMs: number;
}

export function httpAnswer(answer: Answer, options: HttpOptions): Response {
  const { format, requestId, clock, heartbeatMs } = options;
  const { about } = answer;
  const headers = headersOf(about);
  if (answer.completion !== undefined)
    return jsonResponse(format.completion(answer.completion, about), headers);
  const { cancel } = answer;
  const framing = format.framing(about, requestId);
  const stream = eventStream(format.chunks(answer.chunks, about), { clock, heartbeatMs, cancel, framing });
  return new Response(stream, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      // nginx buffers answers without it.
      "x-accel-buffering": "no",
      ...headers,
    },
  });
}

/** Events of OpenAI's: data alone, and `[DONE]`. */
const openAiFraming = (requestId: string): Framing => ({
  chunk: (chunk) => event(chunk),
  end: () => event("[DONE]"),
  broken: (error) => event({ error: openAiError(error, requestId).error }, "error"),
});

/** `/chat/completions`: OpenAI's shape to the letter. */
export const openAiFormat = ({ streamOptions }: ChatRequest): AnswerFormat => ({
  completion: (completion) => completion,
  chunks: (chunks) => (streamOptions.include_usage === true ? chunks : withoutUsage(chunks)),
  framing: (_about, requestId) => openAiFraming(requestId),
});

/** `/chat`: the same with the product's extras, and its errors. */
export const ownFormat: AnswerFormat = {
  completion: (completion, about) => ({ ...completion, lakehouse: extrasOf(about) }),
  chunks: (chunks) => chunks,
  framing: (about, requestId) => ({
    ...openAiFraming(requestId),
    end: () =>
      event({ object: "chat.completion.chunk", choices: [], lakehouse: extrasOf(about) }) + event("[DONE]"),
    broken: (error) => event({ error: errorBody(error, requestId) }, "error"),
  }),
};

/** Names of models may hold any character; headers may not. */
const headersOf = ({ target, cache, failed, ignored, observed }: About): Record<string, string> => ({
  "x-lakehouse-provider": target.provider,
  "x-lakehouse-model": encodeURI(target.id.toWellFormed()),
  [cacheHeader]: cache,
  ...(failed.length > 0 && { "x-lakehouse-fallbacks": String(failed.length) }),
  ...(observed.retries > 0 && { "x-lakehouse-retries": String(observed.retries) }),
  ...(ignored.length > 0 && {
    "x-lakehouse-ignored": namesInHeader(ignored),
  }),
});

const extrasOf = ({ target, cache, failed, ignored, observed }: About): Json => ({
  provider: target.provider,
  model: target.id,
  cache,
  failed,
  retries: observed.retries,
  ignored,
  ...(observed.usage?.costUsd !== undefined && { cost_usd: observed.usage.costUsd }),
});

/** Usage is requested of every stream; it is removed for callers that did not request it. */
async function* withoutUsage(chunks: AsyncGenerator<Json>): AsyncGenerator<Json> {
  for await (const { usage, ...chunk } of chunks) {
    const isUsageAlone = usage !== undefined && usage !== null && (chunk.choices as unknown[]).length === 0;
    if (!isUsageAlone) yield chunk;
  }
}

// `/completions`, OpenAI's older endpoint, which continues a text: its requests, and its answers made of chat completions.

/** Checks a request; fields that are not known go to the provider. */
export function readTextRequest(given: Json, options: RequestOptions): ChatRequest {
  return readRequest(given, options, (present) => {
    const read: Static<typeof TextShape> = check(TextShape, present, "the body");
    checkPrompt(read.prompt);
    return read;
  });
}

/** A text, a list of texts, a list of token numbers, or a list of such lists. */
function checkPrompt(prompt: unknown): void {
  const isTokens = (value: unknown) =>
    Array.isArray(value) && value.length > 0 && value.every(Number.isInteger);
  const isTexts =
    Array.isArray(prompt) && prompt.length > 0 && prompt.every((text) => typeof text === "string");
  const isLists = Array.isArray(prompt) && prompt.length > 0 && prompt.every(isTokens);
  if (typeof prompt === "string" || isTexts || isTokens(prompt) || isLists) return;
  throw invalidField("prompt", "expected a text, a list of texts, or lists of token numbers");
}

/** With usage in the stream where the request asked for it. */
export const textFormat = ({ streamOptions }: ChatRequest): AnswerFormat => ({
  completion: textCompletion,
  chunks: async function* (chunks) {
    const wanted = streamOptions.include_usage === true ? chunks : withoutUsage(chunks);
    for await (const chunk of wanted) yield textCompletion(chunk);
  },
  framing: (_about, requestId) => openAiFraming(requestId),
});

/** A chat completion, or a chunk of it, in the older format. */
const textCompletion = ({ choices, id, ...rest }: Json): Json => ({
  ...rest,
  id: String(id).replace(/^chatcmpl-/, "cmpl-"),
  object: "text_completion",
  choices: (choices as Json[]).map(({ message, delta, ...choice }) => ({
    text: String((Object(message ?? delta) as Json).content ?? ""),
    logprobs: null,
    ...choice,
  })),
});
