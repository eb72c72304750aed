/**
 * DuckDB values as JSON. Integers beyond 2^53, decimals of more digits than a double holds, HUGEINT, NaN and
 * infinities are strings: a reader that parses numbers as doubles, as most do, loses nothing.
 */
import {
  type ByteSink,
  reserve,
  writeAscii,
  writeByte,
  writeBytes,
  writeInteger,
  writeText,
} from "./byte-sink.ts";
import type { ColumnType, TypeOf } from "./column-type.ts";
import { floatText, plainText, type TextOf, unscaledAt } from "./value-text.ts";
import { inlineBytesMax, isValid, memoryOf, spanAt, textAt, type Vector } from "./vector.ts";

/** Writes the value of a row that is not NULL. */
export type Write = (sink: ByteSink, row: number) => void;

const quote = 0x22;
const backslash = 0x5c;

/** A writer for any row of the vector, NULL included. */
export function jsonWriter(vector: Vector): Write {
  const write = jsonValueWriter(vector);
  if (vector.valid === null) return write;
  return (sink, row) => {
    if (isValid(vector, row)) write(sink, row);
    else writeAscii(sink, "null");
  };
}

function jsonValueWriter(vector: Vector): Write {
  const { type } = vector;
  const number = numberWriter(vector, true);
  if (number) return number;
  switch (type.kind) {
    case "boolean":
      return (sink, row) => writeAscii(sink, vector.data.getUint8(row) === 0 ? "false" : "true");
    case "text":
      return textWriter(vector);
    case "json":
      return (sink, row) => writeJson(sink, textAt(vector, row));
    case "enum":
      return enumWriter(vector, type);
    case "decimal":
      return decimalWriter(vector);
    case "list":
    case "array":
      return listWriter(vector);
    case "map":
      return mapWriter(vector, type);
    case "struct":
      return structWriter(
        vector,
        type.fields.map(({ name }) => name),
      );
    case "union":
      return unionWriter(vector, type);
    default:
      return quotedWriter(plainText(vector), type);
  }
}

const quotedWriter = (text: TextOf | undefined, type: ColumnType): Write => {
  if (!text) throw new Error(`no JSON form for ${type.name}`);
  return (sink, row) => writeAscii(sink, `"${text(row)}"`);
};

/** A writer for integers and floating-point numbers; in JSON, what is no JSON number is quoted. */
export function numberWriter({ type, data }: Vector, json: boolean): Write | undefined {
  switch (type.kind) {
    case "int8":
      return (sink, row) => writeInteger(sink, data.getInt8(row));
    case "uint8":
      return (sink, row) => writeInteger(sink, data.getUint8(row));
    case "int16":
      return (sink, row) => writeInteger(sink, data.getInt16(row * 2, true));
    case "uint16":
      return (sink, row) => writeInteger(sink, data.getUint16(row * 2, true));
    case "int32":
      return (sink, row) => writeInteger(sink, data.getInt32(row * 4, true));
    case "uint32":
      return (sink, row) => writeInteger(sink, data.getUint32(row * 4, true));
    case "int64":
    case "uint64":
      return longWriter(data, type.kind === "int64", json);
    case "float":
      return (sink, row) => writeDouble(sink, data.getFloat32(row * 4, true), json, floatText);
    case "double":
      return (sink, row) => writeDouble(sink, data.getFloat64(row * 8, true), json, String);
    default:
      return undefined;
  }
}

/** 64-bit integers without a bigint where a double holds them. */
const longWriter =
  (data: DataView, signed: boolean, json: boolean): Write =>
  (sink, row) => {
    const at = row * 8;
    const high = signed ? data.getInt32(at + 4, true) : data.getUint32(at + 4, true);
    const value = high * 4_294_967_296 + data.getUint32(at, true);
    if (Number.isSafeInteger(value)) {
      writeInteger(sink, value);
      return;
    }
    const exact = signed ? data.getBigInt64(at, true) : data.getBigUint64(at, true);
    writeAscii(sink, json ? `"${exact}"` : String(exact));
  };

function writeDouble(sink: ByteSink, value: number, json: boolean, text: (value: number) => string): void {
  if (Number.isFinite(value)) writeAscii(sink, Object.is(value, -0) ? "-0" : text(value));
  else writeAscii(sink, json ? `"${value}"` : String(value));
}

/** Digits that every double keeps, whatever the number (IEEE 754 binary64: DBL_DIG). */
const doubleDigits = 15;
const doubleMax = 10n ** BigInt(doubleDigits);

function decimalWriter(vector: Vector): Write {
  const text = plainText(vector) as TextOf;
  if ((vector.type as TypeOf<"decimal">).width <= doubleDigits)
    return (sink, row) => writeAscii(sink, text(row));
  return (sink, row) => {
    const value = unscaledAt(vector, row);
    const fits = value < doubleMax && value > -doubleMax;
    writeAscii(sink, fits ? text(row) : `"${text(row)}"`);
  };
}

/** The index of an enum's value in its dictionary. */
export function enumIndexAt({ data, type }: Vector, row: number): number {
  const { bytes } = type as TypeOf<"enum">;
  if (bytes === 1) return data.getUint8(row);
  return bytes === 2 ? data.getUint16(row * 2, true) : data.getUint32(row * 4, true);
}

function enumWriter(vector: Vector, { values }: TypeOf<"enum">): Write {
  const quoted = values.map((value) => Buffer.from(JSON.stringify(value)));
  return (sink, row) => writeBytes(sink, quoted[enumIndexAt(vector, row)] as Uint8Array);
}

function listWriter(vector: Vector): Write {
  const { type, children } = vector;
  const item = jsonWriter(children[0] as Vector);
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

function structWriter({ children }: Vector, names: readonly string[]): Write {
  const keys = keysOf(names);
  const fields = children.map(jsonWriter);
  return (sink, row) => {
    writeByte(sink, 0x7b);
    for (let at = 0; at < fields.length; at++) {
      writeBytes(sink, keys[at] as Uint8Array);
      (fields[at] as Write)(sink, row);
    }
    writeByte(sink, 0x7d);
  };
}

/** One member, as an object with its tag: {"tag": value}. */
function unionWriter({ children }: Vector, { fields }: TypeOf<"union">): Write {
  const tags = children[0] as Vector;
  const keys = fields.map(({ name }) => Buffer.from(`{${JSON.stringify(name)}:`));
  const members = children.slice(1).map(jsonWriter);
  return (sink, row) => {
    const tag = tags.data.getUint8(row);
    writeBytes(sink, keys[tag] as Uint8Array);
    (members[tag] as Write)(sink, row);
    writeByte(sink, 0x7d);
  };
}

const keyIsText = ({ kind }: ColumnType): boolean => kind === "text" || kind === "enum";

/** Text keys give an object; keys of any other type a list of {"key", "value"}, which keeps their type. */
function mapWriter(vector: Vector, { key }: TypeOf<"map">): Write {
  const [keys, values] = vector.children.map(jsonWriter) as [Write, Write];
  const isObject = keyIsText(key);
  return (sink, row) => {
    const { offset, length } = spanAt(vector, row);
    writeByte(sink, isObject ? 0x7b : 0x5b);
    for (let at = offset; at < offset + length; at++) {
      if (at > offset) writeByte(sink, 0x2c);
      if (!isObject) writeAscii(sink, '{"key":');
      keys(sink, at);
      writeAscii(sink, isObject ? ":" : ',"value":');
      values(sink, at);
      if (!isObject) writeByte(sink, 0x7d);
    }
    writeByte(sink, isObject ? 0x7d : 0x5d);
  };
}

/** Short text is read where it lies in the vector: an object for each value would cost more than its bytes. */
function textWriter(vector: Vector): Write {
  const { data } = vector;
  const memory = memoryOf(vector);
  return (sink, row) => {
    const length = data.getUint32(row * 16, true);
    if (length <= inlineBytesMax) writeJsonString(sink, memory, row * 16 + 4, length);
    else writeJsonString(sink, vector.longBytes(row), 0, length);
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
