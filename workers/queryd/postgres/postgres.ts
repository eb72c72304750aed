/**
 * Rows as messages of PostgreSQL's protocol: RowDescription, a DataRow each, CommandComplete; or what COPY … TO STDOUT
 * answers with. They are passed on as they are.
 */
import {
  commandComplete,
  message,
  type PostgresType,
  postgresType,
  rowDescription,
} from "../../../runtime/postgres/postgres.ts";
import {
  type Batch,
  type ByteSink,
  type Column,
  createSink,
  takeBytes,
  writeByte,
} from "../values/values.ts";
import { setInt32, writeSized } from "./arrays.ts";
import { type Copy, copyHead, copyRows, copyTail } from "./copy.ts";
import { formatsOf } from "./formats-of.ts";
import { writeInt16, writeInt32 } from "./integers.ts";
import { type ValueWriter, valueWriter } from "./value-writers.ts";

/** How a client wants its rows. */
export interface PostgresRows {
  /** 0 for text, 1 for binary: none for text alone, one for all columns, or one a column. */
  formats?: readonly number[];
  copy?: Copy;
}

interface About {
  postgres?: PostgresRows;
}
interface Summary {
  rows: number;
}

export const postgresMediaType = "application/vnd.lakehouse.postgres";

/** Writes the rows of a batch. */
export type RowsWriter = (sink: ByteSink, batch: Batch) => void;

export const postgres = {
  mediaType: postgresMediaType,
  contentType: postgresMediaType,
  open: (columns: readonly Column[], { postgres: { formats = [], copy } = {} }: About) => {
    const sink = createSink();
    const types = columns.map(({ type }) => postgresType(type.name));
    const names = columns.map(({ name }) => name);
    const writeRows = copy ? copyRows(types, copy) : dataRows(types, formatsOf(formats, columns.length));
    const head = copy ? copyHead(names, copy) : rowDescription(describedColumns(columns), formats);
    append(sink, head);
    return {
      add: (batch: Batch) => writeRows(sink, batch),
      finish: ({ rows }: Summary) => {
        if (copy) append(sink, copyTail(copy, rows));
        if (copy) append(sink, message("c"));
        append(sink, commandComplete(`${copy ? "COPY" : "SELECT"} ${rows}`));
      },
      pending: () => sink.length,
      take: () => (sink.length > 0 ? takeBytes(sink) : null),
    };
  },
};

export const describedColumns = (columns: readonly { name: string; type: { name: string } }[]) =>
  columns.map(({ name, type }) => ({ name, type: postgresType(type.name) }));

function append(sink: ByteSink, bytes: Uint8Array): void {
  for (const byte of bytes) writeByte(sink, byte);
}

const letterD = 0x44;

/** DataRow: the number of values, then each with its length, which is -1 for NULL. */
function dataRows(types: readonly PostgresType[], formats: readonly number[]): RowsWriter {
  return (sink, batch) => {
    const writers = writersOf(batch, types, formats);
    for (let row = 0; row < batch.rows; row++) {
      writeByte(sink, letterD);
      const from = sink.length;
      writeInt32(sink, 0);
      writeInt16(sink, writers.length);
      for (let at = 0; at < writers.length; at++) {
        const { isNull, write } = writers[at] as ValueWriter;
        if (isNull(row)) writeInt32(sink, -1);
        else writeSized(sink, row, write);
      }
      setInt32(sink, from, sink.length - from);
    }
  };
}

const writersOf = (batch: Batch, types: readonly PostgresType[], formats: readonly number[]): ValueWriter[] =>
  batch.columns.map((vector, at) => valueWriter(vector, types[at] as PostgresType, formats[at] ?? 0));
