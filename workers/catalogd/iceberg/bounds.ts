/** Bounds of columns in Iceberg's binary form (spec, Appendix D "Single-value serialization"), from the text DuckDB gives. */

/** Characters of a bound of text; longer ones are cut, as Iceberg's writers do (`write.metadata.metrics.default`). */
const charactersKept = 16;
const microsPerDay = 86_400_000_000n;

/** A value's bytes, whole where `boundBytes` cuts a text; undefined for a text that is none that we are sure of. */
export const singleValue = (type: string, text: string): Uint8Array | undefined =>
  type === "string" ? utf8(text) : boundBytes(type, text, text.startsWith("-") ? "lower" : "upper");

/**
 * The bound's bytes, or undefined where the text is none that we are sure of: a bound may be left out, and never be
 * wrong. An upper bound that was cut is made larger.
 */
export function boundBytes(type: string, text: string, side: "lower" | "upper"): Uint8Array | undefined {
  const decimal = /^decimal\((\d+),\s*(\d+)\)$/.exec(type);
  if (decimal) return decimalBytes(text, Number(decimal[2]));
  switch (type) {
    case "boolean":
      return /^[01]$/.test(text) ? Uint8Array.of(Number(text)) : undefined;
    case "int":
      return isInteger(text) ? little(4, (view) => view.setInt32(0, Number(text), true)) : undefined;
    case "long":
      return isInteger(text) ? long(BigInt(text)) : undefined;
    case "float":
    case "double":
      return floatBytes(type, text, side);
    case "string":
      return side === "lower" ? lowerText(text) : upperText(text);
    case "date":
      return mapped(daysOf(text), (days) => little(4, (view) => view.setInt32(0, Number(days), true)));
    case "time":
      return mapped(timeOf(text), long);
    case "timestamp":
      return mapped(momentOf(text), long);
    case "timestamptz":
      return text.endsWith("+00") ? mapped(momentOf(text.slice(0, -"+00".length)), long) : undefined;
    default:
      return undefined;
  }
}

const isInteger = (text: string): boolean => /^-?\d{1,19}$/.test(text);
const mapped = <T, R>(value: T | undefined, work: (value: T) => R): R | undefined =>
  value === undefined ? undefined : work(value);

function little(bytes: number, write: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  write(view);
  return new Uint8Array(view.buffer);
}
const long = (value: bigint): Uint8Array => little(8, (view) => view.setBigInt64(0, value, true));

function floatBytes(type: string, text: string, side: "lower" | "upper"): Uint8Array | undefined {
  const value = /^-?\d/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) return undefined;
  // Zero has two signs, and a column may hold either.
  const bound = value === 0 ? (side === "lower" ? -0 : 0) : value;
  return type === "float"
    ? little(4, (view) => view.setFloat32(0, bound, true))
    : little(8, (view) => view.setFloat64(0, bound, true));
}

/** The unscaled number, big-endian, in as few bytes of two's complement as hold it. */
function decimalBytes(text: string, scale: number): Uint8Array | undefined {
  const [, sign = "", whole, fraction = ""] = /^(-?)(\d{1,38})(?:\.(\d{1,38}))?$/.exec(text) ?? [];
  if (whole === undefined || fraction.length !== scale) return undefined;
  const unscaled = BigInt(`${sign}${whole}${fraction}`);
  let bytes = 1;
  while (BigInt.asIntN(bytes * 8, unscaled) !== unscaled) bytes += 1;
  const digits = BigInt.asUintN(bytes * 8, unscaled).toString(16);
  return new Uint8Array(Buffer.from(digits.padStart(bytes * 2, "0"), "hex"));
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const lowerText = (text: string): Uint8Array | undefined =>
  text.isWellFormed() ? utf8([...text].slice(0, charactersKept).join("")) : undefined;

/** Whole where it is short; else its beginning with the last character that can be made larger made so. */
function upperText(text: string): Uint8Array | undefined {
  if (!text.isWellFormed()) return undefined;
  const characters = [...text];
  if (characters.length <= charactersKept) return utf8(text);
  for (let at = charactersKept - 1; at >= 0; at--) {
    const next = after(characters[at]?.codePointAt(0) ?? 0);
    if (next !== undefined) return utf8(characters.slice(0, at).join("") + String.fromCodePoint(next));
  }
  return undefined;
}

/** The next code point that UTF-8 has: the surrogates are none. */
function after(code: number): number | undefined {
  if (code === 0x10ffff) return undefined;
  return code + 1 === 0xd800 ? 0xe000 : code + 1;
}

/** Days since 1970-01-01 of a year from 1 to 9999. */
function daysOf(text: string): bigint | undefined {
  const millis = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(millis) ? undefined : BigInt(millis / 86_400_000);
}

/** Microseconds since midnight. */
function timeOf(text: string): bigint | undefined {
  const [, hours, minutes, seconds, fraction = ""] =
    /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  if (hours === undefined || Number(hours) > 23) return undefined;
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, "0"));
}

/** Microseconds since 1970-01-01 00:00:00. */
function momentOf(text: string): bigint | undefined {
  const [date = "", time = ""] = text.split(" ", 2);
  const [days, micros] = [daysOf(date), timeOf(time)];
  return days === undefined || micros === undefined ? undefined : days * microsPerDay + micros;
}
