/** Scalars in PostgreSQL's binary format: times count from 2000, numerics have digits of base 10000. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { PostgresType } from "../../../runtime/postgres/postgres.ts";
import {
  type ByteSink,
  bytesAt,
  createSink,
  numberWriter,
  plainWriter,
  type TimestampUnit,
  type TypeOf,
  type Vector,
  type Write,
  writeByte,
  writeBytes,
} from "../values/values.ts";
import { writeInt16, writeInt32, writeInt64, writeReversed } from "./integers.ts";
import { scalarText } from "./text-scalars.ts";

/** From 1970 to 2000. */
const epochDays = 10_957;
const epochMicroseconds = 946_684_800_000_000n;

export function scalarBinary(vector: Vector, type: PostgresType): Write {
  const { data } = vector;
  switch (type.form) {
    case "bool":
      return (sink, row) => writeByte(sink, data.getUint8(row) === 0 ? 0 : 1);
    case "int2":
    case "int4":
    case "int8":
      return integerWriter(vector, type.size);
    case "float4":
      return (sink, row) => writeReversed(sink, data, row * 4, 4);
    case "float8":
      return (sink, row) => writeReversed(sink, data, row * 8, 8);
    case "numeric":
      return numericWriter(vector);
    case "bytea":
      return (sink, row) => writeBytes(sink, bytesAt(vector, row));
    case "uuid":
      return uuidWriter(vector);
    case "date":
      return (sink, row) => writeInt32(sink, daysSince2000(data.getInt32(row * 4, true)));
    case "timestamp":
    case "timestamptz":
      return timestampWriter(vector);
    case "time":
      return (sink, row) => writeReversed(sink, data, row * 8, 8);
    case "timetz":
      return zonedTimeWriter(vector);
    case "interval":
      return (sink, row) => {
        writeReversed(sink, data, row * 16 + 8, 8);
        writeReversed(sink, data, row * 16 + 4, 4);
        writeReversed(sink, data, row * 16, 4);
      };
    default:
      return scalarText(vector, type);
  }
}

/** Integers of DuckDB are at most as wide as those that stand for them. */
function integerWriter({ data, type: { kind } }: Vector, size: number): Write {
  const read = {
    int8: (row: number) => data.getInt8(row),
    uint8: (row: number) => data.getUint8(row),
    int16: (row: number) => data.getInt16(row * 2, true),
    uint16: (row: number) => data.getUint16(row * 2, true),
    int32: (row: number) => data.getInt32(row * 4, true),
    uint32: (row: number) => data.getUint32(row * 4, true),
  }[kind as "int8"];
  if (!read) return (sink, row) => writeReversed(sink, data, row * 8, 8);
  if (size === 2) return (sink, row) => writeInt16(sink, read(row));
  if (size === 4) return (sink, row) => writeInt32(sink, read(row));
  return (sink, row) => {
    writeInt32(sink, 0);
    writeInt32(sink, read(row));
  };
}

/** The bytes of a numeric's sign. */
const positive = 0x0000;
const negative = 0x4000;

function numericWriter(vector: Vector): Write {
  const write = numberWriter(vector, false) ?? plainWriter(vector);
  if (!write) throw new Error(`${vector.type.name} has no digits`);
  const text = createSink();
  return (sink, row) => {
    text.length = 0;
    write(text, row);
    writeNumeric(sink, Buffer.from(text.bytes.subarray(0, text.length)).toString("latin1"));
  };
}

/** Digits in groups of four, those before the point aligned to it; zeros at both ends are left out. */
export function writeNumeric(sink: ByteSink, text: string): void {
  const isNegative = text.startsWith("-");
  const [whole = "", fraction = ""] = (isNegative ? text.slice(1) : text).split(".");
  const before = whole.padStart(Math.ceil(whole.length / 4) * 4, "0");
  const digits = before + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, "0");
  const groups = digits.match(/\d{4}/g) ?? [];
  const first = groups.findIndex((group) => group !== "0000");
  const last = groups.findLastIndex((group) => group !== "0000");
  const kept = first < 0 ? [] : groups.slice(first, last + 1);
  writeInt16(sink, kept.length);
  writeInt16(sink, first < 0 ? 0 : before.length / 4 - 1 - first);
  writeInt16(sink, isNegative && first >= 0 ? negative : positive);
  writeInt16(sink, fraction.length);
  for (const group of kept) writeInt16(sink, Number(group));
}

/** The first bit is turned over in DuckDB, so that they sort. */
const uuidWriter =
  ({ data }: Vector): Write =>
  (sink, row) => {
    writeReversed(sink, data, row * 16, 16);
    const at = sink.length - 16;
    sink.bytes[at] = (sink.bytes[at] as number) ^ 0x80;
  };

const infinity = 2 ** 31 - 1;
/** PostgreSQL's dates begin with the Julian day 0, timestamps too; and end in 5874897. */
const firstDay = -2_451_545;
const lastDay = 2_145_031_948;

function daysSince2000(days: number): number {
  if (days === infinity) return infinity;
  if (days === -infinity) return -infinity - 1;
  const since = days - epochDays;
  if (since >= firstDay && since <= lastDay) return since;
  throw outOfRange("date");
}

const perUnit: Record<TimestampUnit, bigint> = { s: 1_000_000n, ms: 1000n, us: 1n, ns: 0n };
const longest = 2n ** 63n - 1n;
const firstMicrosecond = BigInt(firstDay) * 86_400_000_000n;

function timestampWriter({ data, type }: Vector): Write {
  const microseconds = perUnit[(type as TypeOf<"timestamp">).unit];
  return (sink, row) => {
    const count = data.getBigInt64(row * 8, true);
    if (count === longest) return writeInt64(sink, longest);
    if (count === -longest) return writeInt64(sink, -longest - 1n);
    const since = count * microseconds - epochMicroseconds;
    if (since < firstMicrosecond || since >= longest) throw outOfRange("timestamp");
    writeInt64(sink, since);
  };
}

/** The time in the upper 40 bits; the lower 24 hold the offset, counted down from 15:59:59. PostgreSQL counts it westwards. */
const zonedTimeWriter =
  ({ data }: Vector): Write =>
  (sink, row) => {
    const bits = data.getBigUint64(row * 8, true);
    writeInt64(sink, bits >> 24n);
    writeInt32(sink, Number(bits & 0xffffffn) - 57_599);
  };

const outOfRange = (what: string) =>
  fail("sql_error", `a ${what} lies outside of what PostgreSQL's binary format holds: CAST it to VARCHAR`);
