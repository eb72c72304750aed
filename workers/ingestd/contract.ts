/** ingestd: files become typed, registered datasets. See README.md beside this file. */
import {
  Binary,
  closed,
  contract,
  del,
  Events,
  get,
  nextPage,
  pageFields,
  post,
  raw,
  t,
} from "../../runtime/contract/contract.ts";
import { Manifest, Swept, TableName } from "../catalogd/contract.ts";
import * as schemas from "./schemas/schemas.ts";

export const { Maintenance, RowsChanged } = schemas;
const {
  changing,
  documentEndpoints,
  Expression,
  maintained,
  maintaining,
  reading,
  Retyping,
  rowChange,
  rowDiff,
  timeout,
  UpsertRows,
} = schemas;

const ingesting = {
  name: TableName,
  mode: t.Optional(t.Union([t.Literal("replace"), t.Literal("append"), t.Literal("upsert")])),
  key: t.Optional(
    t.Array(t.String({ minLength: 1, maxLength: 1024 }), {
      maxItems: 100,
      description:
        "With mode=upsert: rows of the file replace those with the same value here; may be given several times.",
    }),
  ),
  evolve: t.Optional(
    t.Boolean({
      description:
        "Columns that are new or missing and wider types are taken; with `replace` all columns of the file. Else they are a 409 `schema_drift`.",
    }),
  ),
  on_error: t.Optional(t.Union([t.Literal("fail"), t.Literal("reject")])),
  max_rejects: t.Optional(t.Integer({ minimum: 0 })),
  ...{ ...timeout, ...reading, ...schemas.fromUrl, ...schemas.fromSource },
};

export const Ingested = closed({
  job_id: t.String(),
  manifest: Manifest,
  rows_in: t.Integer(),
  rows_loaded: t.Integer(),
  rows_rejected: t.Integer(),
  /** The dataset that holds the rejected rows, when there are any. */
  rejects: t.Optional(TableName),
  /** With mode=upsert: rows whose place rows of the file took. */
  rows_replaced: t.Optional(t.Integer()),
  /** True when this very content was the dataset's content already: no new version was made. */
  unchanged: t.Boolean(),
  bytes_in: t.Integer(),
  bytes_out: t.Integer(),
  elapsed_ms: t.Number(),
  warnings: t.Array(t.String()),
});

export const Job = closed({
  job_id: t.String(),
  name: TableName,
  state: t.Union([
    t.Literal("waiting"),
    t.Literal("receiving"),
    t.Literal("extracting"),
    t.Literal("inferring"),
    t.Literal("writing"),
    t.Literal("registering"),
    t.Literal("done"),
    t.Literal("failed"),
  ]),
  bytes_in: t.Integer(),
  /** The length the client announced, when it did. */
  bytes_expected: t.Optional(t.Integer()),
  /** Of a request with documents: files, those of archives among them. */
  files: t.Optional(closed({ total: t.Integer(), done: t.Integer(), failed: t.Integer() })),
  /** 0 to 1 through the present state, where it is known. */
  progress: t.Optional(t.Number()),
  started_at: t.String({ format: "date-time" }),
  elapsed_ms: t.Number(),
  error: t.Optional(closed({ type: t.String(), message: t.String() })),
  result: t.Optional(Ingested),
});

/** A row that could not be loaded, and why. `line` counts from 1, `byte` is the row's offset in the text as UTF-8. */
const BadRow = closed({
  line: t.Integer({ minimum: 1 }),
  byte: t.Integer({ minimum: 0 }),
  column: t.Union([t.String(), t.Null()]),
  reason: t.String(),
  text: t.String(),
});

/** The answer of a preview. */
export const Previewed = closed({
  format: t.String(),
  /** Where there are several, those of archives among them. */
  files: t.Optional(t.Array(t.String())),
  /** Sheets of a workbook or tables of a database: which was read, and why. */
  tables: t.Optional(
    t.Array(
      closed({ name: t.String(), hidden: t.Optional(t.Boolean()), taken: t.Boolean(), why: t.String() }),
    ),
  ),
  dialect: t.Optional(
    closed({
      delimiter: t.String(),
      quote: t.String(),
      header: t.Boolean(),
      escape: t.Optional(t.String()),
      comment: t.Optional(t.String()),
      /** Lines before the header or the first row, as they were left out. */
      skip: t.Optional(t.Integer()),
      /** Excel's first line, such as `sep=;`, which says the delimiter. */
      sep_line: t.Optional(t.String()),
    }),
  ),
  columns: t.Array(
    closed({
      name: t.String(),
      type: t.String(),
      form: t.Optional(t.Literal("shortest")),
      why: t.String(),
    }),
  ),
  /** The first rows, as text, in the order of the columns. */
  rows: t.Array(t.Array(t.Union([t.String(), t.Null()]))),
  rows_seen: t.Integer(),
  bytes_seen: t.Integer(),
  /** False when only the beginning was looked at: the types of the whole file may be wider. */
  whole_file: t.Boolean(),
  bad_rows: t.Integer(),
  problems: t.Array(BadRow),
  warnings: t.Array(t.String()),
});

/** A form as browsers send it. */
const FileForm = t.Object({ file: Binary });

const JobId = closed({ id: t.String({ maxLength: 64 }) });

export const ingestd = contract("ingestd", {
  ingest: raw(["POST"], "/ingest", {
    summary:
      "Loads files as a dataset: CSV, JSON, NDJSON, Parquet, XLSX, ODS, Avro or SQLite, plain, gzip, zstd, or in a zip or tar. Multipart fields `file`, or the raw body.",
    query: closed(ingesting),
    consumes: {
      "application/octet-stream": Binary,
      "multipart/form-data": FileForm,
      "text/csv": Binary,
      "application/x-ndjson": Binary,
      "application/vnd.apache.parquet": Binary,
    },
    produces: { "application/json": Ingested },
    headers: {
      "x-lakehouse-job-id": "A name for the job, chosen by the caller, to follow it by.",
      prefer:
        "`respond-async`: 202 with the job, and `Location` to ask for it, as soon as the files are here; with `url` at once.",
    },
    answerHeaders: {
      "x-lakehouse-job-id": "The job, as /ingest/jobs lists it.",
      location: "With `Prefer: respond-async`: where the job and its result are, relative to this address.",
    },
    refusals: [408, 422, 429],
  }),
  preview: raw(["POST"], "/ingest/preview", {
    reads: true,
    summary: "Says dialect, types, the first rows and warnings of a file, and stores nothing.",
    query: closed({
      ...{ ...reading, ...timeout, ...schemas.fromUrl },
      rows: t.Optional(t.Integer({ minimum: 1, maximum: 1000 })),
    }),
    consumes: { "application/octet-stream": Binary, "multipart/form-data": FileForm },
    produces: { "application/json": Previewed },
    refusals: [408, 422, 429],
  }),
  maintain: post("/catalog/maintain/:name", {
    resumable: "again",
    long: true,
    refusals: [409, 422],
    summary:
      "Keeps a dataset small and fast: merges small objects, expires old versions, removes orphans. What is not given is as in the settings.",
    params: closed({ name: TableName }),
    body: closed(maintaining),
    reply: closed({ ...maintained, orphans: Swept }),
  }),
  maintainAll: post("/catalog/maintain", {
    resumable: "again",
    long: true,
    refusals: [409, 422],
    summary: "The same for every dataset; one that fails is named, and the others are maintained.",
    body: closed(maintaining),
    reply: closed({
      dry_run: t.Boolean(),
      datasets: t.Array(closed(maintained)),
      failed: t.Array(closed({ name: t.String(), error: closed({ type: t.String(), message: t.String() }) })),
      orphans: Swept,
    }),
  }),
  maintenance: get("/catalog/maintenance", {
    summary: "The schedule of maintenance: what it did last, and since the start.",
    reply: Maintenance,
  }),
  ...documentEndpoints,
  deleteRows: post("/catalog/datasets/:name/delete", {
    ...rowChange,
    summary: "Deletes the rows for which the expression is true, as one new version.",
    body: closed({ where: Expression, ...changing }),
  }),
  updateRows: post("/catalog/datasets/:name/update", {
    ...rowChange,
    summary:
      "Sets columns to SQL expressions in the rows for which `where` is true, or in all, as one new version.",
    body: closed({ set: t.Record(t.String(), Expression), where: t.Optional(Expression), ...changing }),
  }),
  upsertRows: raw(["POST"], "/catalog/datasets/:name/upsert", {
    summary:
      "Puts rows in the place of those with the same key, and adds the others, as one new version: an ingest with mode=upsert of a few rows.",
    params: closed({ name: TableName }),
    consumes: { "application/json": UpsertRows },
    produces: { "application/json": Ingested },
    headers: { "x-lakehouse-job-id": "A name for the job, chosen by the caller, to follow it by." },
    answerHeaders: { "x-lakehouse-job-id": "The job, as /ingest/jobs lists it." },
    refusals: [404, 408, 409, 422, 429],
  }),
  retype: post("/catalog/datasets/:name/retype", {
    ...rowChange,
    summary:
      "Rewrites a column as another type, as one new version. Values that do not hold in it are a 422 with their count and one of them.",
    body: Retyping,
  }),
  diffRows: get("/catalog/diff/:name/rows", rowDiff),
  jobs: get("/ingest/jobs", {
    summary: "Ingests under way and the latest that ended, newest first.",
    query: closed(pageFields),
    reply: closed({ jobs: t.Array(Job), ...nextPage }),
  }),
  job: get("/ingest/jobs/:id", { summary: "One ingest.", params: JobId, reply: Job }),
  watches: get("/ingest/watches", {
    summary:
      "The places that are watched: how many files were taken, which wait, and which are refused and why.",
    reply: closed({ watches: t.Array(schemas.Watched) }),
  }),
  cancel: del("/ingest/jobs/:id", {
    resumable: "again",
    summary: "Stops an ingest; nothing is registered.",
    params: JobId,
    reply: Job,
  }),
  events: raw(["GET"], "/ingest/jobs/:id/events", {
    summary: "Progress as server-sent events: `progress` with the job, then `done` or `failed`.",
    params: JobId,
    produces: {
      "text/event-stream": Events(
        "Events `progress`, each with the job as JSON; the last is `done` or `failed`. A stream that ends with neither says that the service stopped: look at the job.",
      ),
    },
  }),
});
export type Ingestd = typeof ingestd;
