/** The interface of providers of chat completions: one implementation for each kind of API, one conformance suite (tests/conformance/chat-provider.ts). */
import { type ErrorExtra, type ErrorType, fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { type BodyLimit, connectionFault } from "../../../runtime/upstream/upstream.ts";
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

/** The failure behind a fetch that threw: an unreachable provider is for the next model, a broken connection is retried. */
export function connectionFailure(
  cause: unknown,
  { name, url, id }: { name: string; url: string; id: string },
): ProviderFailure {
  // Requests without a model, such as for the list of models, have no id.
  const about = id === "" ? "" : ` for model '${id}'`;
  const advice = `start it, or set [providers.${name}] base_url`;
  const { message, again } = connectionFault(cause, { name, url, about, advice });
  return failure("bad_gateway", message, again ? "again" : "next");
}
