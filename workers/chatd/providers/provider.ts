/** The interface of providers of chat completions: one implementation for each kind of API, one conformance suite (tests/conformance/chat-provider.ts). */
import { type ErrorExtra, type ErrorType, fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import {
  type BodyLimit,
  hostOf,
  isNobodyThere,
  UnknownEncoding,
} from "../../../runtime/upstream/upstream.ts";
import type { Json } from "../schemas/schemas.ts";

export interface ProviderCall {
  /** The model as the provider calls it. */
  model: string;
  /** The model as callers name it, for messages: `openrouter/vendor/name`. */
  id: string;
  /** The request in OpenAI's shape, without `model`, `stream` and `stream_options`. */
  body: Json;
  /** What the caller gave of `stream_options`. */
  streamOptions: Json;
  /** Context size to request, where the provider supports it. */
  contextTokens: number;
  /** Called when the head of the answer arrives. */
  onAnswer: () => void;
  signal: AbortSignal;
}

export interface Provider {
  name: string;
  /** One call, tried once: a `chat.completion`. Throws a ProviderFailure, or the signal's reason. */
  complete: (call: ProviderCall) => Promise<Json>;
  /**
   * One call, tried once: `chat.completion.chunk`s as they come. It ends only when the provider said that the answer
   * is complete; every other end is a ProviderFailure.
   */
  stream: (call: ProviderCall) => AsyncGenerator<Json>;
  /** The models it has now. Throws a ProviderFailure when it cannot say. */
  models: (signal: AbortSignal) => Promise<string[]>;
  /** Fields of the request that it does not support and omits. */
  ignored: (body: Json) => string[];
}

/** What is done about a failure: retry the provider, try the next model, or fail at once. */
export type Remedy = "again" | "next" | "none";

export class ProviderFailure extends Error {
  readonly error: ServiceError;
  readonly remedy: Remedy;
  /** The provider's Retry-After, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(error: ServiceError, remedy: Remedy, retryAfterMs?: number) {
    super(error.message);
    this.error = error;
    this.remedy = remedy;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Makes the failure to throw. */
export const failure = (
  type: ErrorType,
  message: string,
  remedy: Remedy,
  extra: ErrorExtra & { retryAfterMs?: number | undefined } = {},
): ProviderFailure => {
  const { retryAfterMs, ...rest } = extra;
  return new ProviderFailure(fail(type, message, rest), remedy, retryAfterMs);
};

/** How much a provider may answer. */
export const answerLimit = (bytesMax: number, name: string): BodyLimit => ({
  bytesMax,
  tooMuch: () => failure("bad_gateway", `${name} answered more than ${bytesMax} bytes`, "next"),
});

/** The model in a message; the id is empty for requests without one, such as the list of models. */
const ofModel = (id: string): string => (id === "" ? "" : ` for model '${id}'`);

/** The failure behind a fetch that threw: an unreachable provider is for the next model, a broken connection is retried. */
export function connectionFailure(
  cause: unknown,
  { name, url, id }: { name: string; url: string; id: string },
): ProviderFailure {
  const about = ofModel(id);
  if (isNobodyThere(cause))
    return failure(
      "bad_gateway",
      `${name} cannot be reached at ${hostOf(url)}${about}: start it, or set [providers.${name}] base_url`,
      "next",
    );
  if (cause instanceof UnknownEncoding)
    return failure("bad_gateway", `${name} at ${hostOf(url)}${about}: ${cause.message}`, "next");
  return failure("bad_gateway", `${name} at ${hostOf(url)} broke off its answer${about}`, "again");
}
