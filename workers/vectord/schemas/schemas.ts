/** The shapes of the contract, which all rooms share. */
import type { Static } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";

export const name = t.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
  description: "Index or alias name.",
});
export const Name = closed({ name });
export const id = t.String({
  minLength: 1,
  maxLength: 512,
  description: "Identifier of an item: at most 512 characters, not `.` or `..`.",
});
/** Most hits of one query, and most that are skipped before them. */
export const resultsMax = 10_000;
export const k = t.Integer({ minimum: 1, maximum: resultsMax });
export const text = t.String({ minLength: 1, description: "Embedded by the index's model, and kept." });

/** Any JSON object; a filter sees its scalars, and scalars inside arrays. */
export const Metadata = t.Record(t.String(), t.Unknown());
/** `{"state":"IL"}`, `{"rate":{"gte":20}}`, `{"and":[…]}`; see runtime/filter/filter.ts for the grammar. */
export const Filter = t.Record(t.String(), t.Unknown());
export const Metric = t.Union([t.Literal("cosine"), t.Literal("ip"), t.Literal("l2")]);
export const Quantization = t.Union([t.Literal("f32"), t.Literal("bf16"), t.Literal("i8"), t.Literal("b1")]);
export const Memory = t.Union([t.Literal("all"), t.Literal("graph"), t.Literal("codes")], {
  description:
    "What of the vectors is in memory: all of them and the graph; the graph, with its rounded vectors, the exact ones being read from disk; or one bit a number, without a graph.",
});

/** Indices of one sparse vector. */
export const sparseMax = 4096;
export const Sparse = closed({
  indices: t.Array(t.Integer({ minimum: 0, maximum: 2 ** 32 - 1 }), { minItems: 1, maxItems: sparseMax }),
  values: t.Array(t.Number(), { minItems: 1, maxItems: sparseMax }),
});
export type Sparse = Static<typeof Sparse>;
/** A vector beside the main one: numbers, or indices with their values. */
export const NamedVector = t.Union([t.Array(t.Number(), { minItems: 1 }), Sparse]);
export type NamedVector = Static<typeof NamedVector>;
export const namedMax = 8;
/** What a named vector is like: sparse ones are compared by their products. */
export const NamedShape = t.Union([
  closed({ sparse: t.Literal(true) }),
  closed({ dimension: t.Integer({ minimum: 1, maximum: 65_536 }), metric: t.Optional(Metric) }),
]);
export type NamedShape = Static<typeof NamedShape>;
const NamedShapes = t.Record(t.String(), NamedShape, { minProperties: 1, maxProperties: namedMax });

/** Where an index is searched: `local`, or one of `[vectord.engines.*]`. */
export const engineName = t.String({ minLength: 1, maxLength: 64 });

/** What an index was made with. `memory`, `quantization` and `engine` may change, of which its log holds nothing. */
export const IndexConfig = closed({
  name,
  dimension: t.Integer({ minimum: 1, maximum: 65_536 }),
  metric: Metric,
  /** `hnsw`, `flat`, `ivf_flat`, `ivf_pq`, or a FAISS factory string. */
  type: t.String({ minLength: 1, maxLength: 100 }),
  /** Of the vectors inside the graph; the row store keeps f32, and results are scored by that. */
  quantization: Quantization,
  /** Absent: all. */
  memory: t.Optional(Memory),
  embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
  /** Links of a node in the graph (M). */
  connectivity: t.Integer({ minimum: 2, maximum: 512 }),
  /** Candidates while building and while searching, unless a search says otherwise. */
  ef_construction: t.Integer({ minimum: 1, maximum: 10_000 }),
  ef_search: t.Integer({ minimum: 1, maximum: 10_000 }),
  /** Vectors that an item may have beside the main one, by name. */
  vectors: t.Optional(NamedShapes),
  /** One of `[vectord.engines.*]`, where its vectors are searched in another engine. */
  engine: t.Optional(engineName),
  created_at: t.String({ format: "date-time" }),
});
export type IndexConfig = Static<typeof IndexConfig>;

export const IndexInfo = t.Composite(
  [
    t.Omit(IndexConfig, ["memory", "engine"]),
    closed({
      /** What searches the graph: usearch, faiss, exact, or the name of an engine of others. */
      engine: t.String(),
      count: t.Integer({ minimum: 0 }),
      /** Rows that were deleted or replaced and wait for compaction. */
      deleted: t.Integer({ minimum: 0 }),
      /** Rows that the engine has; the rest is searched exactly until it does. */
      indexed: t.Integer({ minimum: 0 }),
      memory_bytes: t.Integer({ minimum: 0 }),
      memory: Memory,
      /** Memory of a row's vector: what is resident of it, its codes and its links, without id and metadata. */
      vector_bytes: t.Integer({ minimum: 0 }),
      stored_bytes: t.Integer({ minimum: 0 }),
      /** Of types with inverted lists: how many a search looks into, and whether there were enough rows to train them. */
      ivf: t.Optional(
        closed({
          nprobe: t.Integer({ minimum: 1 }),
          trained: t.Boolean(),
          /** Rows that the training waits for. */
          train_from: t.Integer({ minimum: 0 }),
        }),
      ),
      aliases: t.Array(t.String()),
      /** What was found damaged at the last start and how that was dealt with. */
      problems: t.Optional(t.Array(t.String())),
    }),
  ],
  { additionalProperties: false },
);

export const Item = closed({
  id,
  vector: t.Optional(t.Array(t.Number())),
  /** What the vector was made of, where a text was given. */
  text: t.Optional(t.String()),
  metadata: t.Optional(Metadata),
  /** With the vector: those beside it. */
  vectors: t.Optional(t.Record(t.String(), NamedVector)),
});

export const Snapshot = closed({
  id: t.String(),
  created_at: t.String({ format: "date-time" }),
  count: t.Integer({ minimum: 0 }),
  bytes: t.Integer({ minimum: 0 }),
});

export const Alias = closed({ alias: name, index: name, previous: t.Optional(name) });

export const searchOptions = {
  k,
  filter: t.Optional(Filter),
  ef: t.Optional(t.Integer({ minimum: 1, maximum: 10_000 })),
  exact: t.Optional(t.Boolean()),
  include: t.Optional(t.Array(t.Union([t.Literal("metadata"), t.Literal("vector")]))),
  embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
};

/** What `add` answers. */
export const Added = closed({
  added: t.Integer({ minimum: 0 }),
  /** Items that replaced one of the same id. */
  replaced: t.Integer({ minimum: 0 }),
  count: t.Integer({ minimum: 0 }),
});

export const Weights = t.Record(t.String(), t.Number({ minimum: 0 }), {
  description: "What each vector counts in the fusion, `vector` for the main one; 1 if unset.",
});

/** The JSON body of `search`. One of the first five says what is looked for. */
export const SearchBody = closed({
  vector: t.Optional(t.Array(t.Number())),
  vectors: t.Optional(t.Array(t.Array(t.Number()), { minItems: 1 })),
  text: t.Optional(t.String({ minLength: 1, description: "Embedded by the index's model." })),
  texts: t.Optional(t.Array(t.String({ minLength: 1 }), { minItems: 1 })),
  like: t.Optional(
    t.Array(id, {
      minItems: 1,
      maxItems: 100,
      description: "Ids of items: others that are like them are found, by the mean of their vectors.",
    }),
  ),
  unlike: t.Optional(
    t.Array(id, { minItems: 1, maxItems: 100, description: "Ids of items that `like` leads away from." }),
  ),
  named: t.Optional(
    t.Record(t.String(), NamedVector, {
      minProperties: 1,
      maxProperties: namedMax,
      description:
        "What is looked for by named vectors; several, or one beside the main vector, are fused by their scores.",
    }),
  ),
  weights: t.Optional(Weights),
  ...searchOptions,
  k: t.Optional(k),
  offset: t.Optional(
    t.Integer({ minimum: 0, maximum: resultsMax, description: "Nearest hits that are skipped." }),
  ),
  min_score: t.Optional(t.Number({ description: "Hits of a lower score are left out." })),
  max_distance: t.Optional(t.Number({ description: "Hits farther away are left out." })),
  group_by: t.Optional(
    t.String({
      minLength: 1,
      maxLength: 512,
      description: "A field of the metadata: k values of it, each with its nearest items.",
    }),
  ),
  group_size: t.Optional(t.Integer({ minimum: 1, maximum: 100, description: "Items a group, 1 if unset." })),
  mmr: t.Optional(
    closed({
      lambda: t.Optional(
        t.Number({
          minimum: 0,
          maximum: 1,
          description: "1: nearness alone; 0: difference alone; 0.5 if unset.",
        }),
      ),
      candidates: t.Optional(t.Integer({ minimum: 1, maximum: 1000 })),
    }),
  ),
});

/** The JSON body of `add`. */
export const AddBody = closed({
  items: t.Array(
    closed({
      id,
      vector: t.Optional(t.Array(t.Number())),
      text: t.Optional(text),
      metadata: t.Optional(Metadata),
      /** By the names that the index declares; each may be left out. */
      vectors: t.Optional(t.Record(t.String(), NamedVector)),
    }),
    { minItems: 1 },
  ),
  embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
});
