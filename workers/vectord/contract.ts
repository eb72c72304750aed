/** vectord: named vector indexes with metadata. See README.md beside this file. */
import {
  Binary,
  Bytes,
  closed,
  contract,
  del,
  get,
  internal,
  nextPage,
  pageFields,
  patch,
  post,
  put,
  raw,
  t,
} from "../../runtime/contract/contract.ts";
import {
  AddBody,
  Added,
  Alias,
  engineName,
  Filter,
  IndexInfo,
  Item,
  id,
  k,
  Memory,
  Metadata,
  Metric,
  Name,
  NamedShape,
  NamedVector,
  name,
  namedMax,
  Quantization,
  SearchBody,
  Snapshot,
  searchOptions,
  text,
} from "./schemas/schemas.ts";

export { AddBody, SearchBody };

export const Hit = closed({
  id,
  /** Ascending: 1 − cos for cosine, −dot for ip, squared Euclidean for l2. */
  distance: t.Number(),
  /** Descending: cos, dot, 1 / (1 + distance). */
  score: t.Number(),
  /** With `group_by`: the value whose group it stands for. */
  group: t.Optional(t.Union([t.String(), t.Number(), t.Boolean(), t.Null()])),
  text: t.Optional(t.String()),
  metadata: t.Optional(Metadata),
  vector: t.Optional(t.Array(t.Number())),
  vectors: t.Optional(t.Record(t.String(), NamedVector)),
  /** Of a fused search: how near it is by each vector, `vector` for the main one; a cosine, or the product over the most that any item could have. */
  parts: t.Optional(t.Record(t.String(), t.Number())),
});

/** What `search` answers: hits of the only vector, or one list a vector. */
const Found = closed({ results: t.Union([t.Array(Hit), t.Array(t.Array(Hit))]) });

export const vectord = contract("vectord", {
  create: post("/vectors/index", {
    resumable: "again",
    summary: "Creates an index: 201; 409 when the name is taken.",
    status: 201,
    body: closed({
      name,
      dimension: t.Optional(
        t.Integer({
          minimum: 1,
          maximum: 65_536,
          description: "May be left out where `embedding_model` is named: embedd is asked.",
        }),
      ),
      metric: t.Optional(Metric),
      type: t.Optional(t.String({ minLength: 1, maxLength: 100 })),
      quantization: t.Optional(Quantization),
      memory: t.Optional(Memory),
      embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
      connectivity: t.Optional(t.Integer({ minimum: 2, maximum: 512 })),
      ef_construction: t.Optional(t.Integer({ minimum: 1, maximum: 10_000 })),
      ef_search: t.Optional(t.Integer({ minimum: 1, maximum: 10_000 })),
      engine: t.Optional(engineName),
      vectors: t.Optional(
        t.Record(t.String(), NamedShape, {
          minProperties: 1,
          maxProperties: namedMax,
          description: "Vectors beside the main one, by name: {sparse: true}, or a dimension and a metric.",
        }),
      ),
    }),
    reply: IndexInfo,
  }),
  list: get("/vectors/index", {
    summary: "The indexes by name.",
    query: closed(pageFields),
    reply: closed({
      indexes: t.Array(IndexInfo),
      /** Indexes that could not be opened, with the reason. */
      unreadable: t.Optional(t.Array(closed({ name, reason: t.String() }))),
      ...nextPage,
    }),
  }),
  info: get("/vectors/index/:name", { summary: "One index.", params: Name, reply: IndexInfo }),
  change: patch("/vectors/index/:name", {
    resumable: "again",
    long: true,
    summary:
      "Changes how an index is searched, losing nothing: `memory`, `quantization`, `engine`. It is opened anew: until that is done, calls for it are 503 with Retry-After.",
    params: Name,
    body: closed({
      memory: t.Optional(Memory),
      quantization: t.Optional(Quantization),
      engine: t.Optional(engineName),
    }),
    reply: IndexInfo,
  }),
  drop: del("/vectors/index/:name", {
    summary: "Deletes the index with its snapshots; 409 while an alias points to it.",
    params: Name,
    reply: closed({ dropped: t.Literal(true), name }),
  }),
  add: raw(["POST"], "/vectors/index/:name/add", {
    summary:
      "Adds or replaces items, all or none, durably: JSON {items: [{id, vector or text, metadata?}]}, or an Arrow IPC stream with columns id, vector, vectors (a struct of named ones: lists of numbers, or structs of indices and values) and metadata. A text is embedded by the index's model and kept.",
    params: Name,
    query: closed({ embedding_model: searchOptions.embedding_model }),
    consumes: { "application/json": AddBody, "application/vnd.apache.arrow.stream": Binary },
    produces: { "application/json": Added },
  }),
  search: raw(["POST"], "/vectors/index/:name/search", {
    reads: true,
    summary:
      "Nearest items: JSON {vector | vectors | text | texts | like, k, filter?, offset?, min_score?, group_by?, mmr?, …}, or float32 vectors as application/octet-stream with the rest in the query, or an Arrow IPC stream with a column vector, or with one row that has a column vectors, a struct of named ones. With `vectors` and `texts` results are one list each.",
    params: Name,
    query: closed({
      k: t.Optional(k),
      ef: searchOptions.ef,
      exact: searchOptions.exact,
      filter: t.Optional(t.String({ description: "The filter as JSON, for binary bodies." })),
      include: t.Optional(t.String({ description: "Comma separated, for binary bodies." })),
      weights: t.Optional(t.String({ description: "As JSON, for binary bodies with named vectors." })),
      embedding_model: searchOptions.embedding_model,
    }),
    consumes: {
      "application/json": SearchBody,
      "application/octet-stream": Binary,
      "application/vnd.apache.arrow.stream": Binary,
    },
    produces: { "application/json": Found },
  }),
  remove: post("/vectors/index/:name/delete", {
    resumable: true,
    summary: "Deletes items by id or by filter, durably. Unknown ids are counted, not an error.",
    params: Name,
    body: closed({
      ids: t.Optional(t.Array(id, { minItems: 1 })),
      filter: t.Optional(Filter),
    }),
    reply: closed({
      deleted: t.Integer({ minimum: 0 }),
      missing: t.Integer({ minimum: 0 }),
      count: t.Integer({ minimum: 0 }),
    }),
  }),
  item: get("/vectors/index/:name/items/:id", {
    inQuery: true,
    summary: "One item with its vector.",
    params: closed({ name, id }),
    reply: Item,
  }),
  update: patch("/vectors/index/:name/items/:id", {
    resumable: true,
    inQuery: true,
    summary:
      "Changes an item durably: `metadata` in place of what there is, or some fields by `set` and `unset`; a `text` is embedded, and without one the vector stays.",
    params: closed({ name, id }),
    body: closed({
      metadata: t.Optional(Metadata),
      set: t.Optional(Metadata),
      unset: t.Optional(t.Array(t.String({ minLength: 1, maxLength: 512 }), { minItems: 1, maxItems: 1000 })),
      text: t.Optional(text),
      vectors: t.Optional(
        t.Record(t.String(), t.Union([NamedVector, t.Null()]), {
          description: "Named vectors that are put in place of those there are; null takes one away.",
        }),
      ),
    }),
    reply: closed({ updated: t.Literal(true), id }),
  }),
  scroll: post("/vectors/index/:name/items/scroll", {
    reads: true,
    summary: "Items in the order they were added, page by page.",
    params: Name,
    body: closed({
      filter: t.Optional(Filter),
      include: t.Optional(t.Array(t.Union([t.Literal("metadata"), t.Literal("vector")]))),
      ...pageFields,
    }),
    reply: closed({ items: t.Array(Item), ...nextPage }),
  }),
  compact: post("/vectors/index/:name/compact", {
    resumable: "again",
    long: true,
    summary: "Rewrites the index without deleted rows, in the background of searches; answers when done.",
    params: Name,
    reply: IndexInfo,
  }),
  snapshots: get("/vectors/index/:name/snapshots", {
    summary: "Snapshots of the index, newest first.",
    params: Name,
    reply: closed({ snapshots: t.Array(Snapshot) }),
  }),
  snapshot: post("/vectors/index/:name/snapshots", {
    long: true,
    summary: "Keeps the index as it is now: 201.",
    status: 201,
    params: Name,
    reply: Snapshot,
  }),
  restore: post("/vectors/index/:name/snapshots/:snapshot/restore", {
    long: true,
    summary:
      "Makes the index what it was at the snapshot, or creates it `as` another name; `engine` moves its vectors to another engine.",
    params: closed({ name, snapshot: t.String({ maxLength: 64 }) }),
    body: closed({ as: t.Optional(name), engine: t.Optional(engineName) }),
    reply: IndexInfo,
  }),
  dropSnapshot: del("/vectors/index/:name/snapshots/:snapshot", {
    summary: "Deletes a snapshot.",
    params: closed({ name, snapshot: t.String({ maxLength: 64 }) }),
    reply: closed({ dropped: t.Literal(true) }),
  }),
  aliases: get("/vectors/alias", {
    summary: "The aliases by name.",
    reply: closed({ aliases: t.Array(Alias) }),
  }),
  setAlias: put("/vectors/alias/:name", {
    resumable: "again",
    summary: "Points the alias to an index, atomically; the one before is kept as `previous`.",
    params: Name,
    body: closed({ index: name }),
    reply: Alias,
  }),
  rollbackAlias: post("/vectors/alias/:name/rollback", {
    summary: "Points the alias to its previous index again.",
    params: Name,
    reply: Alias,
  }),
  dropAlias: del("/vectors/alias/:name", {
    summary: "Deletes the alias; its index stays.",
    params: Name,
    reply: closed({ dropped: t.Literal(true) }),
  }),

  // Between services: vectors are the bytes of one Float32Array, row by row, handed over.
  addVectors: internal({
    summary: "As `add`.",
    body: closed({
      name,
      ids: t.Array(id, { minItems: 1 }),
      vectors: Bytes,
      metadata: t.Optional(t.Array(t.Union([Metadata, t.Null()]))),
      embedding_model: t.Optional(t.String()),
    }),
    reply: Added,
  }),
  searchVectors: internal({
    reads: true,
    summary: "As `search`: one list of hits a vector.",
    body: closed({ name, vectors: Bytes, ...searchOptions }),
    reply: closed({ results: t.Array(t.Array(Hit)) }),
  }),
});
export type Vectord = typeof vectord;
