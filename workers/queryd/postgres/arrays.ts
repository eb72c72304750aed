/** Lists and arrays of scalars as PostgreSQL writes arrays of one dimension. */
import type { PostgresType } from "../../../runtime/postgres/postgres.ts";
import {
  type ByteSink,
  createSink,
  isValid,
  reserve,
  spanAt,
  type Vector,
  type Write,
  writeAscii,
  writeByte,
  writeBytes,
} from "../values/values.ts";
import { writeInt32 } from "./integers.ts";

type Writer = (vector: Vector, type: PostgresType) => Write;

/** Where the items of a row lie in the child. */
function spanOf(vector: Vector): (row: number) => { offset: number; length: number } {
  const { type } = vector;
  if (type.kind !== "array") return (row) => spanAt(vector, row);
  return (row) => ({ offset: row * type.length, length: type.length });
}

/** `{1,NULL,"a b"}` */
export function arrayText(vector: Vector, item: PostgresType, writer: Writer): Write {
  const child = vector.children[0] as Vector;
  const span = spanOf(vector);
  const write = writer(child, item);
  const inside = createSink();
  const isPlain = /^(bool|int\d|float\d|numeric|uuid|date)$/.test(item.form);
  return (sink, row) => {
    const { offset, length } = span(row);
    writeByte(sink, 0x7b);
    for (let at = offset; at < offset + length; at++) {
      if (at > offset) writeByte(sink, 0x2c);
      if (!isValid(child, at)) writeAscii(sink, "NULL");
      else if (isPlain) write(sink, at);
      else {
        inside.length = 0;
        write(inside, at);
        writeItem(sink, inside.bytes.subarray(0, inside.length));
      }
    }
    writeByte(sink, 0x7d);
  };
}

const quote = 0x22;
const backslash = 0x5c;
/** Characters because of which an item is put into quotes: `{},"\` and blanks. */
const special = new Set([0x7b, 0x7d, 0x2c, quote, backslash, 0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]);

function writeItem(sink: ByteSink, bytes: Uint8Array): void {
  const isNullWord = bytes.length === 4 && /^null$/i.test(Buffer.from(bytes).toString("latin1"));
  if (bytes.length > 0 && !isNullWord && !bytes.some((byte) => special.has(byte))) {
    writeBytes(sink, bytes);
    return;
  }
  reserve(sink, bytes.length * 2 + 2);
  writeByte(sink, quote);
  for (const byte of bytes) {
    if (byte === quote || byte === backslash) writeByte(sink, backslash);
    writeByte(sink, byte);
  }
  writeByte(sink, quote);
}

/** Dimensions, whether there are NULLs, the items' type; then length and first index; then each item with its length. */
export function arrayBinary(vector: Vector, item: PostgresType, writer: Writer): Write {
  const child = vector.children[0] as Vector;
  const span = spanOf(vector);
  const write = writer(child, item);
  return (sink, row) => {
    const { offset, length } = span(row);
    let nulls = 0;
    for (let at = offset; at < offset + length; at++) if (!isValid(child, at)) nulls = 1;
    writeInt32(sink, length === 0 ? 0 : 1);
    writeInt32(sink, nulls);
    writeInt32(sink, item.oid);
    if (length === 0) return;
    writeInt32(sink, length);
    writeInt32(sink, 1);
    for (let at = offset; at < offset + length; at++) {
      if (isValid(child, at)) writeSized(sink, at, write);
      else writeInt32(sink, -1);
    }
  };
}

/** The value with its length in front. */
export function writeSized(sink: ByteSink, row: number, write: Write): void {
  writeInt32(sink, 0);
  const from = sink.length;
  write(sink, row);
  setInt32(sink, from - 4, sink.length - from);
}

export function setInt32({ bytes }: ByteSink, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
