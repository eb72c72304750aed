/** What a child process with DuckDB does for one ingest: the contract between it and `session.ts`. */
import { type Static, Type } from "@sinclair/typebox";
import { closed, contract, internal, t } from "../../../runtime/contract/contract.ts";

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type EngineRow = Record<string, Value>;

/** A type with its parts: `child` of a list, `fields` of a struct, `key` and `child` of a map. */
export interface Shape {
  fields?: { name: string; shape: Shape }[];
  key?: Shape;
  child?: Shape;
}

export interface Described {
  name: string;
  /** As DuckDB writes it, such as DECIMAL(18,2). */
  type: string;
  shape: Shape;
}

/** DuckDB's words when it refused a statement; `broken` when it takes no more of them. */
const Refusal = closed({ refused: t.String(), broken: t.Boolean() });
export type Refusal = Static<typeof Refusal>;

const OpenRequest = closed({
  /** 0: one a core. */
  threads: t.Integer({ minimum: 0 }),
  memoryBytes: t.Integer({ minimum: 1 }),
  /** Whether statements report their progress, which costs them a fortieth of their time. */
  measured: t.Boolean(),
});
export type OpenRequest = Static<typeof OpenRequest>;

export const ingestEngine = contract("DuckDB of ingestd", {
  open: internal({ summary: "Begins anew on a connection of its own.", body: OpenRequest, reply: t.Null() }),
  run: internal({
    summary: "Runs one statement; integers of 64 bits and more come as text.",
    body: closed({ sql: t.String() }),
    reply: t.Union([closed({ rows: Type.Unsafe<EngineRow[]>(Type.Unknown()) }), Refusal]),
  }),
  describe: internal({
    summary: "The columns that a query gives.",
    body: closed({ query: t.String() }),
    reply: t.Union([closed({ columns: Type.Unsafe<Described[]>(Type.Unknown()) }), Refusal]),
  }),
  progress: internal({
    summary: "Share of the running statement that is done, 0 to 1, where DuckDB knows it.",
    body: closed({}),
    reply: closed({ share: t.Optional(t.Number()) }),
  }),
  limit: internal({
    summary: "Bounds its memory anew.",
    body: closed({ memoryBytes: t.Integer({ minimum: 1 }) }),
    reply: t.Null(),
  }),
});
export type IngestEngine = typeof ingestEngine;
