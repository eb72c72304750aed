/**
 * DuckDB values as JSON. The form of a value depends on its type and on what the caller asked for, never on the value:
 * a reader that learns a column's type from the first rows is right about the others. NaN and infinities alone are
 * strings among numbers, for JSON has no others.
 */
import { type ByteSink, reserve, writeAscii, writeByte, writeBytes, writeText } from "./byte-sink.ts";
import type { ColumnType, TypeOf } from "./column-type.ts";
import { isLong, type Numbers, numberWriter } from "./number-writer.ts";
import { plainWriter, type Write } from "./plain-writer.ts";
import { inlineBytesMax, isValid, longFrom, memoryOf, spanAt, textAt, type Vector } from "./vector.ts";

const quote = 0x22;
const backslash = 0x5c;

/** A writer for any row of the vector, NULL included. */
export function jsonWriter(vector: Vector, numbers: Numbers = "json"): Write {
  const write = jsonValueWriter(vector, numbers);
  if (vector.valid === null) return write;
  return (sink, row) => {
    if (isValid(vector, row)) write(sink, row);
    else writeAscii(sink, "null");
  };
}

function jsonValueWriter(vector: Vector, numbers: Numbers): Write {
  const { type } = vector;
  const number = numberWriter(vector, true);
  if (number) return numbers === "string" && isLong(type) ? quoted(number) : number;
  switch (type.kind) {
    case "boolean":
      return (sink, row) => writeAscii(sink, vector.data.getUint8(row) === 0 ? "false" : "true");
    case "text":
      return textWriter(vector);
    case "json":
      return (sink, row) => writeJson(sink, textAt(vector, row));
    case "enum":
      return enumWriter(vector, type);
    case "list":
    case "array":
      return listWriter(vector, numbers);
    case "map":
      return mapWriter(vector, type, numbers);
    case "struct":
      return structWriter(vector, type, numbers);
    case "union":
      return unionWriter(vector, type, numbers);
    default:
      return quotedPlain(vector);
  }
}

const quotedPlain = (vector: Vector): Write => {
  const write = plainWriter(vector);
  if (!write) throw new Error(`no JSON form for ${vector.type.name}`);
  return quoted(write);
};

const quoted =
  (write: Write): Write =>
  (sink, row) => {
    writeByte(sink, quote);
    write(sink, row);
    writeByte(sink, quote);
  };

/** The index of an enum's value in its dictionary. */
export function enumIndexAt({ data, type }: Vector, row: number): number {
  const { bytes } = type as TypeOf<"enum">;
  if (bytes === 1) return data.getUint8(row);
  return bytes === 2 ? data.getUint16(row * 2, true) : data.getUint32(row * 4, true);
}

function enumWriter(vector: Vector, { values }: TypeOf<"enum">): Write {
  const texts = values.map((value) => Buffer.from(JSON.stringify(value)));
  return (sink, row) => writeBytes(sink, texts[enumIndexAt(vector, row)] as Uint8Array);
}

function listWriter(vector: Vector, numbers: Numbers): Write {
  const { type, children } = vector;
  const item = jsonWriter(children[0] as Vector, numbers);
  return (sink, row) => {
    const { offset, length } =
      type.kind === "array" ? { offset: row * type.length, length: type.length } : spanAt(vector, row);
    writeByte(sink, 0x5b);
    for (let at = 0; at < length; at++) {
      if (at > 0) writeByte(sink, 0x2c);
      item(sink, offset + at);
    }
    writeByte(sink, 0x5d);
  };
}

/** Field names as they stand in an object: `"name":`, with the comma before all but the first. */
export const keysOf = (names: readonly string[]): Uint8Array[] =>
  names.map((name, at) => Buffer.from(`${at > 0 ? "," : ""}${JSON.stringify(name)}:`));

/** An object; the fields of `row(1, 'x')` have no names and become a list. */
function structWriter({ children }: Vector, { fields }: TypeOf<"struct">, numbers: Numbers): Write {
  const isList = fields.every(({ name }) => name === "");
  const keys = isList
    ? fields.map((_, at) => Buffer.from(at > 0 ? "," : ""))
    : keysOf(fields.map(({ name }) => name));
  const writers = children.map((child) => jsonWriter(child, numbers));
  return (sink, row) => {
    writeByte(sink, isList ? 0x5b : 0x7b);
    for (let at = 0; at < writers.length; at++) {
      writeBytes(sink, keys[at] as Uint8Array);
      (writers[at] as Write)(sink, row);
    }
    writeByte(sink, isList ? 0x5d : 0x7d);
  };
}

/** One member, as an object with its tag: {"tag": value}. */
function unionWriter({ children }: Vector, { fields }: TypeOf<"union">, numbers: Numbers): Write {
  const tags = children[0] as Vector;
  const keys = fields.map(({ name }) => Buffer.from(`{${JSON.stringify(name)}:`));
  const members = children.slice(1).map((child) => jsonWriter(child, numbers));
  return (sink, row) => {
    const tag = tags.data.getUint8(row);
    writeBytes(sink, keys[tag] as Uint8Array);
    (members[tag] as Write)(sink, row);
    writeByte(sink, 0x7d);
  };
}

const keyIsText = ({ kind }: ColumnType): boolean => kind === "text" || kind === "enum";

/**
 * Text keys give an object; keys of any other type a list of {"key", "value"}, which keeps their type. A map that has
 * a key twice, as only files make them, is a list too: an object would lose one.
 */
function mapWriter(vector: Vector, { key }: TypeOf<"map">, numbers: Numbers): Write {
  const [keys, values] = vector.children.map((child) => jsonWriter(child, numbers)) as [Write, Write];
  const writeList: Write = (sink, row) => {
    const { offset, length } = spanAt(vector, row);
    writeByte(sink, 0x5b);
    for (let at = offset; at < offset + length; at++) {
      writeAscii(sink, at > offset ? ',{"key":' : '{"key":');
      keys(sink, at);
      writeAscii(sink, ',"value":');
      values(sink, at);
      writeByte(sink, 0x7d);
    }
    writeByte(sink, 0x5d);
  };
  if (!keyIsText(key)) return writeList;
  return (sink, row) => {
    const { offset, length } = spanAt(vector, row);
    const start = sink.length;
    const seen = new Set<string>();
    writeByte(sink, 0x7b);
    for (let at = offset; at < offset + length; at++) {
      if (at > offset) writeByte(sink, 0x2c);
      const from = sink.length;
      keys(sink, at);
      if (length > 1) seen.add(Buffer.from(sink.bytes.subarray(from, sink.length)).toString("latin1"));
      writeByte(sink, 0x3a);
      values(sink, at);
    }
    writeByte(sink, 0x7d);
    if (length > 1 && seen.size < length) {
      sink.length = start;
      writeList(sink, row);
    }
  };
}

/** Short text is read where it lies in the vector: an object for each value would cost more than its bytes. */
function textWriter(vector: Vector): Write {
  const { data } = vector;
  const memory = memoryOf(vector);
  return (sink, row) => {
    const length = data.getUint32(row * 16, true);
    if (length <= inlineBytesMax) writeJsonString(sink, memory, row * 16 + 4, length);
    else writeJsonString(sink, vector.longMemory(row), longFrom(data, row), length);
  };
}

/** A JSON column is nested as it is; text that is no JSON, as a file may hold it, becomes a string. */
function writeJson(sink: ByteSink, text: string): void {
  try {
    JSON.parse(text);
  } catch {
    writeText(sink, JSON.stringify(text));
    return;
  }
  // Line ends stand between tokens only; NDJSON needs them gone.
  writeText(sink, text.replace(/[\r\n]+/g, " "));
}

const hex = Buffer.from("0123456789abcdef");
const short = new Map([
  [0x08, 0x62],
  [0x09, 0x74],
  [0x0a, 0x6e],
  [0x0c, 0x66],
  [0x0d, 0x72],
]);

/** A JSON string of UTF-8 bytes, which DuckDB guarantees for text. */
function writeJsonString(sink: ByteSink, source: Uint8Array, from: number, length: number): void {
  // At worst each byte becomes six: \u001f.
  reserve(sink, length * 6 + 2);
  const { bytes } = sink;
  let at = sink.length;
  bytes[at++] = quote;
  for (let index = from; index < from + length; index++) {
    const byte = source[index] as number;
    if (byte >= 0x20 && byte !== quote && byte !== backslash) bytes[at++] = byte;
    else at = writeEscape(bytes, at, byte);
  }
  bytes[at++] = quote;
  sink.length = at;
}

function writeEscape(bytes: Uint8Array, at: number, byte: number): number {
  bytes[at] = backslash;
  const letter = byte >= 0x20 ? byte : short.get(byte);
  if (letter !== undefined) {
    bytes[at + 1] = letter;
    return at + 2;
  }
  bytes.set([0x75, 0x30, 0x30, hex[byte >> 4] as number, hex[byte & 15] as number], at + 1);
  return at + 6;
}
