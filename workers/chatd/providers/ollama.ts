/** Ollama's native API, because its OpenAI-compatible one takes no context size. */

import { noModel } from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import {
  type BodyLimit,
  fetchUpstream,
  hostOf,
  piecesOf,
  quoted,
  textOf,
} from "../../../runtime/upstream/upstream.ts";
import type { Json } from "../schemas/schemas.ts";
import { linesOf } from "./event-lines.ts";
import { callReader, chosenTools } from "./forced-call.ts";
import {
  type AnswerHead,
  chunkMaker,
  completionOf,
  type Forced,
  type OllamaRecord,
  refuseTooLong,
  refuseTruncated,
  textBytesOf,
} from "./ollama-answer.ts";
import { ignoredByOllama, ollamaRequest, ollamaTextRequest } from "./ollama-request.ts";
import {
  answerLimit,
  connectionFailure,
  failure,
  type Provider,
  type ProviderCall,
  ProviderFailure,
} from "./provider.ts";
import { type Refusal, refusedAnswer } from "./refused-answer.ts";
import type { ProviderSetting } from "./setting.ts";

interface OllamaOptions {
  setting: ProviderSetting;
  key: string | undefined;
  clock: Pick<Clock, "now" | "after">;
  newId: () => string;
  answerBytesMax: number;
}

const modelsMax = 2000;

export function createOllama(options: OllamaOptions): Provider {
  const { setting, key, clock, newId } = options;
  const { name } = setting;
  const about = (id: string): Refusal => ({ name, url: setting.baseUrl, id, key, clock });
  const limit = answerLimit(options.answerBytesMax, name);
  const headOf = ({ id }: ProviderCall): AnswerHead => ({
    id: `chatcmpl-${newId().replaceAll("-", "")}`,
    model: id,
    at: Math.floor(clock.now() / 1000),
  });

  const ask = async (
    call: ProviderCall,
    streamed: boolean,
  ): Promise<{ response: Response; textBytes: number }> => {
    const { path, request, textBytes } = requestFor(call, streamed);
    refuseTooLong(textBytes, { window: call.contextTokens, id: call.id });
    const response = await send(options, path, { body: request, signal: call.signal });
    call.onAnswer();
    if (!response.ok) throw await refusal(response, limit, about(call.id));
    return { response, textBytes };
  };

  async function* stream(call: ProviderCall): AsyncGenerator<Json> {
    try {
      const { response, textBytes } = await ask(call, true);
      const make = chunkMaker(headOf(call), forcedBy(call, name));
      let isComplete = false;
      const pieces = piecesOf(response, limit, { isComplete: () => isComplete, clock });
      for await (const line of linesOf(pieces)) {
        if (line.trim() === "") continue;
        const record = recordOf(line, about(call.id));
        if (record.done === true)
          refuseTruncated(record, { textBytes, window: call.contextTokens, id: call.id });
        isComplete = record.done === true;
        yield* make(record);
        if (isComplete) return;
      }
      throw failure(
        "bad_gateway",
        `${name} ended the answer of model '${call.id}' before it was whole`,
        "again",
      );
    } catch (cause) {
      throw failureOf(cause, call.signal, about(call.id));
    }
  }

  return {
    name,
    stream,
    complete: async (call) => {
      try {
        const { response, textBytes } = await ask(call, false);
        const record = recordOf(await textOf(response, limit), about(call.id));
        if (record.done !== true || typeof record.message !== "object") throw unreadable(about(call.id));
        refuseTruncated(record, { textBytes, window: call.contextTokens, id: call.id });
        return completionOf(record, headOf(call), forcedBy(call, name));
      } catch (cause) {
        throw failureOf(cause, call.signal, about(call.id));
      }
    },
    models: async (signal) => {
      try {
        const response = await send(options, "/api/tags", { signal });
        if (!response.ok) throw await refusal(response, limit, about(""));
        const { models } = Object(JSON.parse(await textOf(response, limit))) as {
          models?: { name?: unknown }[];
        };
        if (!Array.isArray(models)) throw unreadable(about(""));
        return models.slice(0, modelsMax).map((model) => String(Object(model).name));
      } catch (cause) {
        throw failureOf(cause, signal, about(""));
      }
    },
    ignored: ignoredByOllama,
  };
}

/** The path and body of a call: continuing a text has a path of its own. */
function requestFor(call: ProviderCall, streamed: boolean) {
  if (call.body.prompt === undefined) {
    const request = ollamaRequest(call, streamed);
    return { path: "/api/chat", request, textBytes: textBytesOf(request.messages as Json[]) };
  }
  const request = ollamaTextRequest(call, streamed);
  const texts = [request.prompt, request.suffix].map((content) => ({ content }));
  return { path: "/api/generate", request, textBytes: textBytesOf(texts) };
}

/** The tool call that the model must make, and the reader of what it writes for it. */
function forcedBy({ body, id }: ProviderCall, name: string): Forced | undefined {
  const { forced } = chosenTools(body);
  return forced && { call: forced, reader: callReader(forced, { name, id }) };
}

async function send(
  { setting, key }: OllamaOptions,
  path: string,
  { body, signal }: { body?: Json; signal: AbortSignal },
): Promise<Response> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  if (body) headers["content-type"] = "application/json";
  return fetchUpstream(setting.baseUrl + path, {
    method: body ? "POST" : "GET",
    headers,
    ...(body && { body: JSON.stringify(body) }),
    signal,
  });
}

/** One record. A record with an error is thrown as a failure, wherever in the stream it comes. */
function recordOf(line: string, about: Refusal): OllamaRecord {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw unreadable(about);
  }
  if (typeof record !== "object" || record === null) throw unreadable(about);
  const { error } = record as OllamaRecord;
  if (error === undefined) return messageIn(record as OllamaRecord);
  const words = typeof error === "string" ? error : JSON.stringify(error);
  throw refusedAnswer({ status: 502, words, code: undefined, headers: new Headers() }, about);
}

/** `/api/generate` has its text in `response`, `/api/chat` in a message. */
const messageIn = (record: OllamaRecord & { response?: unknown; thinking?: unknown }): OllamaRecord => {
  const { response: content, thinking } = record;
  return typeof content === "string" ? { ...record, message: { content, thinking } } : record;
};

const unreadable = ({ name, id }: Refusal): ProviderFailure =>
  failure(
    "bad_gateway",
    `${name} answered model '${id}' with something that is no answer of Ollama's API`,
    "again",
  );

/** Ollama says `{"error": "…"}`; whatever else answers is none. */
async function refusal(response: Response, limit: BodyLimit, about: Refusal): Promise<ProviderFailure> {
  const text = await textOf(response, limit);
  const { status, headers } = response;
  const words = wordsOf(text);
  if (status === 404 && /not found|try pulling/i.test(words ?? "") && about.name === "ollama")
    return failure("not_found", missing(about), "next", { details: noModel });
  return refusedAnswer({ status, words: words ?? text.slice(0, 2000), code: undefined, headers }, about);
}

function missing({ url, id, key }: Refusal): string {
  const prefix = id.includes("/")
    ? ` (and no provider is named '${quoted(id.split("/")[0] ?? "", key)}')`
    : "";
  return `ollama at ${hostOf(url)} has no model '${id}'${prefix}: run 'ollama pull ${id}'; GET /models lists what there is`;
}

function wordsOf(text: string): string | undefined {
  try {
    const { error } = Object(JSON.parse(text)) as OllamaRecord;
    return error === undefined ? undefined : typeof error === "string" ? error : JSON.stringify(error);
  } catch {
    return undefined;
  }
}

function failureOf(cause: unknown, signal: AbortSignal, about: Refusal): unknown {
  if (cause instanceof ProviderFailure) return cause;
  if (signal.aborted) return signal.reason;
  if (cause instanceof RangeError) return failure("bad_gateway", `${about.name}: ${cause.message}`, "next");
  if (cause instanceof SyntaxError) return unreadable(about);
  return connectionFailure(cause, about);
}
