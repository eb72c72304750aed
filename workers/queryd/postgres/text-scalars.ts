/** Scalars in PostgreSQL's text format, with DateStyle ISO, IntervalStyle postgres and bytea_output hex. */
import type { PostgresType } from "../../../runtime/postgres/postgres.ts";
import {
  type ByteSink,
  bytesAt,
  csvDoubleWriter,
  enumIndexAt,
  inlineBytesMax,
  jsonWriter,
  longFrom,
  memoryOf,
  numberWriter,
  plainWriter,
  reserve,
  type TypeOf,
  type Vector,
  type Write,
  wallClockWriter,
  writeAscii,
  writeByte,
  writeBytes,
} from "../values/values.ts";

export function scalarText(vector: Vector, { form }: PostgresType): Write {
  const { type, data } = vector;
  switch (form) {
    case "bool":
      return (sink, row) => writeByte(sink, data.getUint8(row) === 0 ? 0x66 : 0x74);
    case "float8":
      return csvDoubleWriter(data, false);
    case "bytea":
      return byteaWriter(vector);
    case "date":
      return eraWriter(known(plainWriter(vector)), "");
    case "timestamp":
      return eraWriter(wallClockWriter(vector, type as TypeOf<"timestamp">), "");
    case "timestamptz":
      return eraWriter(wallClockWriter(vector, type as TypeOf<"timestamp">), "+00");
    case "interval":
      return (sink, row) =>
        writeAscii(
          sink,
          intervalText(
            data.getInt32(row * 16, true),
            data.getInt32(row * 16 + 4, true),
            data.getBigInt64(row * 16 + 8, true),
          ),
        );
    case "json":
      return type.kind === "json" ? textWriter(vector) : jsonWriter(vector);
    case "text":
      return wordsWriter(vector);
    default:
      return known(numberWriter(vector, false) ?? plainWriter(vector));
  }
}

function known(write: Write | undefined): Write {
  if (write) return write;
  throw new Error("a type of PostgreSQL has no writer");
}

function wordsWriter(vector: Vector): Write {
  const { type } = vector;
  if (type.kind === "text") return textWriter(vector);
  if (type.kind !== "enum") return plainWriter(vector) ?? jsonWriter(vector);
  const values = type.values.map((value) => Buffer.from(value));
  return (sink, row) => writeBytes(sink, values[enumIndexAt(vector, row)] as Uint8Array);
}

function textWriter(vector: Vector): Write {
  const { data } = vector;
  const memory = memoryOf(vector);
  return (sink, row) => {
    const length = data.getUint32(row * 16, true);
    if (length <= inlineBytesMax) writeBytes(sink, memory, row * 16 + 4, length);
    else writeBytes(sink, vector.longMemory(row), longFrom(data, row), length);
  };
}

const hex = Buffer.from("0123456789abcdef");

const byteaWriter =
  (vector: Vector): Write =>
  (sink, row) => {
    const value = bytesAt(vector, row);
    reserve(sink, value.length * 2 + 2);
    writeAscii(sink, "\\x");
    for (const byte of value) {
      sink.bytes[sink.length++] = hex[byte >> 4] as number;
      sink.bytes[sink.length++] = hex[byte & 15] as number;
    }
  };

/** Years of ISO 8601 outside 0001 to 9999 as PostgreSQL writes them; what is no date, as infinity, stays. */
function eraWriter(write: Write, zone: string): Write {
  return (sink, row) => {
    const from = sink.length;
    write(sink, row);
    if (isDigit(sink.bytes[from]) && !isYearZero(sink, from)) return writeAscii(sink, zone);
    const text = Buffer.from(sink.bytes.subarray(from, sink.length)).toString("latin1");
    const [, year, rest] = /^([+-]?\d+)(-\d\d-\d\d.*)$/.exec(text) ?? [];
    if (year === undefined || rest === undefined) return;
    sink.length = from;
    const before = Number(year) <= 0;
    const shown = String(before ? 1 - Number(year) : Number(year)).padStart(4, "0");
    writeAscii(sink, `${shown}${rest.replace("T", " ").replace("Z", "")}${zone}${before ? " BC" : ""}`);
  };
}

const isDigit = (byte = 0): boolean => byte >= 0x30 && byte <= 0x39;
const isYearZero = ({ bytes }: ByteSink, at: number): boolean =>
  bytes[at] === 0x30 && bytes[at + 1] === 0x30 && bytes[at + 2] === 0x30 && bytes[at + 3] === 0x30;

/** `1 year 2 mons -3 days +04:05:06.789`: after a negative part a positive one has its sign. */
export function intervalText(months: number, days: number, microseconds: bigint): string {
  const parts: string[] = [];
  let wasNegative = false;
  const add = (count: number, unit: string) => {
    if (count === 0) return;
    const sign = wasNegative && count > 0 ? "+" : "";
    parts.push(`${sign}${count} ${unit}${count === 1 ? "" : "s"}`);
    wasNegative = count < 0;
  };
  add(Math.trunc(months / 12), "year");
  add(months % 12, "mon");
  add(days, "day");
  if (microseconds !== 0n || parts.length === 0) {
    const size = microseconds < 0n ? -microseconds : microseconds;
    const seconds = size / 1_000_000n;
    const two = (value: bigint) => String(value).padStart(2, "0");
    const rest = String(size % 1_000_000n)
      .padStart(6, "0")
      .replace(/0+$/, "");
    const sign = microseconds < 0n ? "-" : wasNegative ? "+" : "";
    const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
    parts.push(`${sign}${clock}${rest === "" ? "" : `.${rest}`}`);
  }
  return parts.join(" ");
}
