/** embedd: text in, vectors out. See README.md beside this file. */
import type { Static } from "@sinclair/typebox";
import { Bytes, closed, contract, get, internal, post, raw, t } from "../../runtime/contract/contract.ts";

const model = t.Optional(
  t.String({
    minLength: 1,
    maxLength: 200,
    description: "`local`, or any model that GET /models lists; [embedd] default_model unless given.",
  }),
);
const text = t.String({ minLength: 1 });

const count = t.Integer({ minimum: 0 });

/** One model that can be asked for. */
const ModelInfo = closed({
  id: t.String(),
  provider: t.String(),
  /** Absent until the provider has answered once. */
  dimension: t.Optional(t.Integer({ minimum: 1 })),
  /** Longest text, in tokens of the model as the provider counts them; absent when it does not say. */
  window: t.Optional(t.Integer({ minimum: 1 })),
  /** It scores texts for a query (POST /rerank) and makes no vectors. */
  reranks: t.Optional(t.Boolean()),
  is_default: t.Boolean(),
});

/** OpenAI's body. `input` is looked at by hand; fields that are not named go to providers with OpenAI's API. */
export const OpenAiRequest = t.Object(
  {
    model,
    input: t.Unknown({
      description: "A text, a list of texts, or for providers with OpenAI's API token numbers.",
    }),
    encoding_format: t.Optional(t.Union([t.Literal("float"), t.Literal("base64")])),
    dimensions: t.Optional(t.Integer({ minimum: 1, maximum: 65_536 })),
  },
  { additionalProperties: true },
);
export type OpenAiBody = Static<typeof OpenAiRequest> & Record<string, unknown>;

/** OpenAI's answer; with `encoding_format: base64` an embedding is the bytes of its 32-bit floats. */
const OpenAiEmbeddings = closed({
  object: t.Literal("list"),
  data: t.Array(
    closed({
      object: t.Literal("embedding"),
      index: t.Integer({ minimum: 0 }),
      embedding: t.Union([t.Array(t.Number()), t.String()]),
    }),
  ),
  model: t.String(),
  usage: closed({ prompt_tokens: t.Integer({ minimum: 0 }), total_tokens: t.Integer({ minimum: 0 }) }),
});

export const embedd = contract("embedd", {
  embed: post("/embed", {
    refusals: [502],
    long: true,
    reads: true,
    summary: "Vectors of texts, in their order. `cached` says how many came from the cache.",
    body: closed({ model, text: t.Optional(text), texts: t.Optional(t.Array(text, { minItems: 1 })) }),
    reply: closed({
      model: t.String(),
      dimension: t.Integer({ minimum: 1 }),
      vectors: t.Array(t.Array(t.Number())),
      cached: t.Integer({ minimum: 0 }),
    }),
  }),
  embeddings: raw(["POST"], "/embeddings", {
    refusals: [502],
    errors: "openai",
    reads: true,
    summary: "The same in OpenAI's shape: {input, model, encoding_format?, dimensions?}.",
    consumes: { "application/json": OpenAiRequest },
    produces: { "application/json": OpenAiEmbeddings },
    answerHeaders: { "x-lakehouse-ignored": "Fields that the model has no use for." },
  }),
  rerank: post("/rerank", {
    refusals: [502],
    long: true,
    reads: true,
    summary: "Texts by how well they answer a query, the best first: a cross-encoder reads each beside it.",
    body: closed({
      model: t.Optional(
        t.String({
          minLength: 1,
          maxLength: 200,
          description: "A cross-encoder of GET /models, or of a server; [embedd] rerank_model unless given.",
        }),
      ),
      query: text,
      documents: t.Array(t.Union([text, closed({ text })]), { minItems: 1 }),
      /** How many come back; all unless given. */
      top_n: t.Optional(t.Integer({ minimum: 1 })),
      return_documents: t.Optional(t.Boolean()),
    }),
    reply: closed({
      model: t.String(),
      results: t.Array(
        closed({
          /** The text's place in `documents`. */
          index: count,
          /** From 0 to 1 by a model here; servers have scales of their own. */
          relevance_score: t.Number(),
          document: t.Optional(closed({ text: t.String() })),
        }),
      ),
      usage: closed({ total_tokens: count }),
      /** Warnings say what was not read to its end. */
      meta: t.Optional(closed({ warnings: t.Array(t.String()) })),
    }),
  }),
  models: get("/embed/models", {
    summary: "The models that can be asked for, and which providers answer.",
    reply: closed({
      models: t.Array(ModelInfo),
      providers: t.Array(
        closed({ name: t.String(), available: t.Boolean(), reason: t.Optional(t.String()) }),
      ),
    }),
  }),

  // Between services.
  vectorsOf: internal({
    reads: true,
    summary: "As `embed`; the vectors are the bytes of one Float32Array, row by row, handed over.",
    body: closed({ model, texts: t.Array(text, { minItems: 1 }) }),
    reply: closed({
      model: t.String(),
      dimension: t.Integer({ minimum: 1 }),
      vectors: Bytes,
      cached: t.Integer({ minimum: 0 }),
    }),
  }),
});
export type Embedd = typeof embedd;
