/** queryd: read-only SQL over registered datasets. See README.md beside this file. */
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
  raw,
  t,
} from "../../runtime/contract/contract.ts";
import { keptStatements, Query } from "./schemas/schemas.ts";

/** The body of POST /sql. */
export const SqlRequest = closed({
  sql: t.String({ minLength: 1, maxLength: 1_000_000 }),
  /** By position (an array for $1, ?) or by name (an object for $name). */
  params: t.Optional(t.Union([t.Array(t.Unknown()), t.Record(t.String(), t.Unknown())])),
  /** RFC 3339: the datasets as they were at this time, but for those whose names say their version. */
  as_of: t.Optional(t.String({ format: "date-time" })),
  /** Where it runs: `local`, the default, or one of `[queryd.engines.*]`, in whose SQL it is then. Never chosen for the caller. */
  engine: t.Optional(t.String({ minLength: 1, maxLength: 64 })),
  timeout_ms: t.Optional(t.Integer({ minimum: 1 })),
  limit: t.Optional(t.Integer({ minimum: 0, maximum: 2 ** 52 })),
});

/** The same for a part of a version, as changes of rows read it: each object for itself. */
export const PartRequest = closed({
  ...SqlRequest.properties,
  /** Of a version that the statement names, as `jobs@3`: the objects alone that are read; of format 3 with ids of rows, if asked. */
  objects: t.Optional(t.Record(t.String(), t.Array(t.String({ maxLength: 1024 }), { maxItems: 100_000 }))),
  row_ids: t.Optional(t.Boolean()),
  /** Asks for an etag of what is asked and of the versions that answer it: 304 where it is the one known. */
  tag: t.Optional(
    closed({ of: t.String({ maxLength: 4096 }), known: t.Optional(t.String({ maxLength: 200 })) }),
  ),
  /** Of `application/vnd.lakehouse.postgres`: how a client of PostgreSQL's protocol wants its rows. */
  postgres: t.Optional(
    closed({
      /** 0 for text, 1 for binary: none for text alone, one for all columns, or one a column. */
      formats: t.Optional(t.Array(t.Integer({ minimum: 0, maximum: 1 }), { maxItems: 65_535 })),
      /** The messages of COPY … TO STDOUT instead of rows; the characters are of one byte. */
      copy: t.Optional(
        closed({
          format: t.Union([t.Literal("text"), t.Literal("csv"), t.Literal("binary")]),
          delimiter: t.String({ minLength: 1, maxLength: 1 }),
          null: t.String({ maxLength: 100 }),
          header: t.Boolean(),
          quote: t.String({ minLength: 1, maxLength: 1 }),
          escape: t.String({ minLength: 1, maxLength: 1 }),
        }),
      ),
    }),
  ),
});

const numbers = t.Optional(
  t.Union([t.Literal("json"), t.Literal("string")], {
    description:
      "json: integers and decimals are JSON numbers, digit by digit. string: BIGINT, UBIGINT, HUGEINT, UHUGEINT, BIGNUM and DECIMAL are strings, for readers that take every number for a double. Default: queryd.numbers.",
  }),
);
const shape = t.Optional(t.Union([t.Literal("rows"), t.Literal("full")]));
const text = (description: string) => t.Optional(t.String({ minLength: 1, maxLength: 8192, description }));

/** What a dataset is asked for by its URL. */
export const DatasetQuery = closed({
  columns: text("Names with commas between them; all unless given."),
  where: text("A SQL expression over the columns, as state = 'IL' AND rate > 20."),
  order: text("Names of columns with commas between them, each with desc after it where that is wanted."),
  limit: t.Optional(t.Integer({ minimum: 0, maximum: 2 ** 52 })),
  version: t.Optional(t.Integer({ minimum: 1, description: "The latest unless given." })),
  numbers,
});

const Row = t.Record(t.String(), t.Unknown());

/** The answer as JSON: rows, or with `?shape=full` rows with their columns and counts. */
const SqlResult = t.Union([
  t.Array(Row),
  closed({
    columns: t.Array(closed({ name: t.String(), type: t.String() })),
    rows: t.Array(Row),
    row_count: t.Integer({ minimum: 0 }),
    truncated: t.Boolean(),
    elapsed_ms: t.Number({ minimum: 0 }),
    query_id: t.String(),
  }),
]);

/** How results are answered, whatever asks for them. */
const answered = {
  refusals: [406, 408, 422, 429, 502],
  answerHeaders: {
    "x-lakehouse-query-id": "The query, as /sql/queries lists it.",
    "x-lakehouse-truncated": "`true` where `limit` left rows out.",
    "x-lakehouse-catalog": "`stale` where the catalog could not be asked for changes.",
  },
  produces: {
    "application/json": SqlResult,
    "application/x-ndjson": Binary,
    "text/csv": Binary,
    "application/vnd.apache.arrow.stream": Binary,
    "application/vnd.apache.parquet": Binary,
  },
} as const;

/** The table that observerd keeps: its name in SQL, and its columns. */
export const operationsTable = "observer.operations";
export const operationColumns = [
  { name: "id", type: "VARCHAR" },
  { name: "timestamp", type: "TIMESTAMP WITH TIME ZONE" },
  { name: "source", type: "VARCHAR" },
  { name: "endpoint", type: "VARCHAR" },
  { name: "success", type: "BOOLEAN" },
  { name: "duration_ms", type: "DOUBLE" },
  { name: "model", type: "VARCHAR" },
  { name: "run_id", type: "VARCHAR" },
  { name: "trace_uid", type: "VARCHAR" },
  { name: "error", type: "VARCHAR" },
  { name: "input_summary", type: "VARCHAR" },
  { name: "output_summary", type: "VARCHAR" },
  { name: "prompt_tokens", type: "BIGINT" },
  { name: "completion_tokens", type: "BIGINT" },
  { name: "cost_usd", type: "DOUBLE" },
  { name: "attributes", type: "JSON" },
] as const;
const partId = t.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9-]{0,199}$" });
const whole = t.Integer({ minimum: 0 });

export const queryd = contract("queryd", {
  sql: raw(["POST"], "/sql", {
    reads: true,
    summary:
      "Runs one reading statement over the registered datasets. Accept selects the format; results stream.",
    compressed: true,
    query: closed({
      shape,
      numbers,
    }),
    refusals: [406, 408, 422, 429, 502],
    answerHeaders: {
      "x-lakehouse-query-id": "The query, as /sql/queries lists it.",
      "x-lakehouse-truncated": "`true` where `limit` left rows out.",
      "x-lakehouse-catalog": "`stale` where the catalog could not be asked for changes.",
    },
    consumes: { "application/json": PartRequest },
    produces: {
      "application/json": SqlResult,
      "application/x-ndjson": Binary,
      "text/csv": Binary,
      "application/vnd.apache.arrow.stream": Binary,
      "application/vnd.apache.parquet": Binary,
      "application/vnd.lakehouse.postgres": Binary,
    },
  }),
  sqlByUrl: raw(["GET"], "/sql", {
    summary:
      "The same with the statement in the URL, for spreadsheets and dashboards. `format` selects the format where Accept cannot.",
    compressed: true,
    query: closed({
      sql: t.String({ minLength: 1, maxLength: 16_384 }),
      format: t.Optional(
        t.Union([
          t.Literal("csv"),
          t.Literal("json"),
          t.Literal("ndjson"),
          t.Literal("arrow"),
          t.Literal("parquet"),
        ]),
      ),
      as_of: SqlRequest.properties.as_of,
      timeout_ms: SqlRequest.properties.timeout_ms,
      limit: SqlRequest.properties.limit,
      shape,
      numbers,
    }),
    ...answered,
  }),
  datasetByUrl: raw(["GET"], "/datasets/:file", {
    summary:
      "Rows of a dataset or a view as a file, as /datasets/jobs.csv: csv, json, ndjson, arrow or parquet. The etag is of the versions that answer and of the question; where that asks for the time or for chance, there is none.",
    compressed: true,
    params: closed({
      file: t.String({
        maxLength: 300,
        description: "The name of the dataset or view and the format, as jobs.csv.",
      }),
    }),
    query: DatasetQuery,
    ...answered,
    statuses: [200, 206, 304],
    refusals: [...answered.refusals, 416],
    headers: {
      "if-none-match": "304 where the answer has this etag.",
      range: "`bytes=FIRST-LAST`: a span of a whole dataset as Parquet, where that is one file.",
      "if-range": "The etag that the span is of; all of it where it has another.",
    },
    answerHeaders: {
      ...answered.answerHeaders,
      etag: "Of what is asked and of the versions that answer it.",
      "accept-ranges": "`bytes`, where spans are sent.",
      "content-range": "The span that is sent, with 206.",
    },
  }),
  savedByUrl: raw(["GET"], "/queries/:name", {
    summary:
      "The rows of a saved query, as /queries/open_jobs.csv?state=IL: csv, json, ndjson, arrow or parquet, and its parameters by name. Without a format, the query itself; of either, `version` asks for an earlier one.",
    compressed: true,
    anyQuery: true,
    params: closed({
      name: t.String({ maxLength: 300, description: "The query's name and the format, as open_jobs.csv." }),
    }),
    query: closed({
      version: t.Optional(t.Integer({ minimum: 1, description: "The latest unless given." })),
      timeout_ms: SqlRequest.properties.timeout_ms,
      shape,
      numbers,
    }),
    ...answered,
    statuses: [200, 304],
    headers: { "if-none-match": "304 where the answer has this etag." },
    answerHeaders: {
      ...answered.answerHeaders,
      etag: "Of what is asked and of the versions that answer it; none where the statement asks for the time or for chance.",
    },
  }),
  ...keptStatements,
  functions: get("/sql/functions", {
    summary: "The functions that statements may use, by name: what editors offer.",
    reply: closed({
      functions: t.Array(
        closed({
          name: t.String(),
          kind: t.Union([
            t.Literal("scalar"),
            t.Literal("aggregate"),
            t.Literal("table"),
            t.Literal("macro"),
          ]),
          parameters: t.Array(t.String(), { description: "Of its shortest form." }),
          description: t.Optional(t.String()),
        }),
      ),
    }),
  }),
  queries: get("/sql/queries", {
    summary: "Queries under way and the latest that ended, newest first.",
    query: closed(pageFields),
    reply: closed({ queries: t.Array(Query), ...nextPage }),
  }),
  expressions: internal({
    reads: true,
    summary: "Throws `sql_error` unless each text is one SQL expression, as it may stand in a WHERE.",
    body: closed({ texts: t.Array(t.String({ minLength: 1, maxLength: 1_000_000 }), { maxItems: 16_384 }) }),
    reply: closed({}),
  }),
  describe: internal({
    reads: true,
    summary:
      "The columns of a statement and the types of its parameters, as far as it says what they must be, without running it.",
    body: closed({ sql: SqlRequest.properties.sql }),
    reply: closed({
      parameters: t.Record(t.String(), t.String()),
      columns: t.Array(closed({ name: t.String(), type: t.String() })),
      reads: t.Array(t.String()),
      /** The columns depend on parameters of which nothing says what they are: none are told. */
      open: t.Optional(t.Boolean()),
    }),
  }),
  wanted: internal({
    reads: true,
    summary: "For observerd: waits until a statement reads the operations; `ticket` says that one does.",
    body: closed({ wait_ms: t.Integer({ minimum: 0, maximum: 60_000 }) }),
    reply: closed({ ticket: t.Optional(whole) }),
  }),
  offered: internal({
    reads: true,
    summary:
      "For observerd: the parts of which the operations consist now, oldest first; it is told which are not here. Where none is missing, the statements up to the ticket go on.",
    body: closed({ ticket: whole, parts: t.Array(partId, { maxItems: 100_000 }) }),
    reply: closed({ missing: t.Array(t.String()) }),
  }),
  part: internal({
    reads: true,
    summary: "For observerd: one Parquet file of a part, in order; with `last` the part is whole.",
    body: closed({ id: partId, index: whole, bytes: Bytes, rows: whole, last: t.Boolean() }),
    reply: closed({}),
  }),
  interrupt: del("/sql/queries/:id", {
    resumable: "again",
    summary: "Interrupts a running query.",
    params: closed({ id: t.String({ maxLength: 64 }) }),
    reply: Query,
  }),
});
export type Queryd = typeof queryd;
