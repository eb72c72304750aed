/** What a child process with DuckDB does for one query: the contract between it and `engine.ts`. */
import { type Static, Type } from "@sinclair/typebox";
import { Bytes, closed, contract, internal, t } from "../../../runtime/contract/contract.ts";
import type { PostgresRows } from "../postgres/postgres.ts";
import type { RecordedForms } from "../results/results.ts";
import type { GivenParameters } from "../statements/statements.ts";
import type { Column } from "../values/values.ts";
import type { EngineSettings } from "./settings.ts";

/** What a child is started with. */
export interface EngineInit extends Omit<EngineSettings, "tempDirectory"> {
  /** Statements that make what every query finds: schemas, guards, views of ours. */
  first: readonly string[];
}

/** DuckDB's error, with its kind and the byte of its place in the statement. */
const Refused = closed({
  refused: closed({ kind: t.String(), message: t.String(), position: t.Optional(t.Integer()) }),
});
/** The rows ended before their end marker: something failed, and DuckDB does not say what. */
const CutShort = closed({ cutShort: t.Literal(true) });
/** A part of a result as bytes of its format. */
const Piece = closed({
  bytes: t.Optional(Bytes),
  /** Rows in these bytes. */
  rows: t.Integer(),
  done: t.Boolean(),
  /** There were more rows than `limit`; known when done. */
  truncated: t.Boolean(),
});
export type Piece = Static<typeof Piece>;
export type Failure = Static<typeof Refused> | Static<typeof CutShort>;

/** Types as SQL writes them; of a parameter by its name, absent where nothing says what it must be. */
const Described = closed({
  parameters: t.Record(t.String(), t.String()),
  columns: t.Array(closed({ name: t.String(), type: t.String() })),
  /** Its columns depend on parameters of which nothing says what they are: none are told. */
  open: t.Optional(t.Boolean()),
});
export type Described = Static<typeof Described>;

const params = t.Optional(Type.Unsafe<GivenParameters>(Type.Unknown()));
const done = closed({ done: t.Literal(true) });

const RunRequest = closed({
  sql: t.String(),
  params,
  /** With the end marker, as a stream; else buffered. */
  marked: t.Boolean(),
  /** Of a buffered result: with more rows than these nothing is answered but `tooMany`. */
  rowsMax: t.Optional(t.Integer()),
  format: t.Union([
    t.Literal("json"),
    t.Literal("ndjson"),
    t.Literal("csv"),
    t.Literal("arrow"),
    t.Literal("postgres"),
  ]),
  limit: t.Optional(t.Integer()),
  full: t.Boolean(),
  numbers: t.Union([t.Literal("json"), t.Literal("string")]),
  /** How numbers were written where they came as text. */
  forms: t.Optional(Type.Unsafe<RecordedForms>(Type.Unknown())),
  postgres: t.Optional(Type.Unsafe<PostgresRows>(Type.Unknown())),
  queryId: t.String(),
  /** Since the query arrived, in milliseconds. */
  elapsedMs: t.Number(),
});
export type RunRequest = Static<typeof RunRequest>;

export const queryEngine = contract("DuckDB of queryd", {
  describe: internal({
    summary: "The types of a marked statement's parameters and its columns, without running it.",
    body: closed({ sql: t.String() }),
    reply: t.Union([Described, Refused]),
  }),
  execute: internal({
    summary: "Runs statements of the service itself, one after the other.",
    body: closed({ statements: t.Array(t.String()) }),
    reply: t.Union([done, Refused]),
  }),
  bind: internal({
    summary: "Binds a statement of the service itself without running it.",
    body: closed({ sql: t.String() }),
    reply: t.Union([done, Refused]),
  }),
  rows: internal({
    summary: "Runs a statement to its end; few rows, as text.",
    body: closed({ sql: t.String(), params }),
    reply: t.Union([closed({ rows: t.Array(t.Array(t.String())) }), Refused]),
  }),
  columns: internal({
    summary: "The columns of a marked statement that gives no rows.",
    body: closed({ sql: t.String(), params }),
    reply: t.Union([closed({ columns: Type.Unsafe<readonly Column[]>(Type.Unknown()) }), Refused, CutShort]),
  }),
  run: internal({
    summary: "Runs a query and gives the first part of its result; what ran before is ended.",
    body: RunRequest,
    reply: t.Union([Piece, closed({ tooMany: t.Literal(true) }), Refused, CutShort]),
  }),
  next: internal({
    summary: "The next part of the result.",
    body: closed({}),
    reply: t.Union([Piece, Refused, CutShort]),
  }),
  end: internal({ summary: "Lets go of the result.", body: closed({}), reply: done }),
  limit: internal({
    summary: "Bounds its memory and its temporary files anew, in bytes.",
    body: closed({ memoryBytes: t.Integer(), tempBytes: t.Integer() }),
    reply: done,
  }),
});
export type QueryEngine = typeof queryEngine;
