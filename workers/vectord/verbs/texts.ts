/** Texts in place of vectors: embedd makes them, by the model that an index names. */
import pMap from "p-map";
import type { Config } from "../../../runtime/config/config.ts";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { recordedModel } from "../../../runtime/models/models.ts";
import type { Embedd } from "../../embedd/contract.ts";
import type { NameOf } from "../bodies/bodies.ts";
import type { IndexConfig } from "../schemas/schemas.ts";

export interface Texts {
  /**
   * One vector a text, row by row. Throws `bad_request` for an index that names no model, `conflict` where the model's
   * vectors have another length, and what embedd says, with the text named.
   */
  vectorsOf: (
    texts: readonly string[],
    config: IndexConfig,
    about: { nameOf: NameOf; signal: AbortSignal },
  ) => Promise<Float32Array>;
  /** A model by the id that says its version, and the length of its vectors. */
  shapeOf: (model: string, signal: AbortSignal) => Promise<{ dimension: number; embedding_model: string }>;
}

/** Texts of one call, and the most of their characters; a model on a small machine may take minutes for it. */
const batch = { texts: 256, characters: 1024 * 1024, timeoutMs: 10 * 60_000 };
/** Calls under way at once. */
const inFlight = 3;

export function createTexts(embedd: Peer<Embedd>, limits: Pick<Config["embedd"], "max_batch_texts">): Texts {
  const ask = async (texts: readonly string[], model: string, signal: AbortSignal) =>
    embedd.verbs.vectorsOf({ texts: [...texts], model }, { signal, timeoutMs: batch.timeoutMs });
  return {
    vectorsOf: async (texts, config, { nameOf, signal }) => {
      const vectors = new Float32Array(texts.length * config.dimension);
      const model = modelOf(config);
      const batches = [...batchesOf(texts, Math.min(batch.texts, limits.max_batch_texts))];
      await pMap(
        batches,
        async ({ from, texts: some }) => {
          const name: NameOf = (at) => nameOf(from + at);
          const made = await ask(some, model, signal).catch((cause) => {
            throw aboutText(cause, name);
          });
          if (made.dimension !== config.dimension) throw otherLength(config, made);
          vectors.set(floats(made.vectors), from * config.dimension);
        },
        { concurrency: inFlight, signal },
      );
      return vectors;
    },
    shapeOf: async (asked, signal) => {
      const { model, dimension } = await ask(["dimension"], asked, signal).catch((cause) => {
        throw aboutText(cause, () => "embedding_model");
      });
      return { dimension, embedding_model: model };
    },
  };
}

/** The model that texts of an index go to. Throws `bad_request` where it names none. */
function modelOf({ name, dimension, embedding_model: model }: IndexConfig): string {
  if (model !== undefined) return recordedModel(model, dimension);
  throw fail(
    "bad_request",
    `index '${name}' names no embedding_model, so no text can be embedded for it; give vectors, or make an index with an embedding_model`,
  );
}

function* batchesOf(texts: readonly string[], most: number): Generator<{ from: number; texts: string[] }> {
  let some: string[] = [];
  let characters = 0;
  for (const [at, text] of texts.entries()) {
    const isFull = some.length >= most || characters + text.length > batch.characters;
    if (isFull && some.length > 0) {
      yield { from: at - some.length, texts: some };
      [some, characters] = [[], 0];
    }
    some.push(text);
    characters += text.length;
  }
  if (some.length > 0) yield { from: texts.length - some.length, texts: some };
}

const floats = (bytes: Uint8Array) => {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, bytes.byteLength / 4);
};

const otherLength = (config: IndexConfig, { model, dimension }: { model: string; dimension: number }) =>
  fail(
    "conflict",
    `index '${config.name}' has vectors of ${config.dimension} numbers, and those of its embedding model '${model}' have ${dimension}`,
    { details: { expected: config.dimension, got: dimension } },
  );

/** What embedd refuses names the text as the caller gave it. */
function aboutText(cause: unknown, nameOf: NameOf): unknown {
  if (!(cause instanceof ServiceError)) return cause;
  const { field } = (cause.details ?? {}) as { field?: unknown };
  const at = typeof field === "string" ? /^texts\.(\d+)$/.exec(field)?.[1] : undefined;
  const place = at === undefined ? "embedd" : nameOf(Number(at));
  return fail(cause.type, `${place}: ${cause.message}`, {
    cause,
    ...(cause.retryAfterSeconds !== undefined && { retryAfterSeconds: cause.retryAfterSeconds }),
  });
}
