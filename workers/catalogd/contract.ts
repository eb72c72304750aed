/** catalogd: the registry of datasets and their versions. See README.md beside this file. */
import {
  closed,
  contract,
  del,
  get,
  internal,
  nextPage,
  pageFields,
  post,
  t,
} from "../../runtime/contract/contract.ts";

/** Letters, digits and `_`; a few reserved names and a second spelling in another case are refused by the service. */
export const DatasetName = t.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]{0,127}$" });

/** Exact in JSON, in INT64 and as a JavaScript number. */
const Count = t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const Column = closed({
  name: t.String({ minLength: 1, maxLength: 1024 }),
  /** A DuckDB type name, such as VARCHAR, BIGINT, DECIMAL(18,3) or STRUCT(a INTEGER). */
  type: t.String({ minLength: 1, maxLength: 65_536 }),
  nullable: t.Boolean(),
  /**
   * How the column's values were written as text, where that was in one form: `fixed`, as DuckDB writes the type
   * (10.00), or `shortest` (10). Absent where they came as no text; a later version keeps it.
   */
  form: t.Optional(t.Union([t.Literal("fixed"), t.Literal("shortest")])),
});

/** Per column, as DuckDB's RETURN_STATS gives them: bounds as text, because that is exact for every type. */
export const ColumnStatistics = closed({
  column: t.String(),
  field_id: t.Integer({ minimum: 1, maximum: 2_147_483_647 }),
  null_count: t.Optional(Count),
  value_count: t.Optional(Count),
  compressed_bytes: t.Optional(Count),
  min: t.Optional(t.String()),
  max: t.Optional(t.String()),
});

export const DataObject = closed({
  /** In bucket `primary`, unless written as `bucket://key`. */
  key: t.String({ minLength: 1, maxLength: 1024 }),
  bytes: Count,
  etag: t.String({ minLength: 1, maxLength: 256 }),
  row_count: Count,
  statistics: t.Array(ColumnStatistics),
});

export const Operation = t.Union([t.Literal("replace"), t.Literal("append")]);
/** The highest number that a version can have: eight digits keep the keys of manifests in order. */
export const versionMax = 99_999_999;

const registration = {
  name: DatasetName,
  columns: t.Array(Column, { minItems: 1, maxItems: 16_384 }),
  /** For `replace` all objects of the new version; for `append` the added ones. */
  objects: t.Array(DataObject, { maxItems: 100_000 }),
  operation: t.Optional(Operation),
  /** Who or what made this version, such as `ingestd` or a person's tool. */
  made_by: t.Optional(t.String({ maxLength: 256 })),
};

export const Manifest = closed({
  dataset_id: t.String({ format: "uuid" }),
  name: DatasetName,
  version: t.Integer({ minimum: 1 }),
  parent: t.Optional(t.Integer({ minimum: 1 })),
  schema_fingerprint: t.String(),
  columns: t.Array(Column),
  objects: t.Array(DataObject),
  row_count: t.Integer({ minimum: 0 }),
  bytes: t.Integer({ minimum: 0 }),
  /** `rollback`, `undrop` and `rename` make a version of what another one holds: `copy_of`. */
  operation: t.Union([...Operation.anyOf, t.Literal("rollback"), t.Literal("undrop"), t.Literal("rename")]),
  /** As SQL names it: `jobs@3`. */
  copy_of: t.Optional(t.String()),
  made_by: t.String(),
  /** Of the request with an Idempotency-Key that made this version. */
  operation_id: t.Optional(t.String()),
  created_at: t.String({ format: "date-time" }),
});

/**
 * A dataset that is registered and cannot be read: `corrupt` where its manifests are damaged, missing or of a newer
 * format, `memory_full` where they do not fit.
 */
export const Unreadable = closed({
  name: t.String(),
  type: t.Union([t.Literal("corrupt"), t.Literal("memory_full")]),
  reason: t.String(),
});
const unreadable = t.Optional(t.Array(Unreadable));

/** A dataset in a list: the manifest without its objects. */
export const Summary = closed({
  dataset_id: t.String({ format: "uuid" }),
  name: DatasetName,
  version: t.Integer({ minimum: 1 }),
  schema_fingerprint: t.String(),
  columns: t.Integer({ minimum: 1, description: "Number of columns." }),
  objects: t.Integer({ minimum: 0, description: "Number of objects." }),
  row_count: t.Integer({ minimum: 0 }),
  bytes: t.Integer({ minimum: 0 }),
  created_at: t.String({ format: "date-time" }),
});

/** A version in the list of a dataset's versions; `drop` is the number that a drop has taken. */
export const VersionSummary = closed({
  ...Summary.properties,
  operation: t.Union([...Manifest.properties.operation.anyOf, t.Literal("drop")]),
  copy_of: Manifest.properties.copy_of,
  /** With `drop`: the name that the dataset has from then on. */
  renamed_to: t.Optional(DatasetName),
  made_by: t.String(),
});

const ObjectCount = closed({ count: t.Integer({ minimum: 0 }), bytes: t.Integer({ minimum: 0 }) });

const Name = closed({ name: DatasetName });

/** Which version is meant; the latest unless one of both is given. */
const which = {
  version: t.Optional(t.Integer({ minimum: 1, maximum: versionMax, description: "The version's number." })),
  as_of: t.Optional(
    t.String({ format: "date-time", description: "RFC 3339: the version that was the latest at this time." }),
  ),
};
/** With the time: after a restore from a backup a number may be given a second time. */
export const etagOf = (manifest: { dataset_id: string; version: number; created_at: string }): string =>
  `${manifest.dataset_id}.${manifest.version}.${Date.parse(manifest.created_at)}`;

/** For changes of a dataset that is there. */
const ifMatch = {
  if_match: t.Optional(
    t.String({
      maxLength: 4096,
      description:
        "The dataset's ETag, or several: with another one nothing is changed (412). The header If-Match says the same.",
    }),
  ),
};
const conditional = {
  resumable: true,
  refusals: [409, 412, 422],
  headers: { "if-match": "Only where the dataset has one of these etags." },
  params: Name,
  reply: Manifest,
} as const;
const read = {
  summary: "A dataset: its latest version, or by `version` or `as_of` an earlier one.",
  params: Name,
  query: closed(which),
  reply: Manifest,
  etag: etagOf,
};

export const catalogd = contract("catalogd", {
  register: post("/catalog/register", {
    resumable: true,
    summary:
      "Makes a new version of a dataset. Another schema than the registered one is a 409 naming the columns.",
    body: closed(registration),
    reply: Manifest,
  }),
  manifest: get("/catalog/manifest/:name", read),
  dataset: get("/catalog/datasets/:name", read),
  versions: get("/catalog/datasets/:name/versions", {
    summary: "The versions of a dataset, the latest first; also of one that was dropped.",
    params: Name,
    query: closed(pageFields),
    reply: closed({
      name: DatasetName,
      versions: t.Array(VersionSummary),
      /** Those whose manifests cannot be read. */
      unreadable: t.Optional(t.Array(closed({ version: t.Integer({ minimum: 1 }), reason: t.String() }))),
      ...nextPage,
    }),
  }),
  list: get("/catalog/list", {
    summary: "All datasets by name; the etag stands for the whole catalog.",
    query: closed(pageFields),
    reply: closed({ datasets: t.Array(Summary), catalog_etag: t.String(), unreadable, ...nextPage }),
    etag: (list: { catalog_etag: string; datasets: { name: string }[]; next_page_token?: string }) =>
      `${list.catalog_etag}.${list.datasets[0]?.name ?? ""}.${list.datasets.length}`,
  }),
  drop: del("/catalog/manifest/:name", {
    resumable: true,
    summary: "Drops a dataset from the catalog; its objects stay until maintenance.",
    params: Name,
    reply: closed({ name: DatasetName, dropped: t.Literal(true) }),
  }),
  diff: get("/catalog/datasets/:name/diff", {
    summary: "What differs between two versions: columns, rows, bytes and objects.",
    params: Name,
    query: closed({
      from: t.Integer({ minimum: 1, maximum: versionMax }),
      to: t.Optional(
        t.Integer({ minimum: 1, maximum: versionMax, description: "The latest version unless given." }),
      ),
    }),
    reply: closed({
      name: DatasetName,
      from: VersionSummary,
      to: VersionSummary,
      columns: closed({
        added: t.Array(Column),
        removed: t.Array(Column),
        retyped: t.Array(closed({ name: t.String(), from: t.String(), to: t.String() })),
        nullability: t.Array(closed({ name: t.String(), from: t.Boolean(), to: t.Boolean() })),
        reordered: t.Array(t.String()),
      }),
      /** More in `to` than in `from`; negative where it has less. */
      row_count: t.Integer(),
      bytes: t.Integer(),
      objects: closed({ added: ObjectCount, removed: ObjectCount, kept: ObjectCount }),
    }),
  }),
  rollback: post("/catalog/datasets/:name/rollback", {
    ...conditional,
    summary: "Makes a version with what an earlier one holds; the versions between stay.",
    body: closed({ version: t.Integer({ minimum: 1, maximum: versionMax }), ...ifMatch }),
  }),
  undrop: post("/catalog/datasets/:name/undrop", {
    ...conditional,
    headers: {},
    summary: "Brings a dropped dataset back as it was before its drop.",
    body: closed({}),
  }),
  rename: post("/catalog/datasets/:name/rename", {
    ...conditional,
    summary: "Gives a dataset another name. Its earlier versions stay under the old one.",
    body: closed({ to: DatasetName, ...ifMatch }),
  }),
  changes: get("/catalog/changes", {
    summary:
      "Waits for the catalog to change: answers when its etag is no longer `since`, or after `wait_ms`.",
    query: closed({
      since: t.Optional(t.String()),
      wait_ms: t.Optional(t.Integer({ minimum: 0, maximum: 25_000 })),
    }),
    reply: closed({ catalog_etag: t.String() }),
  }),

  admit: internal({
    reads: true,
    summary:
      "Throws what `register` would throw of the name alone: that it is reserved, or taken in another case. Gives the number of its next version.",
    body: Name,
    reply: closed({ next_version: t.Integer({ minimum: 1 }) }),
  }),
  commit: internal({
    summary: "Makes a new version of each of several datasets, or of none of them.",
    body: closed({
      registrations: t.Array(
        closed({
          ...registration,
          /** The number that the version is to have; with another one all is a `conflict`. */
          version: t.Optional(t.Integer({ minimum: 1 })),
          /** Other columns than the registered ones are no drift: for `replace`. */
          new_columns: t.Optional(t.Boolean()),
        }),
        { minItems: 1, maxItems: 8 },
      ),
      operation_id: t.Optional(t.String()),
    }),
    reply: closed({ manifests: t.Array(Manifest) }),
  }),
  made: internal({
    reads: true,
    summary: "The version that an operation has made of a dataset; nothing when it made none.",
    body: closed({ name: DatasetName, operation_id: t.String() }),
    reply: closed({ manifest: t.Optional(Manifest) }),
  }),
  past: internal({
    reads: true,
    summary:
      "Versions by number or time; names match in any letter case. In the order asked: each version, or why there is none, or nothing where there never was such a dataset.",
    body: closed({ asked: t.Array(closed({ ...Name.properties, ...which }), { maxItems: 10_000 }) }),
    reply: closed({
      found: t.Array(closed({ manifest: t.Optional(Manifest), problem: t.Optional(t.String()) })),
    }),
  }),
  snapshot: internal({
    reads: true,
    summary:
      "Every manifest, as of a time where one is given; or nothing when the catalog's etag is still `known`; or, for an etag of late, with `removed`, only what changed since.",
    body: closed({ known: t.Optional(t.String()), as_of: which.as_of }),
    reply: closed({
      catalog_etag: t.String(),
      manifests: t.Optional(t.Array(Manifest)),
      /** Datasets that are no more. Where it is absent, `manifests` are all there are. */
      removed: t.Optional(t.Array(t.String())),
      unreadable,
    }),
  }),
});
export type Catalogd = typeof catalogd;
