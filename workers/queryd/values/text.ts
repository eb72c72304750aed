/** Scalar values as text, the same in JSON and CSV. SQL reads each form back with a CAST. */
import type { ColumnType, TimestampUnit, TypeOf } from "./column-type.ts";
import { bytesAt, hugeAt, type Vector } from "./vector.ts";

export type TextOf = (row: number) => string;

/** Kinds that are written as plain text without escapes; the others have writers of their own. */
export function plainText(vector: Vector): TextOf | undefined {
  const { type, data } = vector;
  switch (type.kind) {
    case "hugeint":
      return (row) => hugeAt(vector, row, true).toString();
    case "uhugeint":
      return (row) => hugeAt(vector, row, false).toString();
    case "bignum":
      return (row) => bignumText(bytesAt(vector, row));
    case "decimal":
      return decimalText(vector, type);
    case "uuid":
      return (row) => uuidText(vector, row);
    case "bit":
      return (row) => bitText(bytesAt(vector, row));
    case "blob":
      return (row) => Buffer.from(bytesAt(vector, row)).toString("base64");
    case "date":
      return (row) => dateText(data.getInt32(row * 4, true));
    case "timestamp":
      return (row) => timestampText(data.getBigInt64(row * 8, true), type.unit);
    case "time":
      return (row) => timeText(Number(data.getBigInt64(row * 8, true)) * 1000);
    case "time_ns":
      return (row) => timeText(Number(data.getBigInt64(row * 8, true)));
    case "time_tz":
      return (row) => zonedTimeText(data.getBigUint64(row * 8, true));
    case "interval":
      return (row) =>
        intervalText(
          data.getInt32(row * 16, true),
          data.getInt32(row * 16 + 4, true),
          data.getBigInt64(row * 16 + 8, true),
        );
    default:
      return undefined;
  }
}

/** The unscaled integer of a decimal. */
function unscaledAt({ data, type }: Vector, row: number): bigint {
  switch ((type as TypeOf<"decimal">).bytes) {
    case 2:
      return BigInt(data.getInt16(row * 2, true));
    case 4:
      return BigInt(data.getInt32(row * 4, true));
    case 8:
      return data.getBigInt64(row * 8, true);
    default:
      return (data.getBigInt64(row * 16 + 8, true) << 64n) + data.getBigUint64(row * 16, true);
  }
}

function decimalText(vector: Vector, { scale, bytes }: TypeOf<"decimal">): TextOf {
  const { data } = vector;
  if (bytes === 2) return (row) => withPoint(String(data.getInt16(row * 2, true)), scale);
  if (bytes === 4) return (row) => withPoint(String(data.getInt32(row * 4, true)), scale);
  return (row) => withPoint(unscaledAt(vector, row).toString(), scale);
}

function withPoint(digits: string, scale: number): string {
  if (scale === 0) return digits;
  const sign = digits.startsWith("-") ? "-" : "";
  const padded = digits.slice(sign.length).padStart(scale + 1, "0");
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}

/** As DuckDB writes a DOUBLE: 10.0, 1e-07, 1e+16; the digits are the same as JavaScript's. */
export function fixedDoubleText(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return "-0.0";
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  const power = Number(exponent);
  const plain = String(value);
  if (power >= -4 && power <= 15) return plain.includes(".") ? plain : `${plain}.0`;
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** The shortest decimal that gives the same 32-bit float: 0.1, not 0.10000000149011612. */
export function floatText(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(value);
}

/** UUIDs are kept as a signed 128-bit integer with the first bit turned over, so that they sort. */
function uuidText(vector: Vector, row: number): string {
  const bits = BigInt.asUintN(128, hugeAt(vector, row, true) ^ (1n << 127n));
  const hex = bits.toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The first byte says how many of the first bits after it are padding. */
function bitText(bytes: Uint8Array): string {
  const all = [...bytes.subarray(1)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return all.slice(bytes[0]);
}

/** Three bytes of header, then the magnitude, most significant byte first; all inverted when negative. */
function bignumText(bytes: Uint8Array): string {
  const positive = ((bytes[0] ?? 0) & 0x80) !== 0;
  const mask = positive ? 0 : 0xff;
  let value = 0n;
  for (const byte of bytes.subarray(3)) value = (value << 8n) | BigInt(byte ^ mask);
  return (positive ? value : -value).toString();
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** RFC 3339's four digits; years outside 0000–9999 as ISO 8601 and JavaScript write them: +010000, -000043. */
const yearText = (year: number): string => {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, "0");
  return `${year < 0 ? "-" : "+"}${String(Math.abs(year)).padStart(6, "0")}`;
};

const dateInfinity = 2147483647;

function dateText(days: number): string {
  if (days === dateInfinity) return "infinity";
  if (days === -dateInfinity) return "-infinity";
  // Days to civil date by H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const part = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * part + 2) / 5) + 1;
  const month = part < 10 ? part + 3 : part - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${yearText(year)}-${two(month)}-${two(day)}`;
}

/** Digits behind the second, in groups of three, as few as keep the value. */
function fraction(nanoseconds: number): string {
  if (nanoseconds === 0) return "";
  const digits = String(nanoseconds).padStart(9, "0");
  if (digits.endsWith("000000")) return `.${digits.slice(0, 3)}`;
  return digits.endsWith("000") ? `.${digits.slice(0, 6)}` : `.${digits}`;
}

/** Nanoseconds since midnight; 24:00:00 is a time. */
function timeText(nanoseconds: number): string {
  const seconds = Math.floor(nanoseconds / 1e9);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return clock + fraction(nanoseconds - seconds * 1e9);
}

const perSecond: Record<TimestampUnit, bigint> = { s: 1n, ms: 1000n, us: 1_000_000n, ns: 1_000_000_000n };
const timestampInfinity = 9223372036854775807n;
const secondsADay = 86_400;

/** RFC 3339 in UTC: a TIMESTAMP without a zone is taken as UTC, which is how DuckDB converts it too. */
function timestampText(count: bigint, unit: TimestampUnit): string {
  if (count === timestampInfinity) return "infinity";
  if (count === -timestampInfinity) return "-infinity";
  const units = perSecond[unit];
  const rest = ((count % units) + units) % units;
  const seconds = Number((count - rest) / units);
  const days = Math.floor(seconds / secondsADay);
  const nanoseconds = Number(rest * (1_000_000_000n / units));
  const clock = timeText((seconds - days * secondsADay) * 1e9);
  return `${dateText(days)}T${clock}${fraction(nanoseconds)}Z`;
}

/** As SQL writes a TIMESTAMP: 2024-01-31 10:00:00.5. Without a zone nothing says which instant it is. */
export function wallClockText(count: bigint, unit: TimestampUnit): string {
  const text = timestampText(count, unit);
  if (!text.endsWith("Z")) return text;
  const clock = text.slice(0, -1).replace("T", " ");
  return clock.includes(".") ? clock.replace(/0+$/, "") : clock;
}

/** The time in the upper 40 bits, in microseconds; the lower 24 hold the offset, counted down from 15:59:59. */
function zonedTimeText(bits: bigint): string {
  const offset = 57_599 - Number(bits & 0xffffffn);
  const size = Math.abs(offset);
  const minutes = `${two(Math.floor(size / 3600))}:${two(Math.floor(size / 60) % 60)}`;
  const seconds = size % 60 === 0 ? "" : `:${two(size % 60)}`;
  return `${timeText(Number(bits >> 24n) * 1000)}${offset < 0 ? "-" : "+"}${minutes}${seconds}`;
}

/** As DuckDB prints it: 1 year 2 months 3 days 04:05:06.789. */
function intervalText(months: number, days: number, microseconds: bigint): string {
  const parts: string[] = [];
  const add = (count: number, unit: string) => {
    if (count !== 0) parts.push(`${count} ${unit}${Math.abs(count) === 1 ? "" : "s"}`);
  };
  add(Math.trunc(months / 12), "year");
  add(months % 12, "month");
  add(days, "day");
  if (microseconds !== 0n || parts.length === 0) {
    const size = microseconds < 0n ? -microseconds : microseconds;
    const seconds = size / 1_000_000n;
    const hours = String(seconds / 3600n).padStart(2, "0");
    const rest = Number(size % 1_000_000n);
    const digits = rest === 0 ? "" : `.${String(rest).padStart(6, "0").replace(/0+$/, "")}`;
    const clock = `${hours}:${two(Number((seconds / 60n) % 60n))}:${two(Number(seconds % 60n))}${digits}`;
    parts.push((microseconds < 0n ? "-" : "") + clock);
  }
  return parts.join(" ");
}

export const isNested = ({ kind }: ColumnType): boolean =>
  kind === "list" || kind === "array" || kind === "map" || kind === "struct" || kind === "union";
