/** Logical types of Avro (1.11 §"Logical Types"). One that is not known, or does not fit its type, is what it is stored as. */
import type { AvroReader, AvroSchema } from "../../../runtime/avro/avro.ts";
import { fail } from "../../../runtime/errors/errors.ts";

/** How values of a schema are read, each as JSON. */
export interface Compiled {
  /** As SQL has it; absent where only the values show it. */
  type?: string;
  isNested?: true;
  isNull?: true;
  /** Bytes, or something with bytes in it. */
  hasBytes?: true;
  read: (from: AvroReader) => string;
}

export type Named = Readonly<Record<string, unknown>> & { type: AvroSchema };

const digitsMax = 38;
const dayMicros = 86_400_000_000n;

/** A named type has one way of being read wherever it stands: as text, which both JSON and columns take. */
type Logical = (schema: Named) => Compiled | undefined;

const text = (type: string, read: (from: AvroReader) => string): Compiled => ({
  type,
  read: (from) => JSON.stringify(read(from)),
});

const sizedBytes = ({ type, size }: Named) =>
  type === "fixed"
    ? (from: AvroReader) => from.take(Number(size))
    : type === "bytes"
      ? (from: AvroReader) => from.take(from.count())
      : undefined;

const decimal: Logical = (schema) => {
  const take = sizedBytes(schema);
  const precision = Number(schema.precision);
  const scale = Number(schema.scale ?? 0);
  if (!take || !(precision > 0) || !(scale >= 0) || scale > precision) return undefined;
  if (precision > digitsMax)
    throw fail(
      "unprocessable",
      `the schema of the Avro file: a decimal of ${precision} digits; at most ${digitsMax} are taken: write it as text`,
    );
  return text(`DECIMAL(${precision},${scale})`, (from) => {
    const bytes = take(from);
    const plain = BigInt(`0x0${Buffer.from(bytes).toString("hex")}`);
    return scaled(BigInt.asIntN(bytes.length * 8, plain), scale);
  });
};

function scaled(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  const point = digits.length - scale;
  return `${value < 0n ? "-" : ""}${digits.slice(0, point)}${scale > 0 ? `.${digits.slice(point)}` : ""}`;
}

const ofLong =
  (type: string, read: (micros: bigint) => string, microsEach = 1n): Logical =>
  ({ type: of }) =>
    of === "long" ? text(type, (from) => read(BigInt(from.long()) * microsEach)) : undefined;

const clock = (micros: bigint): string => {
  if (micros < 0n || micros >= dayMicros) throw fail("corrupt", "a time of day is none");
  const two = (value: bigint) => String(value).padStart(2, "0");
  const seconds = micros / 1_000_000n;
  const rest = String(micros % 1_000_000n).padStart(6, "0");
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${rest}`;
};

function day(days: number): string {
  const date = new Date(days * 86_400_000);
  const year = date.getUTCFullYear();
  if (!(year >= 1 && year <= 9999))
    throw fail("unprocessable", "a date lies outside the years 1 to 9999, which are taken");
  return date.toISOString().slice(0, 10);
}

function instant(micros: bigint): string {
  const within = ((micros % dayMicros) + dayMicros) % dayMicros;
  return `${day(Number((micros - within) / dayMicros))} ${clock(within)}`;
}

const refusedNanos: Logical = () => {
  throw fail(
    "unprocessable",
    "the schema of the Avro file: timestamps in nanoseconds, of which three digits would be lost: write microseconds",
  );
};

export const logicalTypes: Readonly<Record<string, Logical>> = {
  decimal,
  uuid: ({ type, size }) => {
    if (type === "string") return { type: "UUID", read: (from) => JSON.stringify(from.text()) };
    if (type !== "fixed" || size !== 16) return undefined;
    return text("UUID", (from) =>
      Buffer.from(from.take(16))
        .toString("hex")
        .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
    );
  },
  date: ({ type }) => (type === "int" ? text("DATE", (from) => day(from.count())) : undefined),
  "time-millis": ({ type }) =>
    type === "int" ? text("TIME", (from) => clock(BigInt(from.long()) * 1000n)) : undefined,
  "time-micros": ofLong("TIME", clock),
  "timestamp-millis": ofLong("TIMESTAMP WITH TIME ZONE", (micros) => `${instant(micros)}+00`, 1000n),
  "timestamp-micros": ofLong("TIMESTAMP WITH TIME ZONE", (micros) => `${instant(micros)}+00`),
  "local-timestamp-millis": ofLong("TIMESTAMP", instant, 1000n),
  "local-timestamp-micros": ofLong("TIMESTAMP", instant),
  "timestamp-nanos": refusedNanos,
  "local-timestamp-nanos": refusedNanos,
  duration: ({ type, size }) =>
    type !== "fixed" || size !== 12
      ? undefined
      : text("VARCHAR", (from) => {
          const part = () => Buffer.from(from.take(4)).readUInt32LE(0);
          const [months, days, ms] = [part(), part(), part()];
          return `P${months}M${days}DT${ms / 1000}S`;
        }),
};
