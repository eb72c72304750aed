/**
 * Providers with OpenAI's API, through the `openai` package, which only this file of the service imports: with the first
 * call, since it takes a start longer than the rest of chatd.
 */

import type OpenAI from "openai";
import { isObject } from "../../../runtime/json/json.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import {
  type BodyLimit,
  fetchUpstream,
  limitBody,
  piecesOf,
  quoted,
  rootOf,
  textOf,
} from "../../../runtime/upstream/upstream.ts";
import type { Json } from "../schemas/schemas.ts";
import { eventsOf } from "./event-lines.ts";
import {
  answerLimit,
  connectionFailure,
  failure,
  type Provider,
  type ProviderCall,
  ProviderFailure,
} from "./provider.ts";
import { type Refusal, refusedAnswer, refusedInStream } from "./refused-answer.ts";
import type { ProviderSetting } from "./setting.ts";

interface OpenAiOptions {
  setting: ProviderSetting;
  /** The secret; absent for servers that need none. */
  key: string | undefined;
  clock: Pick<Clock, "now" | "after">;
  answerBytesMax: number;
}

const modelsMax = 2000;

export function createOpenAi(options: OpenAiOptions): Provider {
  const { setting, key, clock } = options;
  const { name } = setting;
  let client: Promise<OpenAI> | undefined;
  const connected = () => {
    client ??= createClient(options);
    return client;
  };
  const limit = answerLimit(options.answerBytesMax, name);
  const about = (id: string): Refusal => ({ name, url: setting.baseUrl, id, key, clock });

  /** The raw answer: its stream is read here, because the package takes one that ends early for a complete one. */
  const ask = async (call: ProviderCall, more: Json): Promise<Response> => {
    const body = { ...call.body, ...more, model: call.model };
    try {
      const { chat, completions } = await connected();
      const endpoint = (isText(call) ? completions : chat.completions) as typeof chat.completions;
      const request = endpoint.create(body as never, { signal: call.signal });
      const response = await request.asResponse();
      call.onAnswer();
      return response;
    } catch (cause) {
      throw await failureOf(cause, call.signal, about(call.id));
    }
  };

  async function* stream(call: ProviderCall): AsyncGenerator<Json> {
    const usage = setting.streamUsage ? { include_usage: true } : {};
    const streamOptions = { ...call.streamOptions, ...usage };
    const hasOptions = Object.keys(streamOptions).length > 0;
    const response = await ask(call, { stream: true, ...(hasOptions && { stream_options: streamOptions }) });
    try {
      for await (const chunk of chunksOf(response, about(call.id), { limit, clock }))
        yield isText(call) ? asConversation(chunk, "delta") : chunk;
    } catch (cause) {
      throw await failureOf(cause, call.signal, about(call.id));
    }
  }

  return {
    name,
    complete: async (call) => {
      const response = await ask(call, {});
      try {
        return completionOf(await textOf(response, limit), about(call.id), isText(call));
      } catch (cause) {
        throw await failureOf(cause, call.signal, about(call.id));
      }
    },
    stream,
    models: async (signal) => {
      try {
        const { models } = await connected();
        const response = await models.list({ signal }).asResponse();
        const { data } = parsed(await textOf(response, limit), about(""));
        return (Array.isArray(data) ? data : []).slice(0, modelsMax).map((model) => String(Object(model).id));
      } catch (cause) {
        throw await failureOf(cause, signal, about(""));
      }
    },
    ignored: () => [],
  };
}

async function createClient({ setting, key, answerBytesMax }: OpenAiOptions): Promise<OpenAI> {
  const { default: Client } = await import("openai");
  const head = {
    accept: "application/json",
    "content-type": "application/json",
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
  };
  /** Its own ways to a request's head, from five lists of headers, and to a deadline are most of what a call costs. */
  class PlainClient extends Client {
    override async buildRequest(asked: Parameters<OpenAI["buildRequest"]>[0]) {
      const { method, path, query, body, signal } = asked;
      const req = {
        method: method.toUpperCase(),
        headers: new Headers(head),
        ...(signal && { signal }),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      };
      return { req, url: this.buildURL(path, query as Json), timeout: this.timeout };
    }
    override async fetchWithTimeout(url: string | URL, init: RequestInit | undefined) {
      const response = await fetchUpstream(url, init);
      // The package reads what is no success.
      return response.ok ? response : limitBody(response, answerLimit(answerBytesMax, setting.name));
    }
  }
  return new PlainClient({
    // It refuses to be without; servers that need none are sent none.
    apiKey: key ?? "none",
    adminAPIKey: null,
    organization: null,
    project: null,
    baseURL: setting.baseUrl,
    // Tries and deadlines are the same for every provider: attempts.ts.
    maxRetries: 0,
    logLevel: "off",
  });
}

async function* chunksOf(
  response: Response,
  about: Refusal,
  { limit, clock }: { limit: BodyLimit; clock: Pick<Clock, "after"> },
): AsyncGenerator<Json> {
  let chunks = 0;
  let isComplete = false;
  const pieces = piecesOf(response, limit, { isComplete: () => isComplete, clock });
  for await (const { event, data } of eventsOf(pieces)) {
    isComplete = data === "[DONE]";
    if (isComplete) return;
    const chunk = parsed(data, about);
    if (event === "error" || (chunk.error !== undefined && chunk.error !== null))
      throw refusedInStream(chunk.error ?? chunk, about);
    // Some servers tell the usage in a chunk that has no choices at all.
    if (chunk.usage !== undefined) chunk.choices ??= [];
    if (!Array.isArray(chunk.choices)) throw unreadable(about);
    chunks += 1;
    yield chunk;
  }
  // Not even one event: this is some other server.
  if (chunks === 0) throw unreadable(about);
  throw cutOff(about);
}

function completionOf(text: string, about: Refusal, ofText: boolean): Json {
  const raw = parsed(text, about);
  const answer = ofText ? asConversation(raw, "message") : raw;
  // OpenRouter answers 200 with the failure of its upstream in the body.
  if (answer.error !== undefined && answer.error !== null) throw refusedInStream(answer.error, about);
  if (!Array.isArray(answer.choices) || answer.choices.length === 0) throw unreadable(about);
  for (const choice of answer.choices as Json[])
    if (typeof Object(choice).message !== "object") throw unreadable(about);
  return answer;
}

/** A request to continue a text, which has an endpoint of its own. */
const isText = ({ body }: ProviderCall): boolean => body.prompt !== undefined;

/** What that endpoint answers, as a completion of a conversation or its chunk. */
const asConversation = (answer: Json, part: "message" | "delta"): Json => ({
  ...answer,
  ...(Array.isArray(answer.choices) && {
    choices: (answer.choices as Json[]).map(({ text, ...choice }) => ({
      ...choice,
      ...(typeof text === "string" && { [part]: { role: "assistant", content: text } }),
    })),
  }),
});

function parsed(text: string, about: Refusal): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Reported below: the unreadable text must not be part of a message.
  }
  throw unreadable(about);
}

const unreadable = ({ name, id }: Refusal): ProviderFailure =>
  failure(
    "bad_gateway",
    `${name} answered model '${id}' with something that is no answer of OpenAI's API`,
    "again",
  );
const cutOff = ({ name, id }: Refusal): ProviderFailure =>
  failure("bad_gateway", `${name} ended the answer of model '${id}' before it was whole`, "again");

async function failureOf(cause: unknown, signal: AbortSignal, about: Refusal): Promise<unknown> {
  if (cause instanceof ProviderFailure) return cause;
  if (signal.aborted) return signal.reason;
  const { APIConnectionError, APIError } = await import("openai");
  if (cause instanceof APIError && !(cause instanceof APIConnectionError) && cause.status !== undefined)
    return refusedAnswer(
      {
        status: cause.status,
        words: cause.message,
        code: cause.code,
        headers: new Headers(cause.headers),
      },
      about,
    );
  const root = rootOf(cause);
  if (root instanceof ProviderFailure) return root;
  if (root instanceof RangeError)
    return failure("bad_gateway", `${about.name}: ${quoted(root.message)}`, "next");
  return connectionFailure(root, about);
}
