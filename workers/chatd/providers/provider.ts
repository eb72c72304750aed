/** The interface of providers of chat completions: one implementation for each kind of API, one conformance suite (tests/conformance/chat-provider.ts). */
import { type ErrorExtra, type ErrorType, fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import {
  type BodyLimit,
  hostOf,
  isNobodyThere,
  UnknownEncoding,
} from "../../../runtime/upstream/upstream.ts";

/** JSON as OpenAI's API has it. Fields nobody here knows pass through untouched. */
export type Json = Record<string, unknown>;

export interface ProviderCall {
  /** The model as the provider calls it. */
  model: string;
  /** The model as callers name it, for messages: `openrouter/vendor/name`. */
  id: string;
  /** The request in OpenAI's shape, without `model`, `stream` and `stream_options`. */
  body: Json;
  /** What the caller gave of `stream_options`. */
  streamOptions: Json;
  /** Window to ask for, where the provider can be asked. */
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
  /** Fields of the request that it has no use for and leaves out. */
  ignored: (body: Json) => string[];
}

/** What is done about a failure: retry the provider, try the next model, or fail at once. */
export type Remedy = "again" | "next" | "none";

export class ProviderFailure extends Error {
  readonly error: ServiceError;
  readonly remedy: Remedy;
  /** What the provider asked to wait, in milliseconds. */
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

/** The model in a message; an empty id is of no model, as when a provider is asked what it has. */
const ofModel = (id: string): string => (id === "" ? "" : ` for model '${id}'`);

/** What a fetch that threw means: nobody there is for the next model, a broken connection is tried again. */
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
