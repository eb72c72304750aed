/**
 * Providers with OpenAI's API, as OpenAI itself, through the `openai` package, which only this file imports: with
 * the first call, since it takes a start longer than the rest of embedd.
 */
import type { APIError, OpenAI } from "openai";
import { fail, invalidField, ServiceError } from "../../../runtime/errors/errors.ts";
import { noModel } from "../../../runtime/models/models.ts";
import {
  fetchUpstream,
  hostOf,
  limitBody,
  passedOnSeconds,
  quoted,
  retryAfterMs,
  rootOf,
} from "../../../runtime/upstream/upstream.ts";
import {
  answerLimit,
  connectionFailure,
  type EmbedCall,
  keyRefused,
  type Provider,
  type ProviderOptions,
  refuseWithoutKey,
  TextTooLong,
  TransientFailure,
} from "./provider.ts";
import { askRerank } from "./rerank-door.ts";

/** As OpenAI, vLLM, llama.cpp and text-embeddings-inference say that a text, or a whole batch, is too long. */
const tooLong =
  /maximum (context|input) length|context_length_exceeded|exceed_context_size|max_tokens_per_request|must have less than \d+ tokens|exceeds? (the )?(max|context|available)|input is too large to process/i;
const adviceFor = (provider: string): string => `start it, or set [providers.${provider}] base_url`;
const modelsMax = 1000;
const answerBytes = 64 * 1024 * 1024;

export function createOpenAi(options: ProviderOptions): Provider {
  const { provider } = options;
  let client: Promise<OpenAI> | undefined;
  const connected = () => {
    client ??= createClient(options);
    return client;
  };

  const embed = async ({ name, texts, dimensions, inTokens, extras, signal }: EmbedCall) => {
    refuseWithoutKey(options);
    const shape = dimensions === undefined ? {} : { dimensions };
    try {
      const { embeddings } = await connected();
      const answer = await embeddings.create(
        { ...extras, model: name, input: inputOf(texts, inTokens), encoding_format: "base64", ...shape },
        { signal },
      );
      const tokens = answer.usage?.prompt_tokens;
      return { vectors: inOrder(answer.data, texts.length), ...(typeof tokens === "number" && { tokens }) };
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw await failureOf(cause, {
        ...options,
        id: `${provider}/${name}`,
        withDimensions: dimensions !== undefined,
        isOpen: inTokens === true || extras !== undefined,
      });
    }
  };

  const models = async (signal: AbortSignal) => {
    refuseWithoutKey(options);
    try {
      const { models } = await connected();
      const { data } = await models.list({ signal });
      const names = (Array.isArray(data) ? data : []).map(({ id }) => String(id)).slice(0, modelsMax);
      // Servers list all their models; those named for embedding are preferred.
      const named = names.filter((name) => /embed/i.test(name));
      return (named.length > 0 ? named : names).map((name) => ({ name }));
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const failure = await failureOf(cause, {
        ...options,
        id: undefined,
        withDimensions: false,
        isOpen: false,
      });
      throw failure instanceof TransientFailure ? failure.error : failure;
    }
  };

  return {
    name: provider,
    limits: { texts: 256, bytes: 256 * 1024, calls: 4 },
    open: true,
    embed,
    rerank: (call) => askRerank(call, options),
    models,
  };
}

/** Token numbers are queued as JSON text. */
const inputOf = (texts: readonly string[], inTokens = false): string[] =>
  inTokens ? texts.map((text) => JSON.parse(text)) : [...texts];

async function createClient({ provider, url, key }: ProviderOptions): Promise<OpenAI> {
  const { default: Client } = await import("openai");
  return new Client({
    apiKey: key ?? "none",
    adminAPIKey: null,
    organization: null,
    project: null,
    baseURL: url,
    // Tries and deadlines are the same for every provider: retry.ts.
    maxRetries: 0,
    timeout: 24 * 60 * 60 * 1000,
    logLevel: "off",
    fetch: async (target, init) => {
      const headers = new Headers(init?.headers);
      if (key === undefined) headers.delete("authorization");
      const response = await fetchUpstream(target as string | URL, { ...init, headers });
      return limitBody(response, answerLimit(answerBytes, provider));
    },
  });
}

/** The vectors by their `index`; undefined where the answer has no such list, for the check to refuse. */
function inOrder(data: unknown, count: number): unknown {
  if (!Array.isArray(data) || data.length !== count) return data;
  const vectors = new Array<unknown>(count).fill(undefined);
  data.forEach((item: { index?: unknown; embedding?: unknown } | null, at) => {
    const index = typeof item?.index === "number" ? item.index : at;
    if (index in vectors && vectors[index] === undefined) vectors[index] = decoded(item?.embedding);
  });
  return vectors;
}

/** Servers that do not know `encoding_format` answer lists of numbers. */
function decoded(embedding: unknown): unknown {
  if (typeof embedding !== "string") return embedding;
  const bytes = Buffer.from(embedding, "base64");
  if (bytes.length === 0 || bytes.length % 4 !== 0) return undefined;
  return new Float32Array(new Uint8Array(bytes).buffer);
}

interface About extends ProviderOptions {
  id: string | undefined;
  withDimensions: boolean;
  /** Token numbers or unknown fields were passed on. */
  isOpen: boolean;
}

async function failureOf(cause: unknown, about: About): Promise<Error> {
  if (cause instanceof ServiceError) return cause;
  const { APIConnectionError, APIError } = await import("openai");
  const { provider, id, url } = about;
  const advice = adviceFor(provider);
  const model = id === undefined ? {} : { model: id };
  if (cause instanceof APIConnectionError)
    return connectionFailure(rootOf(cause), { provider, url, advice, ...model });
  if (cause instanceof APIError && cause.status !== undefined) return answered(cause, about);
  // The package throws other errors only over an answer that it could not read.
  return connectionFailure(cause, { provider, url, advice, ...model });
}

function answered(cause: APIError, { provider, id, url, key, clock, withDimensions, isOpen }: About): Error {
  const { status = 0, code } = cause;
  const words = quoted(cause.message, key);
  const who = `${provider} at ${hostOf(url)}${id === undefined ? "" : ` (model '${id}')`}`;
  if (status === 401 || status === 403) return keyRefused(who, status, provider);
  if (tooLong.test(words) || tooLong.test(String(code)))
    return new TextTooLong(`OpenAI's API says: ${words}`);
  if (status === 404)
    return fail(
      "not_found",
      `${who} knows no such model: GET /embed/models lists those it has. It says: ${words}`,
      { details: noModel },
    );
  if (code === "insufficient_quota")
    return fail("bad_gateway", `${who} says that the account's quota is used up`, {
      details: { code: "insufficient_quota" },
    });
  const waitMs = retryAfterMs(new Headers(cause.headers), clock);
  const seconds = { retryAfterSeconds: passedOnSeconds(waitMs) };
  if (status === 429)
    return new TransientFailure(fail("too_many_requests", `${who} is busy: ${words}`, seconds), waitMs);
  if (status === 503)
    return new TransientFailure(fail("overloaded", `${who} is busy: ${words}`, seconds), waitMs);
  const failed = fail("bad_gateway", `${who} failed: ${words}`);
  if (status >= 500) return new TransientFailure(failed, waitMs);
  if (withDimensions && status === 400)
    return invalidField("dimensions", `${who} refused the request: ${words}`);
  // Token numbers or unknown fields were passed on unchecked: the caller can correct them.
  if (isOpen && (status === 400 || status === 422))
    return fail("bad_request", `${who} refused the request: ${words}`);
  return failed;
}
