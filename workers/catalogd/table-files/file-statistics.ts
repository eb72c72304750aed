/**
 * What a manifest says of the columns in a file, as the catalog says it of its own objects: bounds as text. The reverse of
 * `iceberg/bounds.ts` (spec, Appendix D "Single-value serialization"), for what engines of others wrote. A bound that is not
 * surely understood is left out: then the file is read.
 */
import { type ContentFile, type IcebergSchema, type IcebergType, sqlTypeOf } from "../iceberg/iceberg.ts";

export interface FileStatistics {
  column: string;
  field_id: number;
  null_count?: number;
  min?: string;
  max?: string;
}

/** Of the columns that a schema has, as far as the file has any. */
export function statisticsOf(file: ContentFile, { fields }: IcebergSchema): FileStatistics[] {
  return fields.flatMap(({ id, name, type }) => {
    // What is nested has counts of its own, of as many values as it likes.
    if (typeof type !== "string") return [];
    const nulls = file.nulls?.get(id);
    const [min, max] = [textOf(type, file.lower?.get(id)), textOf(type, file.upper?.get(id))];
    if (nulls === undefined && min === undefined && max === undefined) return [];
    return [
      {
        column: name,
        field_id: id,
        ...(nulls !== undefined && { null_count: nulls }),
        ...(min !== undefined && { min }),
        ...(max !== undefined && { max }),
      },
    ];
  });
}

/** Undefined for a type whose values nobody compares here, and for bytes that are not of the type or one it was widened from. */
export function textOf(type: IcebergType, bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined || typeof type !== "string") return undefined;
  if (type.startsWith("decimal")) return decimalText(bytes, sqlTypeOf(type));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { length } = bytes;
  switch (type) {
    case "int":
      return length === 4 ? String(view.getInt32(0, true)) : undefined;
    case "long":
      if (length === 4) return String(view.getInt32(0, true));
      return length === 8 ? String(view.getBigInt64(0, true)) : undefined;
    case "float":
    case "double":
      if (length === 4) return floatText(view.getFloat32(0, true));
      return length === 8 && type === "double" ? floatText(view.getFloat64(0, true)) : undefined;
    case "string":
      return wellFormed(bytes);
    case "date":
      return length === 4 ? momentText(BigInt(view.getInt32(0, true)) * microsPerDay)?.day : undefined;
    case "timestamp":
    case "timestamptz": {
      const moment = length === 8 ? momentText(view.getBigInt64(0, true)) : undefined;
      return moment && `${moment.day} ${moment.time}${type === "timestamptz" ? "+00" : ""}`;
    }
    default:
      return undefined;
  }
}

const microsPerDay = 86_400_000_000n;

/** NaN and the infinities are no bounds: the one is above all values, and writers do not agree on where. */
const floatText = (value: number): string | undefined => (Number.isFinite(value) ? String(value) : undefined);

/** Writers that cut a text within a character leave what is none. */
function wellFormed(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return Buffer.from(text).equals(bytes) ? text : undefined;
}

/** Big-endian, in two's complement. */
function decimalText(bytes: Uint8Array, type: ReturnType<typeof sqlTypeOf>): string | undefined {
  const scale =
    type.kind === "scalar" ? Number(/,\s*(\d+)\)$/.exec(type.name)?.[1] ?? Number.NaN) : Number.NaN;
  if (!Number.isInteger(scale) || bytes.length === 0 || bytes.length > 16) return undefined;
  const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString("hex")}`));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const sign = unscaled < 0n ? "-" : "";
  return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Of a year from 1 to 9999. */
function momentText(micros: bigint): { day: string; time: string } | undefined {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((micros - fraction) / 1000n));
  const year = date.getUTCFullYear();
  if (Number.isNaN(year) || year < 1 || year > 9999) return undefined;
  const [day = "", time = ""] = date.toISOString().slice(0, -".000Z".length).split("T");
  return { day, time: `${time}.${String(fraction).padStart(6, "0")}` };
}
