/** Ollama's answers in OpenAI's format, and the evidence in them that a prompt was truncated. */

import type { Json } from "../schemas/schemas.ts";
import type { Called, callReader, ForcedCall } from "./forced-call.ts";
import { failure, type ProviderFailure } from "./provider.ts";
import { overLong } from "./refused-answer.ts";

interface OllamaMessage {
  content?: unknown;
  thinking?: unknown;
  tool_calls?: Json[];
}

/** One record of `/api/chat`. */
export interface OllamaRecord {
  message?: OllamaMessage;
  done?: unknown;
  done_reason?: unknown;
  prompt_eval_count?: unknown;
  eval_count?: unknown;
  error?: unknown;
}

/** What a completion is made with; `at` in seconds since the epoch. */
export interface AnswerHead {
  id: string;
  model: string;
  at: number;
}

/** Turns the records of one answer into chunks; it remembers which tools were called. */
export function chunkMaker({ id, model, at }: AnswerHead, forced?: Forced) {
  let calls = 0;
  let isFirst = true;
  const chunk = (choices: Json[], usage?: Json): Json => ({
    id,
    object: "chat.completion.chunk",
    created: at,
    model,
    choices,
    ...(usage && { usage }),
  });
  return (record: OllamaRecord): Json[] => {
    const { content: said, thinking, tool_calls: made = [] } = record.message ?? {};
    const written = forced && pieceOf(forced, record);
    const content = forced ? "" : said;
    const delta: Json = isFirst ? { role: "assistant", content: forced ? null : "" } : {};
    if (typeof content === "string" && (content !== "" || (isFirst && !forced))) delta.content = content;
    if (typeof thinking === "string" && thinking !== "") delta.reasoning = thinking;
    if (made.length > 0)
      delta.tool_calls = made.map((call, index) => ({
        index: calls + index,
        ...toolCall(call, id, calls + index),
      }));
    if (written) delta.tool_calls = [forcedDelta(written, id)];
    calls += made.length;
    isFirst = false;
    const isDone = record.done === true;
    const chunks: Json[] = [];
    if (Object.keys(delta).length > 0) chunks.push(chunk([{ index: 0, delta, finish_reason: null }]));
    if (isDone) {
      chunks.push(chunk([{ index: 0, delta: {}, finish_reason: finishReason(record, calls, forced) }]));
      const usage = usageOf(record);
      if (usage) chunks.push(chunk([], usage));
    }
    return chunks;
  };
}

/** A call that had to be made, and the reader of what is written for it. */
export interface Forced {
  call: ForcedCall;
  reader: ReturnType<typeof callReader>;
}

/** What a record adds to the call. */
function pieceOf({ reader }: Forced, { message, done, done_reason: reason }: OllamaRecord) {
  const content = typeof message?.content === "string" ? message.content : "";
  const taken = reader.take(content);
  const last = done === true ? reader.end(reason === "length") : undefined;
  if (!taken || !last) return taken ?? last;
  return { ...taken, ...last, arguments: `${taken.arguments}${last.arguments}` };
}

const forcedDelta = ({ name, arguments: given }: Partial<Called>, answer: string): Json => ({
  index: 0,
  ...(name !== undefined && { id: callId(answer, 0), type: "function" }),
  function: { ...(name !== undefined && { name }), arguments: given ?? "" },
});

const callId = (answer: string, at: number): string => `call_${answer.slice(-12)}_${at}`;

/** A complete answer as a `chat.completion`. */
export function completionOf(record: OllamaRecord, { id, model, at }: AnswerHead, forced?: Forced): Json {
  const written = forced && pieceOf(forced, record);
  const { thinking } = record.message ?? {};
  const content = forced ? "" : record.message?.content;
  const made = written ? [{ function: written }] : (record.message?.tool_calls ?? []);
  const usage = usageOf(record);
  const message = {
    role: "assistant",
    content: made.length > 0 && content === "" ? null : (content ?? ""),
    refusal: null,
    ...(typeof thinking === "string" && thinking !== "" && { reasoning: thinking }),
    ...(made.length > 0 && { tool_calls: made.map((call, at) => toolCall(call, id, at)) }),
  };
  return {
    id,
    object: "chat.completion",
    created: at,
    model,
    choices: [
      { index: 0, message, logprobs: null, finish_reason: finishReason(record, made.length, forced) },
    ],
    ...(usage && { usage }),
  };
}

/** Ids are Ollama's where it has any: newer releases give them. */
function toolCall(call: Json, answer: string, at: number): Json {
  const { name, arguments: given } = Object(call.function) as Json;
  return {
    id: typeof call.id === "string" && call.id !== "" ? call.id : callId(answer, at),
    type: "function",
    function: { name, arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}) },
  };
}

const finishReason = ({ done_reason: reason }: OllamaRecord, calls: number, forced?: Forced): string => {
  if (reason === "length") return "length";
  if (forced) return forced.call.finish;
  return calls > 0 ? "tool_calls" : "stop";
};

function usageOf({ prompt_eval_count: prompt, eval_count: completion }: OllamaRecord): Json | undefined {
  if (typeof prompt !== "number" && typeof completion !== "number") return undefined;
  const [read, written] = [Number(prompt ?? 0), Number(completion ?? 0)];
  return { prompt_tokens: read, completion_tokens: written, total_tokens: read + written };
}

/**
 * More bytes than any tokenizer puts into one token, on the average of a long text: English has about 4, source code
 * with its spaces at most 8.
 */
const bytesPerTokenMax = 12;
/** Texts shorter than this may be all spaces. */
const evidenceBytes = 4096;

/** Refuses before asking what cannot fit: a text has at least so many tokens. */
export function refuseTooLong(textBytes: number, { window, id }: { window: number; id: string }): void {
  const least = Math.floor(textBytes / bytesPerTokenMax);
  if (least > window)
    throw overWindow(id, window, `it has ${textBytes} bytes, which is ${least} tokens or more`);
}

/**
 * Refuses an answer to a prompt that was truncated nevertheless: releases before `truncate` was known ignore it. The
 * prompt that was read then fills the window, or is far too short for the text.
 */
export function refuseTruncated(
  { prompt_eval_count: read }: OllamaRecord,
  { textBytes, window, id }: { textBytes: number; window: number; id: string },
): void {
  if (typeof read !== "number" || read <= 0) return;
  if (read >= window) throw overWindow(id, window, `${read} tokens were read, all the window has`);
  if (textBytes > evidenceBytes && textBytes / read > bytesPerTokenMax)
    throw overWindow(id, window, `of ${textBytes} bytes only ${read} tokens were read`);
}

const overWindow = (id: string, window: number, evidence: string): ProviderFailure =>
  failure(
    "unprocessable",
    `the conversation does not fit the window of ${window} tokens that model '${id}' has here: ${evidence}. Shorten it, or raise context_tokens; nothing is cut silently`,
    "next",
    { details: overLong },
  );

/** UTF-8 bytes of all that is text in the messages. */
export function textBytesOf(messages: readonly Json[]): number {
  let bytes = 0;
  for (const { content } of messages) if (typeof content === "string") bytes += Buffer.byteLength(content);
  return bytes;
}
