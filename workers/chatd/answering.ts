/** From a conversation to its answer: the cache, then one model after the other until one answers. */
import type { Clock } from "../../runtime/clock.ts";
import { fail, final, type ServiceError } from "../../runtime/errors.ts";
import { localModel, type ModelNames, noModel, type Target } from "../../runtime/model-names.ts";
import { type AnswerCache, cacheKey, type Remembered } from "./answer-cache.ts";
import { attempt, type Opened } from "./attempts.ts";
import type { Ask } from "./conversation.ts";
import type { Observation, Observer } from "./observation.ts";
import { ProviderFailure as Failure, type Json } from "./provider.ts";
import type { Registered } from "./registry.ts";
import { runningStream, settle } from "./running-answer.ts";

/** What an answer comes with: who gave it, and how. */
export interface About {
  target: Target;
  cache: "hit" | "miss" | "off";
  /** Fields of the request that the provider has no use for. */
  ignored: string[];
  /** Models that were tried before, and why they did not answer. */
  failed: { model: string; type: string; message: string }[];
  observed: Observation;
}

export type Answer = { about: About } & (
  | { whole: Json; chunks?: undefined }
  | {
      whole?: undefined;
      /** Ends when the answer is whole; throws a ServiceError when it breaks off. */
      chunks: AsyncGenerator<Json>;
      /** Ends the answer and the provider's work on it. */
      leave: (reason: ServiceError) => void;
    }
);

export interface AnsweringDeps {
  clock: Clock;
  names: ModelNames;
  /** The providers by name. */
  registered: (name: string) => Registered;
  cache: AnswerCache;
  observer: Observer;
}

export interface Asker {
  requestId: string;
  signal: AbortSignal;
}

/** Answers a conversation. Rejects with a ServiceError when no model did. */
export async function answerTo(ask: Ask, asker: Asker, deps: AnsweringDeps): Promise<Answer> {
  if (ask.models.includes(localModel))
    throw fail("not_found", `model '${localModel}' makes vectors alone: POST /embeddings takes it`, {
      details: noModel,
    });
  const targets = deps.names.resolve(ask.models);
  const observed = observationOf(ask, asker, targets, deps.clock);
  const key = ask.cache === "off" ? undefined : cacheKey(ask, targets);
  const found = key !== undefined && ask.cache === "use" ? deps.cache.get(key) : undefined;
  if (found) return fromCache(found, observed, deps);
  const about: About = {
    target: targets[0] as Target,
    cache: key === undefined ? "off" : "miss",
    ignored: [],
    failed: [],
    observed,
  };
  try {
    return await firstAnswer({ ask, asker, targets, about, key }, deps);
  } catch (cause) {
    const error = errorOf(cause, about, asker.signal);
    deps.observer.finish(observed, error);
    throw error;
  }
}

function observationOf(
  ask: Ask,
  { requestId }: Asker,
  targets: readonly Target[],
  clock: Clock,
): Observation {
  return {
    requestId,
    provider: targets[0]?.provider ?? "",
    model: targets[0]?.id ?? "",
    streamed: ask.streamed,
    startedAt: clock.elapsed(),
    fallbacks: 0,
    retries: 0,
    cached: false,
    messages: ask.body.messages ?? ask.body.prompt,
    output: "",
  };
}

interface Asked {
  ask: Ask;
  asker: Asker;
  targets: readonly Target[];
  about: About;
  key: string | undefined;
}

async function firstAnswer(asked: Asked, deps: AnsweringDeps): Promise<Answer> {
  const { targets, about } = asked;
  for (const [at, target] of targets.entries()) {
    about.target = target;
    Object.assign(about.observed, { provider: target.provider, model: target.id, fallbacks: at });
    try {
      return await oneAnswer(asked, target, deps);
    } catch (cause) {
      const isLast = at === targets.length - 1;
      if (!(cause instanceof Failure) || cause.remedy === "none" || isLast) throw cause;
      about.failed.push({ model: target.id, type: cause.error.type, message: cause.error.message });
    }
  }
  throw fail("internal", "no model was asked");
}

async function oneAnswer(
  { ask, asker, about, key }: Asked,
  target: Target,
  deps: AnsweringDeps,
): Promise<Answer> {
  const { provider, setting, quota, refuseWithoutKey } = deps.registered(target.provider);
  refuseWithoutKey(target.id);
  const facts = deps.names.facts(target.id);
  const contextTokens = ask.contextTokens ?? facts.context_tokens ?? setting.contextTokens;
  const leave = quota.enter();
  let opened: Opened;
  try {
    const { body, streamOptions, streamed } = ask;
    const call = { model: target.model, id: target.id, body, streamOptions, contextTokens };
    const onRetry = () => void about.observed.retries++;
    const { clock } = deps;
    opened = await attempt({ provider, setting, call, streamed }, { clock, signal: asker.signal, onRetry });
  } catch (cause) {
    leave();
    throw cause;
  }
  about.ignored = [...(ask.leftOut ?? []), ...provider.ignored(ask.body)];
  const keep = key === undefined ? undefined : (texts: string[]) => deps.cache.set(key, { target, texts });
  const running = { about, facts, setting, quota, leave, keep, clock: deps.clock, observer: deps.observer };
  if (opened.whole !== undefined) return { about, whole: settle(opened.whole, opened.deadline, running) };
  return { about, ...runningStream(opened, running, asker.signal) };
}

function fromCache(
  { target, texts }: Remembered,
  observed: Observation,
  { observer }: AnsweringDeps,
): Answer {
  Object.assign(observed, { provider: target.provider, model: target.id, cached: true });
  const about: About = { target, cache: "hit", ignored: [], failed: [], observed };
  const values = texts.map((text) => JSON.parse(text) as Json);
  if (!observed.streamed) {
    observer.finish(observed);
    return { about, whole: values[0] as Json };
  }
  async function* chunks(): AsyncGenerator<Json> {
    yield* values;
    observer.finish(observed);
  }
  return { about, chunks: chunks(), leave: () => {} };
}

/** Longest `Retry-After` that OpenAI's clients wait for, in seconds. */
const waitedForMax = 60;

/** What the caller is told: the last failure, and those before it. */
function errorOf(cause: unknown, { failed, observed }: About, signal: AbortSignal): unknown {
  if (signal.aborted) return fail("client_closed", "the caller went away");
  if (!(cause instanceof Failure)) return cause;
  const { remedy } = cause;
  const isTried = observed.retries > 0 || failed.length > 0;
  const isAskedToWait =
    cause.error.retryAfterSeconds !== undefined && cause.error.retryAfterSeconds <= waitedForMax;
  // The client's own tries would multiply with ours, or be of no use.
  const isFinal = isTried || (remedy !== "again" && !isAskedToWait);
  const error = isFinal ? final(cause.error) : cause.error;
  if (failed.length === 0) return error;
  const before = failed.map(({ model, message }) => `${model}: ${message}`).join("; ");
  return fail(error.type, `${error.message} (tried before: ${before})`, {
    details: { failed, ...(typeof error.details === "object" && error.details) },
    ...(error.retryAfterSeconds !== undefined && { retryAfterSeconds: error.retryAfterSeconds }),
    shouldRetry: error.shouldRetry,
  });
}
