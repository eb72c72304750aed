/** From a conversation to its answer: the cache, then one model after the other until one answers. */

import { fail, final, type ServiceError } from "../../../runtime/errors/errors.ts";
import { embeddedModels, type ModelNames, noModel, type Target } from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { currentTrace } from "../../../runtime/trace-context/trace-context.ts";
import type { ChatRequest } from "../conversation/conversation.ts";
import { ProviderFailure as Failure } from "../providers/providers.ts";
import type { Json } from "../schemas/schemas.ts";
import { type AnswerCache, type CachedAnswer, cacheKey } from "./answer-cache.ts";
import { attempt, type Opened } from "./attempts.ts";
import type { Observation, Observer } from "./observation.ts";
import type { Registered } from "./registry.ts";
import { runningStream, settle } from "./running-answer.ts";

export { type AnswerCache, createAnswerCache } from "./answer-cache.ts";
export { type CallRecord, type Calls, createCalls } from "./calls.ts";
export { createObserver, textIn } from "./observation.ts";
export { createRegistry, modelList, oneModel } from "./registry.ts";

/** How an answer was made: by which model, from the cache or not, after which failures. */
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
  | { completion: Json; chunks?: undefined }
  | {
      completion?: undefined;
      /** Ends when the answer is complete; throws a ServiceError when it breaks off. */
      chunks: AsyncGenerator<Json>;
      /** Ends the answer and the provider's call. */
      cancel: (reason: ServiceError) => void;
    }
);

interface AnsweringDeps {
  clock: Clock;
  names: ModelNames;
  /** The providers by name. */
  registered: (name: string) => Registered;
  cache: AnswerCache;
  observer: Observer;
  /** Aborts, with what callers are given, when the service gives up what is open. */
  stopping: AbortSignal;
}

export interface Caller {
  requestId: string;
  signal: AbortSignal;
}

/** Answers a conversation. Rejects with a ServiceError when no model did. */
export async function answerTo(chat: ChatRequest, caller: Caller, deps: AnsweringDeps): Promise<Answer> {
  const inside = chat.models.find((name) => embeddedModels.has(name));
  if (inside !== undefined)
    throw fail("not_found", `model '${inside}' makes vectors alone: POST /embeddings takes it`, {
      details: noModel,
    });
  const targets = deps.names.resolve(chat.models);
  const observed = observationOf(chat, caller, targets, deps.clock);
  const key = chat.cache === "off" ? undefined : cacheKey(chat, targets);
  const found = key !== undefined && chat.cache === "use" ? deps.cache.get(key) : undefined;
  if (found) return fromCache(found, observed, deps);
  const about: About = {
    target: targets[0] as Target,
    cache: key === undefined ? "off" : "miss",
    ignored: [],
    failed: [],
    observed,
  };
  try {
    return await firstAnswer({ chat, caller, targets, about, key }, deps);
  } catch (cause) {
    const error = errorOf(cause, about, caller.signal);
    deps.observer.finish(observed, error);
    throw error;
  }
}

function observationOf(
  chat: ChatRequest,
  { requestId }: Caller,
  targets: readonly Target[],
  clock: Clock,
): Observation {
  return {
    requestId,
    provider: targets[0]?.provider ?? "",
    model: targets[0]?.id ?? "",
    streamed: chat.streamed,
    traceId: currentTrace()?.traceId,
    startedAt: clock.elapsed(),
    fallbacks: 0,
    retries: 0,
    cached: false,
    messages: chat.body.messages ?? chat.body.prompt,
    output: "",
  };
}

interface Answering {
  chat: ChatRequest;
  caller: Caller;
  targets: readonly Target[];
  about: About;
  key: string | undefined;
}

async function firstAnswer(answering: Answering, deps: AnsweringDeps): Promise<Answer> {
  const { targets, about } = answering;
  for (const [at, target] of targets.entries()) {
    about.target = target;
    Object.assign(about.observed, { provider: target.provider, model: target.id, fallbacks: at });
    try {
      return await oneAnswer(answering, target, deps);
    } catch (cause) {
      const isLast = at === targets.length - 1;
      if (!(cause instanceof Failure) || cause.remedy === "none" || isLast) throw cause;
      about.failed.push({ model: target.id, type: cause.error.type, message: cause.error.message });
    }
  }
  throw fail("internal", "no model was tried");
}

async function oneAnswer(
  { chat, caller, about, key }: Answering,
  target: Target,
  deps: AnsweringDeps,
): Promise<Answer> {
  const { provider, setting, quota, refuseWithoutKey } = deps.registered(target.provider);
  refuseWithoutKey(target.id);
  const facts = deps.names.facts(target.id);
  const contextTokens = chat.contextTokens ?? facts.context_tokens ?? setting.contextTokens;
  const release = quota.enter();
  let opened: Opened;
  try {
    const { body, streamOptions, streamed } = chat;
    const call = { model: target.model, id: target.id, body, streamOptions, contextTokens };
    const onRetry = () => void about.observed.retries++;
    const { clock } = deps;
    opened = await attempt({ provider, setting, call, streamed }, { clock, signal: caller.signal, onRetry });
  } catch (cause) {
    release();
    throw cause;
  }
  about.ignored = [...(chat.leftOut ?? []), ...provider.ignored(chat.body)];
  const keep = key === undefined ? undefined : (texts: string[]) => deps.cache.set(key, { target, texts });
  const { clock, observer, stopping } = deps;
  const running = { about, facts, setting, quota, release, keep, clock, observer, stopping };
  if (opened.completion !== undefined)
    return { about, completion: settle(opened.completion, opened.deadline, running) };
  return { about, ...runningStream(opened, running, caller.signal) };
}

function fromCache(
  { target, texts }: CachedAnswer,
  observed: Observation,
  { observer }: AnsweringDeps,
): Answer {
  Object.assign(observed, { provider: target.provider, model: target.id, cached: true });
  const about: About = { target, cache: "hit", ignored: [], failed: [], observed };
  const values = texts.map((text) => JSON.parse(text) as Json);
  if (!observed.streamed) {
    observer.finish(observed);
    return { about, completion: values[0] as Json };
  }
  async function* chunks(): AsyncGenerator<Json> {
    yield* values;
    observer.finish(observed);
  }
  return { about, chunks: chunks(), cancel: () => {} };
}

/** Longest `Retry-After` that OpenAI's clients wait for, in seconds. */
const waitedForMax = 60;

/** The error for the caller: the last failure, and those before it. */
function errorOf(cause: unknown, { failed, observed }: About, signal: AbortSignal): unknown {
  if (signal.aborted) return fail("client_closed", "the caller went away");
  if (!(cause instanceof Failure)) return cause;
  const { remedy } = cause;
  const isTried = observed.retries > 0 || failed.length > 0;
  const isAskedToWait =
    cause.error.retryAfterSeconds !== undefined && cause.error.retryAfterSeconds <= waitedForMax;
  // Retries by the client would multiply with ours, or be useless.
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
