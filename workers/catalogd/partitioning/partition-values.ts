/** Values of partitions: from the texts that SQL gave (`textSql`) to Avro and to bounds. Pure. */
import type { AvroField, AvroSchema, AvroValue } from "../../../runtime/avro/avro.ts";
import { singleValue } from "../iceberg/iceberg.ts";

export interface PartitionField {
  id: number;
  name: string;
  /** Iceberg's type of its values. */
  type: string;
}

interface Value {
  avro: AvroValue;
  /** Iceberg's "Single-value serialization". */
  bytes: Uint8Array;
}

const decimalOf = (type: string) => /^decimal\((\d+),\s*(\d+)\)$/.exec(type);
const logical: Readonly<Record<string, [type: string, attributes: Record<string, unknown>]>> = {
  date: ["int", { logicalType: "date" }],
  time: ["long", { logicalType: "time-micros" }],
  timestamp: ["long", { logicalType: "timestamp-micros", "adjust-to-utc": false }],
  timestamptz: ["long", { logicalType: "timestamp-micros", "adjust-to-utc": true }],
  binary: ["bytes", {}],
};

/** How many bytes hold a decimal of so many digits. */
const decimalBytes = (precision: number): number => {
  let bytes = 1;
  while (2n ** BigInt(8 * bytes - 1) < 10n ** BigInt(precision)) bytes += 1;
  return bytes;
};

function avroType(type: string): AvroSchema {
  const [, precision, scale] = decimalOf(type) ?? [];
  if (precision !== undefined) {
    const size = decimalBytes(Number(precision));
    const name = `decimal_${precision}_${scale}`;
    return {
      ...{ type: "fixed", name, size, logicalType: "decimal" },
      ...{ precision: Number(precision), scale: Number(scale) },
    };
  }
  if (type === "uuid") return { type: "fixed", name: "uuid_fixed", size: 16, logicalType: "uuid" };
  const [plain, attributes] = logical[type] ?? [type, {}];
  return Object.keys(attributes).length === 0 ? plain : { type: plain, ...attributes };
}

/** Names of Avro have letters, digits and `_`: others are written as Iceberg's Java library writes them. */
const avroName = (name: string): string =>
  name
    .replace(/[^A-Za-z0-9_]/g, (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/^\d/, (digit) => `_${digit}`);

/** The fields of the record `partition` in manifests. */
export const avroFields = (fields: readonly PartitionField[]): AvroField[] =>
  fields.map(({ id, name, type }) => ({
    ...{ name: avroName(name), type: ["null", avroType(type)], default: null, "field-id": id },
  }));

/** Undefined for a text that is no value of the type, such as a date of the year 10000. */
export function partitionValue(type: string, text: string): Value | undefined {
  if (type === "string") {
    const bytes = new TextEncoder().encode(text);
    return text.isWellFormed() ? { avro: text, bytes } : undefined;
  }
  if (type === "uuid" || type === "binary") {
    const bytes = new Uint8Array(Buffer.from(text.replaceAll("-", ""), "hex"));
    return type === "binary" || bytes.length === 16 ? { avro: bytes, bytes } : undefined;
  }
  const bytes = singleValue(type, text);
  return bytes && { avro: avroValue(type, bytes), bytes };
}

function avroValue(type: string, bytes: Uint8Array): AvroValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [, precision] = decimalOf(type) ?? [];
  if (precision !== undefined) {
    const whole = new Uint8Array(decimalBytes(Number(precision)));
    whole.fill((bytes[0] ?? 0) > 127 ? 255 : 0);
    whole.set(bytes, whole.length - bytes.length);
    return whole;
  }
  if (type === "boolean") return bytes[0] === 1;
  if (type === "float") return view.getFloat32(0, true);
  if (type === "double") return view.getFloat64(0, true);
  return bytes.length === 4 ? view.getInt32(0, true) : view.getBigInt64(0, true);
}

/** A partition as it stands in a manifest, by the names of `avroFields`. */
export const partitionRecord = (
  fields: readonly PartitionField[],
  values: readonly (Value | null)[],
): Record<string, AvroValue> =>
  Object.fromEntries(fields.map(({ name }, at) => [avroName(name), values[at]?.avro ?? null]));

/** What a manifest list says of each field over the partitions of a manifest. */
export function summaries(
  fields: readonly PartitionField[],
  partitions: readonly (readonly (Value | null)[])[],
): Record<string, AvroValue>[] {
  return fields.map(({ type }, at) => {
    const present = partitions.flatMap((values) => values[at] ?? []);
    const sorted = present.map(orderOf(type)).sort((one, other) => (less(one.key, other.key) ? -1 : 1));
    return {
      contains_null: present.length < partitions.length,
      contains_nan: null,
      lower_bound: sorted[0]?.bytes ?? null,
      upper_bound: sorted.at(-1)?.bytes ?? null,
    };
  });
}

type Key = Buffer | number | bigint;
const less = (one: Key, other: Key): boolean =>
  Buffer.isBuffer(one) && Buffer.isBuffer(other) ? Buffer.compare(one, other) < 0 : one < other;

const orderOf =
  (type: string) =>
  ({ avro, bytes }: Value): { key: Key; bytes: Uint8Array } => {
    if (decimalOf(type))
      return {
        key: BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString("hex")}`)),
        bytes,
      };
    if (typeof avro === "number" || typeof avro === "bigint") return { key: avro, bytes };
    return { key: Buffer.from(bytes), bytes };
  };
