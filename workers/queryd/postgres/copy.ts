/** What COPY … TO STDOUT answers with: a line or a tuple in each CopyData message. */
import { message, type PostgresType } from "../../../runtime/postgres/postgres.ts";
import { type Batch, type ByteSink, createSink, reserve, writeByte, writeBytes } from "../values/values.ts";
import { setInt32, writeSized } from "./arrays.ts";
import { writeInt16, writeInt32 } from "./integers.ts";
import { type ValueWriter, valueWriter } from "./value-writers.ts";

/** The options of COPY; characters are one byte each. */
export interface Copy {
  format: "text" | "csv" | "binary";
  delimiter: string;
  null: string;
  header: boolean;
  quote: string;
  escape: string;
}

const letterData = 0x64;
const lineEnd = 0x0a;
/** The file header of COPY's binary format, with no flags and no extension. */
const signature = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");

/** CopyOutResponse, and what stands before the rows. */
export function copyHead(names: readonly string[], copy: Copy): Uint8Array {
  const format = copy.format === "binary" ? 1 : 0;
  const facts = Buffer.alloc(3 + 2 * names.length);
  facts.writeUInt8(format, 0);
  facts.writeUInt16BE(names.length, 1);
  for (const at of names.keys()) facts.writeUInt16BE(format, 3 + 2 * at);
  const response = message("H", facts);
  if (format === 1) return response;
  return copy.header ? Buffer.concat([response, message("d", headerLine(names, copy))]) : response;
}

function headerLine(names: readonly string[], copy: Copy): Uint8Array {
  const sink = createSink();
  const write = fieldWriter(copy);
  for (const [at, name] of names.entries()) {
    if (at > 0) writeBytes(sink, Buffer.from(copy.delimiter));
    write(sink, Buffer.from(name));
  }
  writeByte(sink, lineEnd);
  return sink.bytes.slice(0, sink.length);
}

/** The trailer of binary, with the header where no row came; others have none. */
export function copyTail({ format }: Copy, rows: number): Uint8Array {
  if (format !== "binary") return new Uint8Array();
  const trailer = Uint8Array.of(0xff, 0xff);
  return message("d", rows === 0 ? Buffer.concat([signature, trailer]) : trailer);
}

export function copyRows(types: readonly PostgresType[], copy: Copy) {
  const writeRow = copy.format === "binary" ? writeTuple : lineWriter(copy);
  // As PostgreSQL sends it, which some clients go by: in one message with the first tuple.
  let before: Uint8Array = copy.format === "binary" ? signature : new Uint8Array();
  return (sink: ByteSink, batch: Batch): void => {
    const format = copy.format === "binary" ? 1 : 0;
    const writers = batch.columns.map((vector, at) => valueWriter(vector, types[at] as PostgresType, format));
    for (let row = 0; row < batch.rows; row++) {
      writeByte(sink, letterData);
      const from = sink.length;
      writeInt32(sink, 0);
      if (before.length > 0) writeBytes(sink, before);
      before = new Uint8Array();
      writeRow(sink, writers, row);
      setInt32(sink, from, sink.length - from);
    }
  };
}

function writeTuple(sink: ByteSink, writers: readonly ValueWriter[], row: number): void {
  writeInt16(sink, writers.length);
  for (const { isNull, write } of writers) {
    if (isNull(row)) writeInt32(sink, -1);
    else writeSized(sink, row, write);
  }
}

function lineWriter(copy: Copy) {
  const [delimiter, nothing] = [Buffer.from(copy.delimiter), Buffer.from(copy.null)];
  const writeField = fieldWriter(copy);
  const inside = createSink();
  return (sink: ByteSink, writers: readonly ValueWriter[], row: number): void => {
    for (let at = 0; at < writers.length; at++) {
      if (at > 0) writeBytes(sink, delimiter);
      const { isNull, write } = writers[at] as ValueWriter;
      if (isNull(row)) {
        writeBytes(sink, nothing);
        continue;
      }
      inside.length = 0;
      write(inside, row);
      writeField(sink, inside.bytes.subarray(0, inside.length));
    }
    writeByte(sink, lineEnd);
  };
}

type FieldWriter = (sink: ByteSink, value: Uint8Array) => void;

const fieldWriter = (copy: Copy): FieldWriter => (copy.format === "csv" ? csvField(copy) : textField(copy));

/** The letters that follow a backslash, by the byte they stand for. */
const escapes = new Map([
  [0x08, 0x62],
  [0x0c, 0x66],
  [0x0a, 0x6e],
  [0x0d, 0x72],
  [0x09, 0x74],
  [0x0b, 0x76],
  [0x5c, 0x5c],
]);

function textField({ delimiter }: Copy): FieldWriter {
  const separator = delimiter.charCodeAt(0);
  return (sink, value) => {
    reserve(sink, value.length * 2);
    for (const byte of value) {
      const letter = escapes.get(byte) ?? (byte === separator ? byte : undefined);
      if (letter !== undefined) sink.bytes[sink.length++] = 0x5c;
      sink.bytes[sink.length++] = letter ?? byte;
    }
  };
}

/** Quoted where it must be, and where it would be taken for NULL. */
function csvField(copy: Copy): FieldWriter {
  const { null: nothing } = copy;
  const [separator, mark, before] = [copy.delimiter, copy.quote, copy.escape].map((one) =>
    one.charCodeAt(0),
  ) as [number, number, number];
  const special = new Set([separator, mark, before, lineEnd, 0x0d]);
  const nothingBytes = Buffer.from(nothing);
  return (sink, value) => {
    const isQuoted = nothingBytes.equals(value) || value.some((byte) => special.has(byte));
    if (!isQuoted) return writeBytes(sink, value);
    writeByte(sink, mark);
    for (const byte of value) {
      if (byte === mark || byte === before) writeByte(sink, before);
      writeByte(sink, byte);
    }
    writeByte(sink, mark);
  };
}
