/**
 * CSV by RFC 4180 with LF line ends: a header, then the rows. NULL is an empty field, an empty text is `""`. Nested
 * values are their JSON, blobs base64; numbers are written in full, whatever their size, in the form they came in.
 * What ingestd reads of it has the same types and values: so a TIMESTAMP is written as SQL writes it, without a zone.
 */
import {
  type ByteSink,
  createSink,
  csvDoubleWriter,
  enumIndexAt,
  inlineBytesMax,
  isNested,
  isValid,
  jsonWriter,
  longFrom,
  memoryOf,
  numberWriter,
  plainWriter,
  reserve,
  shortestWriter,
  takeBytes,
  type Vector,
  type Write,
  wallClockWriter,
  writeAscii,
  writeByte,
} from "../values/values.ts";
import type { ResultFormat } from "./format.ts";
import type { TextForm } from "./number-forms.ts";

const quote = 0x22;
const comma = 0x2c;
const lineEnd = 0x0a;
const carriageReturn = 0x0d;

export const csv: ResultFormat = {
  mediaType: "text/csv",
  contentType: "text/csv; charset=utf-8; header=present",
  open: (columns, { forms = [] }) => {
    const sink = createSink();
    columns.forEach(({ name }, at) => {
      if (at > 0) writeByte(sink, comma);
      writeField(sink, Buffer.from(name));
    });
    writeByte(sink, lineEnd);
    return {
      add: (batch) => {
        const writers = batch.columns.map((vector, at) => fieldWriter(vector, forms[at]));
        for (let row = 0; row < batch.rows; row++) {
          for (let at = 0; at < writers.length; at++) {
            if (at > 0) writeByte(sink, comma);
            (writers[at] as Write)(sink, row);
          }
          writeByte(sink, lineEnd);
        }
      },
      finish: () => {},
      pending: () => sink.length,
      take: () => (sink.length > 0 ? takeBytes(sink) : null),
    };
  },
};

function fieldWriter(vector: Vector, form: TextForm | undefined): Write {
  const write = valueWriter(vector, form);
  if (vector.valid === null) return write;
  return (sink, row) => {
    if (isValid(vector, row)) write(sink, row);
  };
}

function valueWriter(vector: Vector, form: TextForm | undefined): Write {
  const { type } = vector;
  const number = formedWriter(vector, form) ?? numberWriter(vector, false);
  if (number) return number;
  if (type.kind === "boolean")
    return (sink, row) => writeAscii(sink, vector.data.getUint8(row) === 0 ? "false" : "true");
  if (type.kind === "text" || type.kind === "json") return textWriter(vector);
  if (type.kind === "enum") {
    const values = type.values.map((value) => Buffer.from(value));
    return (sink, row) => writeField(sink, values[enumIndexAt(vector, row)] as Uint8Array);
  }
  if (isNested(type)) return nestedWriter(vector);
  const write = plainWriter(vector);
  if (!write) throw new Error(`no CSV form for ${type.name}`);
  return write;
}

/** Numbers in a form that is recorded, and timestamps that have no zone. */
function formedWriter(vector: Vector, form: TextForm | undefined): Write | undefined {
  const { type, data } = vector;
  if (type.kind === "timestamp" && !type.zoned) return wallClockWriter(vector, type);
  if (type.kind === "double") return csvDoubleWriter(data, form === "fixed");
  const write = type.kind === "decimal" && form === "shortest" ? plainWriter(vector) : undefined;
  return write && shortestWriter(write);
}

function textWriter(vector: Vector): Write {
  const { data } = vector;
  const memory = memoryOf(vector);
  return (sink, row) => {
    const length = data.getUint32(row * 16, true);
    if (length <= inlineBytesMax) writeField(sink, memory, row * 16 + 4, length);
    else writeField(sink, vector.longMemory(row), longFrom(data, row), length);
  };
}

function nestedWriter(vector: Vector): Write {
  const write = jsonWriter(vector);
  const inside = createSink();
  return (sink, row) => {
    inside.length = 0;
    write(inside, row);
    writeField(sink, inside.bytes.subarray(0, inside.length));
  };
}

/** Quoted where it must be, and where it is empty: an unquoted empty field is NULL. */
function writeField(sink: ByteSink, source: Uint8Array, from = 0, length = source.length): void {
  reserve(sink, length * 2 + 2);
  const { bytes } = sink;
  let at = sink.length;
  const quoted = needsQuotes(source, from, length);
  if (quoted) bytes[at++] = quote;
  for (let index = from; index < from + length; index++) {
    const byte = source[index] as number;
    if (byte === quote) bytes[at++] = quote;
    bytes[at++] = byte;
  }
  if (quoted) bytes[at++] = quote;
  sink.length = at;
}

function needsQuotes(source: Uint8Array, from: number, length: number): boolean {
  for (let at = from; at < from + length; at++) {
    const byte = source[at];
    if (byte === comma || byte === quote || byte === lineEnd || byte === carriageReturn) return true;
  }
  return length === 0;
}
