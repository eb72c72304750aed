/** vectord: named vector indexes with metadata. See README.md beside this file. */
import type { Static } from "@sinclair/typebox";
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
  post,
  put,
  raw,
  t,
} from "../../runtime/contract/contract.ts";

const name = t.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", description: "Index or alias name." });
const Name = closed({ name });
const id = t.String({
  minLength: 1,
  maxLength: 512,
  description: "Identifier of an item: at most 512 characters, not `.` or `..`.",
});
const k = t.Integer({ minimum: 1, maximum: 10_000 });

/** Any JSON object; a filter sees its scalars, and scalars inside arrays. */
const Metadata = t.Record(t.String(), t.Unknown());
/** `{"state":"IL"}`, `{"rate":{"gte":20}}`, `{"and":[…]}`; see runtime/filter/filter.ts for the grammar. */
const Filter = t.Record(t.String(), t.Unknown());
const Metric = t.Union([t.Literal("cosine"), t.Literal("ip"), t.Literal("l2")]);
const Quantization = t.Union([t.Literal("f32"), t.Literal("bf16"), t.Literal("i8")]);

/** What an index was made with; it does not change. */
export const IndexConfig = closed({
  name,
  dimension: t.Integer({ minimum: 1, maximum: 65_536 }),
  metric: Metric,
  /** `hnsw`, `flat`, `ivf_flat`, `ivf_pq`, or a FAISS factory string. */
  type: t.String({ minLength: 1, maxLength: 100 }),
  /** Of the vectors inside the graph; the row store keeps f32, and results are scored by that. */
  quantization: Quantization,
  embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
  /** Links of a node in the graph (M). */
  connectivity: t.Integer({ minimum: 2, maximum: 512 }),
  /** Candidates while building and while searching, unless a search says otherwise. */
  ef_construction: t.Integer({ minimum: 1, maximum: 10_000 }),
  ef_search: t.Integer({ minimum: 1, maximum: 10_000 }),
  created_at: t.String({ format: "date-time" }),
});
export type IndexConfig = Static<typeof IndexConfig>;

export const IndexInfo = t.Composite(
  [
    IndexConfig,
    closed({
      /** What searches the graph: usearch, faiss or exact. */
      engine: t.String(),
      count: t.Integer({ minimum: 0 }),
      /** Rows that were deleted or replaced and wait for compaction. */
      deleted: t.Integer({ minimum: 0 }),
      /** Rows that the engine has; the rest is searched exactly until it does. */
      indexed: t.Integer({ minimum: 0 }),
      memory_bytes: t.Integer({ minimum: 0 }),
      stored_bytes: t.Integer({ minimum: 0 }),
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
  metadata: t.Optional(Metadata),
});

export const Hit = closed({
  id,
  /** Ascending: 1 − cos for cosine, −dot for ip, squared Euclidean for l2. */
  distance: t.Number(),
  /** Descending: cos, dot, 1 / (1 + distance). */
  score: t.Number(),
  metadata: t.Optional(Metadata),
  vector: t.Optional(t.Array(t.Number())),
});

export const Snapshot = closed({
  id: t.String(),
  created_at: t.String({ format: "date-time" }),
  count: t.Integer({ minimum: 0 }),
  bytes: t.Integer({ minimum: 0 }),
});

export const Alias = closed({ alias: name, index: name, previous: t.Optional(name) });

const searchOptions = {
  k,
  filter: t.Optional(Filter),
  ef: t.Optional(t.Integer({ minimum: 1, maximum: 10_000 })),
  exact: t.Optional(t.Boolean()),
  include: t.Optional(t.Array(t.Union([t.Literal("metadata"), t.Literal("vector")]))),
  embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
};

/** The JSON body of `search`. */
export const SearchBody = closed({
  vector: t.Optional(t.Array(t.Number())),
  vectors: t.Optional(t.Array(t.Array(t.Number()), { minItems: 1 })),
  ...searchOptions,
  k: t.Optional(k),
});

/** The JSON body of `add`. */
export const AddBody = closed({
  items: t.Array(closed({ id, vector: t.Array(t.Number()), metadata: t.Optional(Metadata) }), {
    minItems: 1,
  }),
  embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
});

/** What `search` answers: hits of the only vector, or one list a vector. */
const Found = closed({ results: t.Union([t.Array(Hit), t.Array(t.Array(Hit))]) });

/** What `add` answers. */
const Added = closed({
  added: t.Integer({ minimum: 0 }),
  /** Items that replaced one of the same id. */
  replaced: t.Integer({ minimum: 0 }),
  count: t.Integer({ minimum: 0 }),
});

export const vectord = contract("vectord", {
  create: post("/vectors/index", {
    resumable: "again",
    summary: "Creates an index: 201; 409 when the name is taken.",
    status: 201,
    body: closed({
      name,
      dimension: t.Integer({ minimum: 1, maximum: 65_536 }),
      metric: t.Optional(Metric),
      type: t.Optional(t.String({ minLength: 1, maxLength: 100 })),
      quantization: t.Optional(Quantization),
      embedding_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
      connectivity: t.Optional(t.Integer({ minimum: 2, maximum: 512 })),
      ef_construction: t.Optional(t.Integer({ minimum: 1, maximum: 10_000 })),
      ef_search: t.Optional(t.Integer({ minimum: 1, maximum: 10_000 })),
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
  drop: del("/vectors/index/:name", {
    summary: "Deletes the index with its snapshots; 409 while an alias points to it.",
    params: Name,
    reply: closed({ dropped: t.Literal(true), name }),
  }),
  add: raw(["POST"], "/vectors/index/:name/add", {
    summary:
      "Adds or replaces items, all or none, durably: JSON {items: [{id, vector, metadata?}]}, or an Arrow IPC stream with columns id, vector and metadata.",
    params: Name,
    query: closed({ embedding_model: searchOptions.embedding_model }),
    consumes: { "application/json": AddBody, "application/vnd.apache.arrow.stream": Binary },
    produces: { "application/json": Added },
  }),
  search: raw(["POST"], "/vectors/index/:name/search", {
    reads: true,
    summary:
      "Nearest items: JSON {vector | vectors, k, filter?, ef?, exact?, include?}, or float32 vectors as application/octet-stream with the rest in the query. With `vectors` results are one list a vector.",
    params: Name,
    query: closed({
      k: t.Optional(k),
      ef: searchOptions.ef,
      exact: searchOptions.exact,
      filter: t.Optional(t.String({ description: "The filter as JSON, for binary bodies." })),
      include: t.Optional(t.String({ description: "Comma separated, for binary bodies." })),
      embedding_model: searchOptions.embedding_model,
    }),
    consumes: { "application/json": SearchBody, "application/octet-stream": Binary },
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
    summary: "Makes the index what it was at the snapshot, or creates it `as` another name.",
    params: closed({ name, snapshot: t.String({ maxLength: 64 }) }),
    body: closed({ as: t.Optional(name) }),
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
