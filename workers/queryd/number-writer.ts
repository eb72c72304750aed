/** Numbers of all types as text, and the two ways JSON has for them. */
import { type ByteSink, writeAscii, writeInteger } from "./byte-sink.ts";
import type { ColumnType } from "./column-type.ts";
import { floatText, plainText, type TextOf } from "./value-text.ts";
import type { Vector } from "./vector.ts";

/** Writes the value of a row that is not NULL. */
export type Write = (sink: ByteSink, row: number) => void;

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
      return (sink, row) => writeDouble(sink, data.getFloat32(row * 4, true), json, floatText);
    case "double":
      return (sink, row) => writeDouble(sink, data.getFloat64(row * 8, true), json, String);
    case "hugeint":
    case "uhugeint":
    case "bignum":
    case "decimal": {
      const text = plainText(vector) as TextOf;
      return (sink, row) => writeAscii(sink, text(row));
    }
    default:
      return undefined;
  }
}

/** 64-bit integers without a bigint where a double holds them. */
const longWriter =
  (data: DataView, signed: boolean): Write =>
  (sink, row) => {
    const at = row * 8;
    const high = signed ? data.getInt32(at + 4, true) : data.getUint32(at + 4, true);
    const value = high * 4_294_967_296 + data.getUint32(at, true);
    if (Number.isSafeInteger(value)) writeInteger(sink, value);
    else writeAscii(sink, String(signed ? data.getBigInt64(at, true) : data.getBigUint64(at, true)));
  };

function writeDouble(sink: ByteSink, value: number, json: boolean, text: (value: number) => string): void {
  if (!Number.isFinite(value)) {
    writeAscii(sink, json ? `"${value}"` : String(value));
    return;
  }
  // Readers take -0 for the integer 0, and 1 in a column of floats for an integer.
  const written = Object.is(value, -0) ? "-0.0" : text(value);
  writeAscii(sink, json && Number.isInteger(value) && !/[.e]/.test(written) ? `${written}.0` : written);
}
