/** What datasets, versions and objects are, as catalogd takes and gives them. */
import type { Static } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";
import { versionMax } from "./expiry.ts";
import { ColumnStatistics, Count, FieldId } from "./statistics.ts";

export {
  type Define,
  Defined,
  DefinitionName,
  definitionFields,
  definitionVerbs,
  SavedQuery,
  View,
  viewIn,
} from "./definitions.ts";

export { dryRun, ExpiryAsked, versionMax } from "./expiry.ts";
export { TableFiles, TableLayout } from "./open-tables.ts";
export { ColumnStatistics };

/** Letters, digits and `_`; a few reserved names and a second spelling in another case are refused by the service. */
export const DatasetName = t.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]{0,127}$" });

/** Open tables go by their namespace and name, in which a dot is `%2E`. */
const part = "[A-Za-z0-9_](?:[A-Za-z0-9_ -]|%2E){0,99}";
export const openNameForm = `${part}\\.${part}`;
export const TableName = t.String({ pattern: `^(?:[A-Za-z_][A-Za-z0-9_]{0,127}|${openNameForm})$` });

const Comment = t.String({ maxLength: 4096 });
const SchemaId = t.Integer({ minimum: 0, maximum: 2_147_483_647 });

const ColumnName = t.String({ minLength: 1, maxLength: 1024 });
/** A DuckDB type name, such as VARCHAR, BIGINT, DECIMAL(18,3) or STRUCT(a INTEGER). */
const ColumnType = t.String({ minLength: 1, maxLength: 65_536 });

export const Column = closed({
  name: ColumnName,
  type: ColumnType,
  nullable: t.Boolean(),
  /**
   * How the column's values were written as text, where that was in one form: `fixed`, as DuckDB writes the type
   * (10.00), or `shortest` (10). Absent where they came as no text; a later version keeps it.
   */
  form: t.Optional(t.Union([t.Literal("fixed"), t.Literal("shortest")])),
  /** By which open tables know the column, whatever its name becomes. The catalog gives it; a dataset gives each id once. */
  field_id: t.Optional(FieldId),
  /** Of what is nested in the column, each part before what is nested in that; see `runtime/sql/field-ids.ts`. */
  nested_ids: t.Optional(t.Array(FieldId, { maxItems: 16_384 })),
  comment: t.Optional(Comment),
});

export const DataObject = closed({
  /** In bucket `primary`, unless written as `bucket://key`. */
  key: t.String({ minLength: 1, maxLength: 1024 }),
  bytes: Count,
  etag: t.String({ minLength: 1, maxLength: 256 }),
  row_count: Count,
  statistics: t.Array(ColumnStatistics),
});

/** An object that comes into an open table. */
export const LaidObject = closed({
  ...DataObject.properties,
  /** In one with partitions: the value of each field, as text. */
  partition: t.Optional(t.Array(t.Union([t.String(), t.Null()]))),
});

/** An object of a version. */
export const VersionObject = closed({
  ...DataObject.properties,
  /** Under which schema it was written; absent for 0, the first one of the dataset. */
  schema_id: t.Optional(SchemaId),
});

export const Operation = t.Union([t.Literal("replace"), t.Literal("append")]);
/** Changes of rows: some objects go, others that hold their other rows come. */
export const RowOperation = t.Union([
  t.Literal("delete"),
  t.Literal("update"),
  t.Literal("upsert"),
  t.Literal("retype"),
]);

export const registration = {
  name: DatasetName,
  columns: t.Array(Column, { minItems: 1, maxItems: 16_384 }),
  /** For `replace` all objects of the new version; for `append` the added ones. */
  objects: t.Array(DataObject, { maxItems: 100_000 }),
  operation: t.Optional(Operation),
  evolve: t.Optional(
    t.Boolean({
      description:
        "Other columns are taken: new ones, missing ones, wider types; with `replace` all that are given. Else they are a 409 `schema_drift`.",
    }),
  ),
  /** Who or what made this version, such as `ingestd` or a person's tool. */
  made_by: t.Optional(t.String({ maxLength: 256 })),
};

export const Manifest = closed({
  dataset_id: t.String({ format: "uuid" }),
  name: TableName,
  version: t.Integer({ minimum: 1 }),
  parent: t.Optional(t.Integer({ minimum: 1 })),
  schema_fingerprint: t.String(),
  columns: t.Array(Column),
  /** The highest field id that the dataset has ever given to a column or a part of one. */
  last_column_id: t.Optional(FieldId),
  /** Of `columns`; absent for 0, the first one of the dataset. */
  schema_id: t.Optional(SchemaId),
  last_schema_id: t.Optional(SchemaId),
  /** Other schemas under which objects were written: their files have these names and types, by `field_id`. */
  schemas: t.Optional(t.Array(closed({ schema_id: SchemaId, columns: t.Array(Column) }))),
  objects: t.Array(VersionObject),
  row_count: t.Integer({ minimum: 0 }),
  bytes: t.Integer({ minimum: 0 }),
  /**
   * `rollback`, `undrop`, `rename` and `expire` make a version of what another one holds: `copy_of`. `compact` makes one of
   * the same rows in fewer objects.
   */
  operation: t.Union([
    ...Operation.anyOf,
    t.Literal("rollback"),
    t.Literal("undrop"),
    t.Literal("rename"),
    t.Literal("expire"),
    t.Literal("evolve"),
    t.Literal("compact"),
    ...RowOperation.anyOf,
    // Of open tables: made by another program, changed by one, moved over from a dataset.
    t.Literal("create"),
    t.Literal("commit"),
    t.Literal("open"),
  ]),
  /** Of an open table: the address of Iceberg's metadata, which says what its rows are. */
  metadata_location: t.Optional(t.String()),
  /** Of an open table: below which addresses its files are, the table's location first. */
  locations: t.Optional(t.Array(t.String())),
  /** As SQL names it: `jobs@3`. */
  copy_of: t.Optional(t.String()),
  /** The first version that is kept; absent where none was expired. */
  first_version: t.Optional(t.Integer({ minimum: 2 })),
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
export const unreadable = t.Optional(t.Array(Unreadable));

/** A dataset in a list: the manifest without its objects. */
export const Summary = closed({
  dataset_id: t.String({ format: "uuid" }),
  name: TableName,
  version: t.Integer({ minimum: 1 }),
  schema_fingerprint: t.String(),
  columns: t.Integer({ minimum: 0, description: "Number of columns." }),
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
  renamed_to: t.Optional(TableName),
  made_by: t.String(),
});

export const ObjectCount = closed({ count: t.Integer({ minimum: 0 }), bytes: t.Integer({ minimum: 0 }) });

export const Name = closed({ name: TableName });
/** What nobody else takes meanwhile: objects, and the turn of an open table under an id that its holder gives. */
export const Held = closed({
  keys: t.Array(DataObject.properties.key),
  ms: t.Integer({ minimum: 0 }),
  turn: t.Optional(closed({ name: TableName, id: t.String() })),
});

/** Which version is meant; the latest unless one of both is given. */
export const which = {
  version: t.Optional(t.Integer({ minimum: 1, maximum: versionMax, description: "The version's number." })),
  as_of: t.Optional(
    t.String({ format: "date-time", description: "RFC 3339: the version that was the latest at this time." }),
  ),
};
/** With the time: after a restore from a backup a number may be given a second time. */
export const etagOf = (manifest: { dataset_id: string; version: number; created_at: string }): string =>
  `${manifest.dataset_id}.${manifest.version}.${Date.parse(manifest.created_at)}`;

/** For changes of a dataset that is there. */
export const ifMatch = {
  if_match: t.Optional(
    t.String({
      maxLength: 4096,
      description:
        "The dataset's ETag, or several: with another one nothing is changed (412). The header If-Match says the same.",
    }),
  ),
};
/**
 * Changes of columns, done in the order in which they stand here. All names but those of `reorder` and `comment` are those
 * before. In an open table a part of a nested column goes by its path, but for `to`: `home.city`, `tags.element.id`,
 * `sums.value`; an order of parts names all of one struct.
 */
export const evolution = {
  rename: t.Optional(t.Array(closed({ name: ColumnName, to: ColumnName }), { maxItems: 16_384 })),
  drop: t.Optional(t.Array(ColumnName, { maxItems: 16_384 })),
  widen: t.Optional(
    t.Array(closed({ name: ColumnName, type: ColumnType }), {
      maxItems: 16_384,
      description:
        "Types that hold every value of the old one: BIGINT for INTEGER, DOUBLE for FLOAT, more digits.",
    }),
  ),
  add: t.Optional(
    t.Array(closed({ name: ColumnName, type: ColumnType, comment: t.Optional(Comment) }), {
      maxItems: 16_384,
      description:
        "Columns that are NULL in every row there is. In an open table also parts of nested ones: `home.city`, `tags.element.id`, `sums.value.n`.",
    }),
  ),
  reorder: t.Optional(
    t.Array(ColumnName, {
      maxItems: 16_384,
      description: "Every column, or every part of a struct by its path, in the new order.",
    }),
  ),
  comment: t.Optional(
    t.Array(closed({ name: ColumnName, text: Comment }), {
      maxItems: 16_384,
      description: "An empty text takes the comment away.",
    }),
  ),
};
const Evolution = closed(evolution);
export type Evolution = Static<typeof Evolution>;

export const conditional = {
  resumable: true,
  refusals: [409, 412, 422],
  headers: { "if-match": "Only where the dataset has one of these etags." },
  params: Name,
  reply: Manifest,
} as const;
export const read = {
  summary: "A dataset: its latest version, or by `version` or `as_of` an earlier one.",
  params: Name,
  query: closed(which),
  reply: Manifest,
  etag: etagOf,
};

/** Objects that were removed, or would be; beyond 10,000 they are counted. */
export const Swept = closed({
  dry_run: t.Boolean(),
  objects: t.Array(closed({ key: t.String(), bytes: Count })),
  count: t.Integer({ minimum: 0 }),
  bytes: t.Integer({ minimum: 0 }),
  seen: t.Integer({ minimum: 0, description: "Objects that were looked at." }),
});

/** What is removed, or would be. */
export const Expired = closed({
  name: TableName,
  dry_run: t.Boolean(),
  first_version: t.Integer({ minimum: 1, description: "The first version that is kept." }),
  /** Numbers of the versions whose manifests go. */
  versions: t.Array(t.Integer({ minimum: 1 })),
  /** Those that no version of any dataset names any more. */
  objects: t.Array(closed({ key: t.String(), bytes: Count })),
  bytes: t.Integer({ minimum: 0, description: "Of the objects." }),
  /** Of an open table: the snapshots that go, whose files are among the objects, and branches and tags that are too old. */
  snapshots: t.Optional(t.Array(t.String())),
  refs: t.Optional(t.Array(t.String())),
});
