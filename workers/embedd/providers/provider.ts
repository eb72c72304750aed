/** The interface of embedding providers: one file for each implementation, one conformance suite (tests/conformance/embedding-provider.ts). */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { keyAdvice } from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { type BodyLimit, connectionFault, hostOf } from "../../../runtime/upstream/upstream.ts";

export interface EmbedCall {
  /** The model as the provider calls it, as `nomic-embed-text`. */
  name: string;
  /** At most `limits.texts` of them, none empty. */
  texts: readonly string[];
  /** Length of the vectors that is wanted; only for providers that are `open`. */
  dimensions?: number;
  /** The texts are lists of token numbers, as JSON; only for providers that are `open`. */
  inTokens?: boolean;
  /** Unknown fields of the request, passed on; only for providers that are `open`. */
  extras?: Readonly<Record<string, unknown>>;
  signal: AbortSignal;
}

/** The raw answer, validated by `checkAnswer` before use. */
interface Answer {
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
  /** It scores texts for a query, and makes no vectors. */
  reranks?: boolean;
}

export interface RerankCall {
  /** The model as the provider calls it. */
  name: string;
  query: string;
  texts: readonly string[];
  signal: AbortSignal;
}

/** The raw answer, validated by `checkScores` before use. */
export interface RerankAnswer {
  /** One a text, in their order: larger is better. */
  scores: readonly number[];
  tokens?: number;
  /** Texts that the model did not read to their end. */
  cut?: number;
}

export interface ProviderLimits {
  /** Texts of one call. */
  texts: number;
  /** UTF-8 bytes of one call's texts; a longer text goes alone. */
  bytes: number;
  /** Concurrent calls; further ones are queued. */
  calls: number;
}

export interface Provider {
  /** The prefix of model ids, and the label of metrics. */
  name: string;
  limits: ProviderLimits;
  /** Accepts the extras of OpenAI's API: `dimensions`, token numbers, unknown fields. */
  open: boolean;
  /**
   * One call, tried once. Throws TextTooLong when a text of it does not fit the model's window, TransientFailure when
   * another try may help, a ServiceError otherwise, and the signal's reason when that aborts.
   */
  embed: (call: EmbedCall) => Promise<Answer>;
  /** How well each text answers a query, tried once; throws as `embed` does. Absent where the provider has no such door. */
  rerank?: (call: RerankCall) => Promise<RerankAnswer>;
  /**
   * Says what the model is made of, where another one may come under its name: what was made by one is no answer of the
   * other. Undefined where there is no such model.
   */
  versionOf?: (name: string) => Promise<string | undefined>;
  /** The models it has now. Throws a ServiceError when it cannot say. */
  models: (signal: AbortSignal) => Promise<KnownModel[]>;
}

/** How a provider is reached. */
export interface ProviderOptions {
  /** Its name in `[providers.*]`. */
  provider: string;
  url: string;
  needsKey: boolean;
  /** The secret; absent for servers that need none. */
  key: string | undefined;
  clock: Pick<Clock, "now">;
}

/** A text of the batch does not fit the model's window; the batcher finds out which. */
export class TextTooLong extends Error {}

/** A transient failure: retried until the deadline, then thrown as `error`. */
export class TransientFailure extends Error {
  readonly error: ServiceError;
  /** The provider's Retry-After, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(error: ServiceError, retryAfterMs?: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The failure behind a fetch that threw. `advice` says how to make the provider answer; a connection that broke is worth
 * a retry.
 */
export function connectionFailure(
  cause: unknown,
  { provider, url, model, advice }: { provider: string; url: string; model?: string; advice: string },
): ServiceError | TransientFailure {
  const about = model === undefined ? "" : ` for model '${model}'`;
  const { message, again } = connectionFault(cause, { name: provider, url, about, advice });
  const failure = fail("bad_gateway", again ? `${message}: try again` : message, { cause });
  return again ? new TransientFailure(failure) : failure;
}

/** Throws when the provider takes no call without a key, and has none. */
export function refuseWithoutKey({ provider, url, needsKey, key }: ProviderOptions): void {
  if (needsKey && key === undefined)
    throw fail(
      "bad_gateway",
      `${provider} at ${hostOf(url)} takes no call without a key: ${keyAdvice(provider)}`,
      { details: keyCode },
    );
}

/** What a server says of a wrong key may hold the key. */
export const keyRefused = (who: string, status: number, provider: string): ServiceError =>
  fail("bad_gateway", `${who} refused the key with ${status}: ${keyAdvice(provider)}`, { details: keyCode });

const keyCode = { code: "provider_key_refused" };

/** How much a provider may answer: a 502 beyond it, for an answer must not fill the memory. */
export const answerLimit = (bytesMax: number, provider: string): BodyLimit => ({
  bytesMax,
  tooMuch: () => fail("bad_gateway", `${provider} answered more than ${bytesMax} bytes`),
});
