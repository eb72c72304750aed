/**
 * Vectors of wordings by model: computed when first needed, in batches, and kept while the wording lives. Rows have
 * length 1, so that the cosine is their product.
 */
import { LRUCache } from "lru-cache";
import type { ClientOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Embedd } from "../../embedd/contract.ts";
import type { Wording } from "./state.ts";

/** Wordings of one call to embedd: what it takes by default, and bounded in bytes below its largest call. */
const batchTexts = 256;
const batchChars = 512 * 1024;

/** Longest wait of a search for the wordings that a start or another model left to embed, in milliseconds. */
const fillWaitMs = 1000;

/** Models whose vectors are kept; the one unused longest goes. 100,000 wordings of 768 numbers are 300 MB a model. */
const modelsMax = 2;

export interface ModelVectors {
  /** Undefined until it was embedded. */
  get: (wording: Wording) => Float32Array | undefined;
  /** Embeds these wordings, so that `get` has them when it resolves. Rejects with embedd's error. */
  embed: (wordings: readonly Wording[], signal: AbortSignal) => Promise<void>;
  /**
   * The same for as many as there may be, oldest first: the youngest are there when it resolves, and the others if they
   * come within `fillWaitMs`; else they come in the background.
   */
  fill: (wordings: readonly Wording[], signal: AbortSignal) => Promise<void>;
}

interface WordingParts {
  embedd: Pick<ClientOf<Embedd>, "vectorsOf">;
  clock: Pick<Clock, "sleep">;
  log: Log;
  /** Ends what fills in the background. */
  stopped: AbortSignal;
}

/** The vectors of a model; whoever holds them keeps them, also when the model was dropped meanwhile. */
export type WordingVectors = (model: string) => ModelVectors;

export function createWordingVectors(parts: WordingParts): WordingVectors {
  const models = new LRUCache<string, ModelVectors>({ max: modelsMax });
  return (model) => {
    const known = models.get(model) ?? createModelVectors(parts, model);
    models.set(model, known);
    return known;
  };
}

function createModelVectors({ embedd, clock, log, stopped }: WordingParts, model: string): ModelVectors {
  const rows = new WeakMap<Wording, Float32Array>();
  let filling: Promise<void> | undefined;

  const embed: ModelVectors["embed"] = async (wordings, signal) => {
    for (const batch of batches(wordings)) {
      const texts = batch.map(({ text }) => text);
      const { vectors, dimension } = await embedd.vectorsOf({ model, texts }, { signal });
      // Copied: the bytes may begin anywhere in their buffer, and floats may not.
      const all = new Float32Array(vectors.slice().buffer);
      for (const [at, wording] of batch.entries())
        rows.set(wording, unit(all.subarray(at * dimension, (at + 1) * dimension)));
    }
  };
  const inBackground = async (wordings: readonly Wording[]) => {
    try {
      await embed(wordings, stopped);
    } catch (cause) {
      // The next search asks again, and gets the error itself while embedd is down.
      if (!stopped.aborted) log.warn("playbooks could not all be embedded", { model, ...describe(cause) });
    } finally {
      filling = undefined;
    }
  };
  return {
    get: (wording) => rows.get(wording),
    embed,
    fill: async (wordings, signal) => {
      await embed(wordings.slice(-batchTexts), signal);
      const older = wordings.slice(0, -batchTexts).reverse();
      if (older.length === 0) return;
      filling ??= inBackground(older);
      const enough = new AbortController();
      const over = AbortSignal.any([signal, enough.signal]);
      await Promise.race([filling, clock.sleep(fillWaitMs, over)]).finally(() => enough.abort());
    },
  };
}

function* batches(wordings: readonly Wording[]): Generator<Wording[]> {
  let batch: Wording[] = [];
  let chars = 0;
  for (const wording of wordings) {
    if (batch.length > 0 && (batch.length === batchTexts || chars + wording.text.length > batchChars)) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(wording);
    chars += wording.text.length;
  }
  if (batch.length > 0) yield batch;
}

/** The vector divided by its length; all zeroes stay. */
export function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector));
  return length === 0 ? vector.slice() : vector.map((value) => value / length);
}

/** Cosine of two vectors of length 1. Throws `invalid_field` when they have different dimensions. */
export function cosine(left: Float32Array, right: Float32Array): number {
  if (left.length !== right.length)
    throw fail(
      "invalid_field",
      `query_vector: expected ${right.length} numbers, as the model's vectors have, got ${left.length}`,
    );
  return dot(left, right);
}

function dot(left: Float32Array, right: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < left.length; at++) sum += (left[at] as number) * (right[at] as number);
  return sum;
}
