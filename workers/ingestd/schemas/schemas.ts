/** What maintenance and changes of rows take and give. */
import { closed, t } from "../../../runtime/contract/contract.ts";
import { Expired, Manifest, TableName } from "../../catalogd/contract.ts";

export * from "./documents.ts";
export { reading } from "./reading.ts";

export const maintaining = {
  dry_run: t.Optional(
    t.Boolean({ description: "Says what would be merged and removed, and changes nothing." }),
  ),
  sort_by: t.Optional(
    t.Array(t.String({ minLength: 1, maxLength: 1024 }), {
      maxItems: 16,
      description:
        "Columns by which the rows of objects that are merged are put in order; as they are unless given.",
    }),
  ),
  target_bytes: t.Optional(
    t.Integer({
      minimum: 1024,
      maximum: 2 ** 40,
      description: "Objects of that size or more are not merged.",
    }),
  ),
  min_objects: t.Optional(
    t.Integer({
      minimum: 2,
      maximum: 256,
      description: "Fewer small objects beside each other are not merged.",
    }),
  ),
  keep_versions: t.Optional(t.Integer({ minimum: 1, maximum: 99_999_999 })),
  older_than_days: t.Optional(t.Number({ minimum: 0, maximum: 36_500 })),
  max_versions: t.Optional(t.Integer({ minimum: 1, maximum: 99_999_999 })),
  orphan_grace_days: t.Optional(t.Number({ minimum: 0, maximum: 36_500 })),
};

/** What is done to one dataset. With `dry_run`: what would be. */
export const maintained = {
  name: TableName,
  dry_run: t.Boolean(),
  compacted: closed({
    /** Objects that stood next to each other, and the one in their place. */
    runs: t.Array(
      closed({
        objects: t.Integer(),
        bytes: t.Integer(),
        rows: t.Integer(),
        into: t.Optional(closed({ key: t.String(), bytes: t.Integer() })),
      }),
    ),
    objects_before: t.Integer(),
    objects_after: t.Integer(),
    /** Why small objects stay as they are. */
    left: t.Optional(t.Array(t.String())),
  }),
  expired: Expired,
};

/** What one step of maintenance did last, and all together since the start. */
const StepTotals = closed({
  runs: t.Integer(),
  failed: t.Integer(),
  /** Objects merged, versions expired, orphans removed. */
  count: t.Integer(),
  bytes: t.Integer(),
  last: t.Optional(
    closed({ at: t.String(), name: t.Optional(t.String()), count: t.Integer(), bytes: t.Integer() }),
  ),
  last_error: t.Optional(closed({ at: t.String(), name: t.Optional(t.String()), error: t.String() })),
});

export const Maintenance = closed({
  /** Whether there is a schedule. */
  enabled: t.Boolean(),
  running: t.Optional(closed({ step: t.String(), name: t.Optional(t.String()), since: t.String() })),
  /** When versions are looked at next. */
  next_at: t.Optional(t.String({ format: "date-time" })),
  steps: closed({ compact: StepTotals, expire: StepTotals, sweep: StepTotals }),
});

export const timeout = {
  timeout_ms: t.Optional(
    t.Integer({
      minimum: 1,
      description: "Longest work on the file once it is received; in proportion to its bytes when absent.",
    }),
  ),
};

/** Changes of rows. Expressions are SQL over the dataset's columns, in the sandbox of /sql; subqueries read datasets. */
export const Expression = t.String({ minLength: 1, maxLength: 100_000 });
export const changing = {
  dry_run: t.Optional(t.Boolean({ description: "Counts what would change, and changes nothing." })),
  if_match: t.Optional(
    t.String({
      maxLength: 4096,
      description:
        "The dataset's ETag, or several: with another one nothing is changed (412). The header If-Match says the same.",
    }),
  ),
  ...timeout,
};
/** Names of columns. */
const Key = t.Array(t.String({ minLength: 1, maxLength: 1024 }), {
  minItems: 1,
  maxItems: 100,
  description: "The column by which rows are the same, or several.",
});
export const UpsertRows = closed({
  key: Key,
  rows: t.Array(t.Record(t.String(), t.Unknown()), {
    minItems: 1,
    maxItems: 100_000,
    description:
      "Each with the dataset's columns; one that is left out is NULL. Dates are texts, as in NDJSON.",
  }),
  ...timeout,
});
export const Retyping = closed({
  column: t.String({ minLength: 1, maxLength: 1024 }),
  type: t.String({ minLength: 1, maxLength: 65_536 }),
  on_error: t.Optional(
    t.Union([t.Literal("fail"), t.Literal("null"), t.Literal("reject")], {
      description:
        "`null`: such values become NULL. `reject`: rows with such a value become `<name>__rejects`, each as JSON.",
    }),
  ),
  max_rejects: t.Optional(t.Integer({ minimum: 0 })),
  ...changing,
});
export const RowsChanged = closed({
  /** The version with the change; the latest one where nothing was to change, or with `dry_run`. */
  manifest: Manifest,
  dry_run: t.Boolean(),
  rows_matched: t.Optional(
    t.Integer({ description: "Absent where an update that was done before a restart is asked for again." }),
  ),
  rows_rejected: t.Optional(
    t.Integer({ description: "With on_error=reject: rows that went, or would go, to the rejected ones." }),
  ),
  /** The dataset that has them, when there are any. */
  rejects: t.Optional(TableName),
  objects_removed: t.Integer(),
  objects_added: t.Integer({ description: "Written anew, with the rows that stay; with dry_run 0." }),
  elapsed_ms: t.Number(),
});
const FewRows = t.Integer({ minimum: 0, maximum: 1000 });
const Row = t.Union([t.Record(t.String(), t.Unknown()), t.Null()]);
export const rowDiff = {
  long: true,
  refusals: [404, 408, 422, 429],
  summary:
    "The rows by which two versions differ: by a key, how many were added, removed and changed, and some of them.",
  params: closed({ name: TableName }),
  query: closed({
    from: t.Integer({ minimum: 1, maximum: 99_999_999 }),
    to: t.Optional(t.Integer({ minimum: 1, maximum: 99_999_999 })),
    key: t.Array(t.String({ minLength: 1, maxLength: 1024 }), {
      minItems: 1,
      maxItems: 100,
      description: "A column that tells rows apart; may be given several times.",
    }),
    sample: t.Optional(FewRows),
  }),
  reply: closed({
    name: TableName,
    from: t.Integer(),
    to: t.Integer(),
    rows: closed({ added: t.Integer(), removed: t.Integer(), changed: t.Integer() }),
    /** With the columns that both versions have; numbers of 64 bits and decimals are texts. */
    sample: t.Array(
      closed({
        change: t.Union([t.Literal("added"), t.Literal("removed"), t.Literal("changed")]),
        before: Row,
        after: Row,
      }),
    ),
  }),
} as const;

export const rowChange = {
  long: true,
  resumable: true,
  refusals: [404, 408, 409, 412, 422, 429],
  headers: { "if-match": "Only where the dataset has one of these etags." },
  params: closed({ name: TableName }),
  reply: RowsChanged,
} as const;

/** Where the file is, in the place of a body. */
export const fromUrl = {
  url: t.Optional(
    t.String({
      minLength: 1,
      maxLength: 8192,
      description:
        "Where the file is, where none is sent: https://host/file of a host in ingestd.url_hosts, or s3://bucket/key of a bucket that is configured.",
    }),
  ),
};

/** A database that rows are read from, in the place of a body. */
export const fromSource = {
  source: t.Optional(
    t.String({
      minLength: 1,
      maxLength: 64,
      description:
        "A PostgreSQL database of [ingestd.sources.<name>] that the rows are read from, where no file is sent: its `table`, as schema.table, or a `query`.",
    }),
  ),
  query: t.Optional(
    t.String({
      minLength: 1,
      maxLength: 65_536,
      description: "With `source`: one SELECT in the SQL of the database.",
    }),
  ),
};

/** A place whose files are taken as they appear. */
export const Watched = closed({
  name: t.String(),
  dataset: TableName,
  from: t.String(),
  files: t.String({ description: "The pattern that names match." }),
  mode: t.Union([t.Literal("append"), t.Literal("replace")]),
  looked_at: t.Optional(t.String({ format: "date-time" })),
  problem: t.Optional(t.String({ description: "Why the last look failed; it is done again." })),
  taken: t.Optional(t.Integer({ description: "Files, as the dataset of taken files has them." })),
  waiting: t.Integer({
    description: "Files that are new or changed, and are taken when they stay as they are.",
  }),
  refused: t.Array(closed({ file: t.String(), error: closed({ type: t.String(), message: t.String() }) }), {
    description: "Files that are not taken as they are, the first hundred.",
  }),
  refused_total: t.Integer(),
});
