/** catalogd: the registry of datasets and their versions. See README.md beside this file. */
import {
  closed,
  contract,
  del,
  get,
  internal,
  nextPage,
  pageFields,
  patch,
  post,
  raw,
  t,
} from "../../runtime/contract/contract.ts";
import * as schemas from "./schemas/schemas.ts";

export const {
  Column,
  ColumnStatistics,
  DataObject,
  DatasetName,
  Defined,
  DefinitionName,
  definitionFields,
  Expired,
  ExpiryAsked,
  Manifest,
  SavedQuery,
  Summary,
  Swept,
  TableFiles,
  TableLayout,
  TableName,
  Unreadable,
  View,
  viewIn,
} = schemas;
const {
  conditional,
  dryRun,
  ifMatch,
  Name,
  ObjectCount,
  Operation,
  read,
  registration,
  unreadable,
  VersionSummary,
  versionMax,
  which,
} = schemas;

export const catalogd = contract("catalogd", {
  register: post("/catalog/register", {
    resumable: true,
    summary:
      "Makes a new version of a dataset. Another schema than the registered one is a 409 naming the columns.",
    body: closed(registration),
    reply: Manifest,
  }),
  manifest: get("/catalog/manifest/:name", read),
  versions: get("/catalog/versions/:name", {
    summary: "The versions of a dataset, the latest first; also of one that was dropped.",
    params: Name,
    query: closed(pageFields),
    reply: closed({
      name: TableName,
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
    reply: closed({ name: TableName, dropped: t.Literal(true) }),
  }),
  diff: get("/catalog/diff/:name", {
    summary: "What differs between two versions: columns, rows, bytes and objects.",
    params: Name,
    query: closed({
      from: t.Integer({ minimum: 1, maximum: versionMax }),
      to: t.Optional(
        t.Integer({ minimum: 1, maximum: versionMax, description: "The latest version unless given." }),
      ),
    }),
    reply: closed({
      name: TableName,
      from: VersionSummary,
      to: VersionSummary,
      columns: closed({
        added: t.Array(Column),
        removed: t.Array(Column),
        renamed: t.Array(closed({ from: t.String(), to: t.String() })),
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
  rollback: post("/catalog/rollback/:name", {
    ...conditional,
    summary: "Makes a version with what an earlier one holds; the versions between stay.",
    body: closed({ version: t.Integer({ minimum: 1, maximum: versionMax }), ...ifMatch }),
  }),
  evolve: patch("/catalog/datasets/:name", {
    ...conditional,
    summary:
      "Changes columns as one new version: rename, drop, widen, add, reorder, comment, in this order. No data is rewritten.",
    body: closed({ ...schemas.evolution, ...ifMatch }),
  }),
  open: post("/catalog/open/:name", {
    ...conditional,
    headers: {},
    summary:
      "Makes a dataset an open table: every engine may change it through /iceberg from then on. No data is copied.",
    params: closed({ name: DatasetName }),
    body: closed({}),
  }),
  undrop: post("/catalog/undrop/:name", {
    ...conditional,
    headers: {},
    summary: "Brings a dropped dataset back as it was before its drop.",
    body: closed({}),
  }),
  rename: post("/catalog/rename/:name", {
    ...conditional,
    summary: "Gives a dataset another name. Its earlier versions stay under the old one.",
    body: closed({ to: DatasetName, ...ifMatch }),
  }),
  expire: post("/catalog/expire/:name", {
    resumable: "again",
    long: true,
    refusals: [409],
    summary:
      "Removes versions that are beyond the latest `keep_versions` and were replaced more than `older_than_days` ago, and the objects that no version names any more.",
    params: Name,
    body: ExpiryAsked,
    reply: Expired,
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
  files: internal({
    reads: true,
    summary:
      "The files of a version of an open table, with the deletes that are of each. Throws `unsupported_table` for what cannot be read by SQL here.",
    body: closed({ name: TableName, version: t.Integer({ minimum: 1 }) }),
    reply: TableFiles,
  }),
  sweep: internal({
    summary:
      "Removes the objects below `datasets/` that no version names and that are older than the grace period.",
    body: closed({
      name: t.Optional(TableName),
      grace_days: t.Number({ minimum: 0, maximum: 36_500 }),
      ...dryRun,
    }),
    reply: Swept,
  }),
  crowded: internal({
    reads: true,
    summary: "The names, dropped or not, whose chains have more versions than so many.",
    body: closed({ versions: t.Integer({ minimum: 1 }) }),
    reply: closed({ names: t.Array(TableName) }),
  }),
  hold: internal({
    summary: "For so long objects are not removed, nor an open table changed by others; 0 ends such a turn.",
    body: schemas.Held,
    reply: t.Null(),
  }),
  compact: internal({
    summary:
      "Makes a version in which each run of objects is one object of the same rows; a `conflict` where a run is not there any more.",
    body: closed({
      name: TableName,
      dataset_id: t.String(),
      runs: t.Array(
        closed({ keys: t.Array(DataObject.properties.key, { minItems: 1 }), object: DataObject }),
        { minItems: 1 },
      ),
      made_by: t.String(),
    }),
    reply: Manifest,
  }),
  iceberg: raw(["GET", "HEAD", "POST", "DELETE"], "/iceberg/*", {
    foreign: true,
    errors: "iceberg",
    summary:
      "Iceberg's REST catalog: datasets as tables that other engines read, and open tables that they change. Its own specification says what is here; clients are given the URI up to /iceberg.",
    params: closed({ key: t.String() }),
    produces: { "application/json": t.Record(t.String(), t.Unknown()) },
    statuses: [200, 204, 304],
    refusals: [409, 422],
    headers: {
      "if-none-match": "304 where the table has this etag.",
      "x-iceberg-access-delegation": "`vended-credentials`: keys for S3, where the operator gives out any.",
    },
    answerHeaders: { etag: "Of a table: another one after each of its changes." },
  }),
  admit: internal({
    reads: true,
    summary:
      "Throws what `register` would throw of the name alone: that it is reserved, or taken in another case. Gives the number of its next version.",
    body: Name,
    reply: closed({
      next_version: t.Integer({ minimum: 1 }),
      /** Of an open table: where its files go, as `bucket://folder`, and how its rows lie in them. */
      folder: t.Optional(t.String()),
      layout: t.Optional(TableLayout),
    }),
  }),
  commit: internal({
    summary: "Makes a new version of each of several datasets, or of none of them.",
    body: closed({
      registrations: t.Array(
        closed({
          ...registration,
          name: TableName,
          objects: t.Array(schemas.LaidObject, { maxItems: 100_000 }),
          operation: t.Optional(t.Union([...Operation.anyOf, ...schemas.RowOperation.anyOf])),
          /** Of changes of rows: keys of the objects that go. All others stay. */
          removes: t.Optional(t.Array(t.String(), { maxItems: 100_000 })),
          ...ifMatch,
          /** The number that the version is to have; with another one all is a `conflict`. */
          version: t.Optional(t.Integer({ minimum: 1 })),
          /** In an open table: the partition spec by which the objects were made; with another one all is a `conflict`. */
          spec_id: t.Optional(t.Integer()),
          turn: t.Optional(t.String()),
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
    body: closed({ name: TableName, operation_id: t.String() }),
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
  ...schemas.definitionVerbs,
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
      /** All views; absent where they are those that `known` had. */
      views: t.Optional(t.Array(Defined)),
      unreadable,
    }),
  }),
});
export type Catalogd = typeof catalogd;
