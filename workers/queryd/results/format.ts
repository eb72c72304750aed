/** What a result can be sent as. One file a format; a conformance suite holds all of them to the same rules. */

import type { PostgresRows } from "../postgres/postgres.ts";
import type { Batch, Column, Numbers } from "../values/values.ts";
import type { TextForm } from "./number-forms.ts";

export interface ResultSummary {
  rows: number;
  /** There were more rows than `limit`. */
  truncated: boolean;
  elapsedMs: number;
}

/** Turns the batches of one result into bytes, in order. */
export interface ResultEncoder {
  add: (batch: Batch) => void;
  /** Called once, after the last batch of a complete result. */
  finish: (summary: ResultSummary) => void;
  /** Bytes written and not taken yet. */
  pending: () => number;
  /** The bytes so far; null when there are none. They stay valid. */
  take: () => Uint8Array | null;
}

/** What a format may say or take account of beside the rows. */
interface About {
  queryId: string;
  /** With columns and a summary. */
  full: boolean;
  numbers: Numbers;
  /** By column: how its numbers were written where they came as text. */
  forms?: readonly (TextForm | undefined)[];
  /** How a client of PostgreSQL wants its rows. */
  postgres?: PostgresRows;
}

export interface ResultFormat {
  mediaType: string;
  /** The media type with its parameters, as the answer carries it. */
  contentType: string;
  /** Throws `sql_error` for a column the format has no form for. */
  open: (columns: readonly Column[], about: About) => ResultEncoder;
}
