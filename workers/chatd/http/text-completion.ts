/** `/completions`, OpenAI's older endpoint, which continues a text: its requests, and its answers made of chat completions. */
import type { Static } from "@sinclair/typebox";
import { check } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import { type ChatRequest, type RequestOptions, readRequest } from "../conversation/conversation.ts";
import { type Json, TextShape } from "../schemas/schemas.ts";
import { type AnswerFormat, openAiFraming, withoutUsage } from "./answer.ts";

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
