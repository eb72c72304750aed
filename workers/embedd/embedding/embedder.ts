/** Embeds texts: from the cache, else from the model's provider, in the order of the request. */

import type { Config } from "../../../runtime/config/config.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Metrics } from "../../../runtime/telemetry/telemetry.ts";
import { keyOf, type Model } from "../providers/providers.ts";
import { checkAnswer, type Expected } from "./answer-check.ts";
import { createBatcher, type FetchBatch, TextFailure } from "./batcher.ts";
import { cacheKey, createVectorCache, forget } from "./cache.ts";
import { withRetries } from "./retry.ts";

export interface Embedded {
  dimension: number;
  /** One a text; shared with the cache, so they must not be modified. */
  rows: readonly Float32Array[];
  /** How many came from the cache. */
  cached: number;
  /** Tokens that the provider counted for the others. */
  tokens: number;
}

export interface Embedder {
  /** `field` names a text's place in the request, for errors. */
  embed: (
    model: Model,
    texts: readonly string[],
    options: { signal: AbortSignal; field: (at: number) => string },
  ) => Promise<Embedded>;
  /** Length of the model's vectors, as soon as it has answered. */
  dimensionOf: (model: Model) => number | undefined;
  /** Forgets every vector that is cached: of which texts they are is not known. */
  forgetAll: () => void;
  /** Aborts the calls in flight; waiting and later requests are rejected with the reason. */
  stop: (reason: Error) => void;
}

interface EmbedderDeps {
  config: Config["embedd"];
  clock: Clock;
  metrics: Metrics;
}

export function createEmbedder(deps: EmbedderDeps): Embedder {
  const memory = createMemory(deps);
  const batcher = createBatcher(createFetch(deps, memory), deps.config.max_waiting);
  deps.metrics.gauge("embedd_texts_waiting", "Texts that wait for a provider.", batcher.waiting);

  const embed: Embedder["embed"] = async (given, texts, { signal, field }) => {
    const model = await asItIs(given);
    const keys = texts.map((text) => cacheKey(keyOf(model), text));
    const found = memory.find(keys);
    const missing = new Map<string, string>();
    for (const [at, text] of texts.entries()) if (!found[at]) missing.set(keys[at] as string, text);
    const wanted = [...missing].map(([key, text]) => ({ key, text }));
    const fetched =
      wanted.length === 0 ? [] : await batcher.fetch(model, wanted, signal).catch(named(model, keys, field));
    const fresh = new Map(wanted.map(({ key }, at) => [key, fetched[at]?.vector]));
    const rows = found.map((vector, at) => vector ?? fresh.get(keys[at] as string)) as Float32Array[];
    const dimension = rows[0]?.length ?? 0;
    if (rows.some((row) => row.length !== dimension)) {
      memory.forget(model);
      throw replaced(model);
    }
    const tokens = Math.round(fetched.reduce((sum, share) => sum + share.tokens, 0));
    return { dimension, rows, cached: found.filter((vector) => vector !== undefined).length, tokens };
  };
  return { embed, dimensionOf: memory.dimensionOf, forgetAll: memory.forgetAll, stop: batcher.stop };
}

const replaced = ({ id }: Model) =>
  fail("bad_gateway", `model '${id}' was replaced by one with other vectors meanwhile: try again`);

/** The model with its version of this moment, where its provider has versions. */
async function asItIs(model: Model): Promise<Model> {
  const { version: _, ...rest } = model;
  const version = await model.provider.versionOf?.(model.name);
  return version === undefined ? rest : { ...rest, version };
}

/** Cached vectors, and the dimension of each model. */
interface Memory {
  find: (keys: readonly string[]) => (Float32Array | undefined)[];
  keep: (model: Model, key: string, vector: Float32Array) => void;
  dimensionOf: (model: Model) => number | undefined;
  forget: (model: Model) => void;
  forgetAll: () => void;
}

function createMemory({ config, metrics }: EmbedderDeps): Memory {
  const cache = createVectorCache(config.cache_max_bytes);
  const dimensions = new Map<string, number>();
  const hits = metrics.counter("embedd_cache_hits_total", "Texts whose vector was in the cache.");
  const misses = metrics.counter("embedd_cache_misses_total", "Texts whose vector was not in the cache.");
  metrics.gauge("embedd_cache_bytes", "Memory taken by cached vectors.", () => cache.calculatedSize);
  metrics.gauge("embedd_cache_entries", "Cached vectors.", () => cache.size);
  return {
    find: (keys) => {
      const found = keys.map((key) => cache.get(key));
      const cached = found.filter((vector) => vector !== undefined).length;
      hits.add(cached);
      misses.add(keys.length - cached);
      return found;
    },
    keep: (model, key, vector) => {
      const { version: _, ...anyVersion } = model;
      // Who asks for the length of a model's vectors names no version of it.
      for (const each of [model, anyVersion]) dimensions.set(keyOf(each), vector.length);
      cache.set(key, vector);
    },
    dimensionOf: (model) => dimensions.get(keyOf(model)) ?? model.dimensions,
    forgetAll: () => cache.clear(),
    forget: (model) => {
      dimensions.delete(keyOf(model));
      forget(cache, `${keyOf(model)}\n`);
    },
  };
}

/** One call of a provider: measured, retried, validated, cached. */
function createFetch({ config, clock, metrics }: EmbedderDeps, memory: Memory): FetchBatch {
  const count = meter(metrics, clock);
  const { retries, timeout_ms: timeoutMs } = config;

  return async (model, wanted, signal) => {
    const { provider, name, dimensions, inTokens, extras } = model;
    const texts = wanted.map(({ text }) => text);
    const call = (inner: AbortSignal) =>
      count(provider.name, texts.length, () =>
        provider.embed({
          name,
          texts,
          signal: inner,
          ...(dimensions !== undefined && { dimensions }),
          ...(inTokens && { inTokens }),
          ...(extras && { extras }),
        }),
      );
    const what = `${provider.name} (model '${model.id}')`;
    const answer = await withRetries(call, signal, { retries, timeoutMs, clock, what });
    // What it made may be of either; the next request asks the new one.
    if ((await asItIs(model)).version !== model.version) throw replaced(model);
    const expected = { model: model.id, count: texts.length, dimension: memory.dimensionOf(model) };
    const vectors = checkedOr(() => memory.forget(model), answer.vectors, expected);
    const tokensEach = (answer.tokens ?? 0) / texts.reduce((sum, text) => sum + text.length, 0);
    return wanted.map(({ key, text }, at) => {
      const vector = vectors[at] as Float32Array;
      memory.keep(model, key, vector);
      return { vector, tokens: text.length * tokensEach };
    });
  };
}

/** A model whose dimension changed was replaced: the cached vectors of the old one are dropped. */
function checkedOr(forget: () => void, vectors: unknown, expected: Expected): Float32Array[] {
  try {
    return checkAnswer(vectors, expected);
  } catch (cause) {
    forget();
    throw cause;
  }
}

/** Turns a failure of one text into the 422 that names its place in the request. */
const named =
  (model: Model, keys: readonly string[], field: (at: number) => string) =>
  (cause: unknown): never => {
    if (!(cause instanceof TextFailure)) throw cause;
    const at = keys.indexOf(cause.key);
    throw fail(
      "unprocessable",
      `${field(at)} is longer than model '${model.id}' takes; split it, for nothing is cut silently. ${cause.message}`,
      { details: { code: "context_length_exceeded", field: field(at), index: at, model: model.id } },
    );
  };

function meter(metrics: Metrics, clock: Clock) {
  const calls = metrics.counter("embedd_provider_calls_total", "Calls of providers, by outcome.");
  const texts = metrics.counter("embedd_provider_texts_total", "Texts sent to providers.");
  const seconds = metrics.histogram(
    "embedd_provider_call_duration_seconds",
    "Time of one call of a provider.",
  );
  return async <T>(provider: string, size: number, work: () => Promise<T>): Promise<T> => {
    const began = clock.elapsed();
    const end = (outcome: string) => {
      calls.add(1, { provider, outcome });
      seconds.observe((clock.elapsed() - began) / 1000, { provider });
    };
    texts.add(size, { provider });
    try {
      const answer = await work();
      end("ok");
      return answer;
    } catch (cause) {
      end("error");
      throw cause;
    }
  };
}
