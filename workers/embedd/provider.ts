/** What turns texts into vectors: one interface, one file an implementation, one suite (tests/conformance/embedding-provider.ts). */
import { fail, type ServiceError } from "../../runtime/errors.ts";
import { hostOf, isNobodyThere } from "../../runtime/foreign.ts";
import { keyAdvice } from "../../runtime/model-providers.ts";
import { type BodyLimit, UnknownEncoding } from "../../runtime/upstream.ts";

export interface EmbedCall {
  /** The model as the provider calls it, as `nomic-embed-text`. */
  name: string;
  /** At most `limits.texts` of them, none empty. */
  texts: readonly string[];
  /** Length of the vectors that is wanted; only for providers that are `open`. */
  dimensions?: number;
  /** The texts are lists of token numbers, as JSON; only for providers that are `open`. */
  inTokens?: boolean;
  /** Fields of the request that nobody here knows; only for providers that are `open`. */
  extras?: Readonly<Record<string, unknown>>;
  signal: AbortSignal;
}

/** As it came: `checkAnswer` looks at it before anybody uses it. */
export interface Answer {
  /** One a text, in their order: typed arrays or lists of numbers. */
  vectors: unknown;
  /** Tokens of the whole call as the provider counted them. */
  tokens?: number;
}

export interface KnownModel {
  name: string;
  dimension?: number;
  /** Longest text, in the model's tokens. */
  window?: number;
}

export interface ProviderLimits {
  /** Texts of one call. */
  texts: number;
  /** UTF-8 bytes of one call's texts; a longer text goes alone. */
  bytes: number;
  /** Calls at once; more wait in line. */
  calls: number;
}

export interface Provider {
  /** What model ids begin with, and metrics are labelled with. */
  name: string;
  limits: ProviderLimits;
  /** Takes what OpenAI's API has and others have not: `dimensions`, token numbers, fields of its own. */
  open: boolean;
  /**
   * One call, tried once. Throws TextTooLong when a text of it does not fit the model's window, PassingFailure when
   * another try may help, a ServiceError otherwise, and the signal's reason when that aborts.
   */
  embed: (call: EmbedCall) => Promise<Answer>;
  /** The models it has now. Throws a ServiceError when it cannot say. */
  models: (signal: AbortSignal) => Promise<KnownModel[]>;
}

/** A text does not fit the model's window. Which one, the batcher finds out. */
export class TextTooLong extends Error {}

/** A failure that may pass: tried again while there is time, and then told as `error`. */
export class PassingFailure extends Error {
  readonly error: ServiceError;
  /** What the provider asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(error: ServiceError, retryAfterMs?: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * What a fetch that threw means. `advice` says how to make the provider answer; a connection that was made and then
 * broke may be better at the next try.
 */
export function connectionFailure(
  cause: unknown,
  { provider, url, model, advice }: { provider: string; url: string; model?: string; advice: string },
): ServiceError | PassingFailure {
  const about = model === undefined ? "" : ` for model '${model}'`;
  if (isNobodyThere(cause))
    return fail("bad_gateway", `${provider} cannot be reached at ${hostOf(url)}${about}: ${advice}`, {
      cause,
    });
  if (cause instanceof UnknownEncoding)
    return fail("bad_gateway", `${provider} at ${hostOf(url)}${about}: ${cause.message}`);
  const broken = fail(
    "bad_gateway",
    `${provider} at ${hostOf(url)} broke off its answer${about}: try again`,
    { cause },
  );
  return new PassingFailure(broken);
}

/** A provider that takes no call without a key, and has none. */
export const withoutKey = (provider: string, url: string): ServiceError =>
  fail("bad_gateway", `${provider} at ${hostOf(url)} takes no call without a key: ${keyAdvice(provider)}`, {
    details: keyCode,
  });

/** What a server says of a wrong key may hold the key. */
export const keyRefused = (who: string, status: number, provider: string): ServiceError =>
  fail("bad_gateway", `${who} refused the key with ${status}: ${keyAdvice(provider)}`, { details: keyCode });

const keyCode = { code: "provider_key_refused" };

/** How much a provider may answer: a 502 beyond it, for an answer must not fill the memory. */
export const answerLimit = (bytesMax: number, provider: string): BodyLimit => ({
  bytesMax,
  tooMuch: () => fail("bad_gateway", `${provider} answered more than ${bytesMax} bytes`),
});
