/** Numbers of all types as text, and the two ways JSON has for them. */
import { type ByteSink, writeAscii } from "./byte-sink.ts";
import type { ColumnType } from "./column-type.ts";
import { writeFewPlaces, writeInteger } from "./digits.ts";
import { plainWriter, type Write } from "./plain-writer.ts";
import { fixedDoubleText, floatText } from "./text.ts";
import { longAt, type Vector } from "./vector.ts";

/**
 * How numbers are written: `json` as numbers, digit by digit; `string` as strings where their type holds more digits
 * than a double (64 bits and more, decimals). A reader that parses all numbers as doubles loses nothing then.
 */
export type Numbers = "json" | "string";

/** Types of which a double does not hold every value. */
export const isLong = ({ kind }: ColumnType): boolean =>
  kind === "int64" ||
  kind === "uint64" ||
  kind === "hugeint" ||
  kind === "uhugeint" ||
  kind === "bignum" ||
  kind === "decimal";

/** A writer for numbers of all types; in JSON, what is no JSON number is quoted, and a float is seen to be one. */
export function numberWriter(vector: Vector, json: boolean): Write | undefined {
  const { type, data } = vector;
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
      return longWriter(data, type.kind === "int64");
    case "float":
      return (sink, row) => writeFloat(sink, data.getFloat32(row * 4, true), json);
    case "double":
      return json ? doubleWriter(data, ".0", jsonText) : undefined;
    case "hugeint":
    case "uhugeint":
    case "bignum":
    case "decimal":
      return plainWriter(vector);
    default:
      return undefined;
  }
}

/** 64-bit integers without a bigint where a double holds them. */
const longWriter =
  (data: DataView, signed: boolean): Write =>
  (sink, row) => {
    const at = row * 8;
    const value = longAt(data, at);
    if (Number.isSafeInteger(value) && (signed || value >= 0)) writeInteger(sink, value);
    else writeAscii(sink, String(signed ? data.getBigInt64(at, true) : data.getBigUint64(at, true)));
  };

/** Sizes of doubles that are written without an exponent, in JSON as in CSV. */
const plainMin = 1e-4;
const plainMax = 1e16;
/** After so many doubles of many places more than of few, the next are not tried. */
const triesMax = 16;

/** Doubles of a column; `afterWhole` follows those that are integers, `text` is the form of the very large and small. */
function doubleWriter(data: DataView, afterWhole: string, text: (value: number) => string): Write {
  let tries = triesMax;
  return (sink, row) => {
    const value = data.getFloat64(row * 8, true);
    const size = Math.abs(value);
    if (!(size >= plainMin && size < plainMax) && !Object.is(value, 0)) return writeAscii(sink, text(value));
    if (Number.isInteger(value)) {
      writeInteger(sink, value);
      return writeAscii(sink, afterWhole);
    }
    if (tries > 0 && writeFewPlaces(sink, value)) tries = triesMax;
    else {
      tries -= 1;
      writeAscii(sink, String(value));
    }
  };
}

/** CSV has them as DuckDB writes them, with or without a point behind integers. */
export const csvDoubleWriter = (data: DataView, isFixed: boolean): Write =>
  doubleWriter(data, isFixed ? ".0" : "", fixedDoubleText);

/** Readers take -0 for the integer 0, and 1 in a column of floats for an integer; JSON has no NaN and no infinity. */
function jsonText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? "-0.0" : asFloat(String(value), value);
}

const asFloat = (text: string, value: number): string =>
  Number.isInteger(value) && !/[.e]/.test(text) ? `${text}.0` : text;

/** Floats hold every integer below it. */
const floatMax = 2 ** 24;

function writeFloat(sink: ByteSink, value: number, json: boolean): void {
  const isWhole = Number.isInteger(value) && Math.abs(value) < floatMax && !Object.is(value, -0);
  if (isWhole) {
    writeInteger(sink, value);
    if (json) writeAscii(sink, ".0");
  } else if (value === 0 || !Number.isFinite(value))
    writeAscii(sink, json ? jsonText(value) : fixedDoubleText(value));
  else writeAscii(sink, json ? asFloat(floatText(value), value) : floatText(value));
}
