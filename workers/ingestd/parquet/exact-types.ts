/**
 * Which type of DuckDB holds every value of a Parquet type. What DuckDB gives instead is compared with this: it reads
 * some types into ones that hold less, and says nothing.
 */
import type { SchemaElement } from "../../../runtime/parquet/parquet.ts";

/** What a value is in the file. */
export interface FileType {
  /** As messages name it, such as TIMESTAMP(NANOS, UTC). */
  name: string;
  /** The type that holds all its values, as DuckDB writes it; undefined when there is none. */
  exact?: string;
  /** What whoever writes the file can do when there is none. */
  advice: string;
}

/** A column of NULLs, which any type holds. */
export const anyType = "any type";

const asText = "write it as text";

/** By annotation alone: the physical type is prescribed by it. */
const annotated: Record<string, string> = {
  STRING: "VARCHAR",
  ENUM: "VARCHAR",
  JSON: "JSON",
  BSON: "BLOB",
  UUID: "UUID",
  FLOAT16: "FLOAT",
  DATE: "DATE",
  NULL: anyType,
  "INTEGER(8)": "TINYINT",
  "INTEGER(16)": "SMALLINT",
  "INTEGER(32)": "INTEGER",
  "INTEGER(64)": "BIGINT",
  "INTEGER(8, unsigned)": "UTINYINT",
  "INTEGER(16, unsigned)": "USMALLINT",
  "INTEGER(32, unsigned)": "UINTEGER",
  "INTEGER(64, unsigned)": "UBIGINT",
  "TIME(MILLIS)": "TIME",
  "TIME(MICROS)": "TIME",
  "TIME(NANOS)": "TIME_NS",
  "TIME(MILLIS, UTC)": "TIME WITH TIME ZONE",
  "TIME(MICROS, UTC)": "TIME WITH TIME ZONE",
  "TIMESTAMP(MILLIS)": "TIMESTAMP",
  "TIMESTAMP(MICROS)": "TIMESTAMP",
  "TIMESTAMP(NANOS)": "TIMESTAMP_NS",
  "TIMESTAMP(MILLIS, UTC)": "TIMESTAMP WITH TIME ZONE",
  "TIMESTAMP(MICROS, UTC)": "TIMESTAMP WITH TIME ZONE",
};

const physical: Record<string, string> = {
  BOOLEAN: "BOOLEAN",
  INT32: "INTEGER",
  INT64: "BIGINT",
  FLOAT: "FLOAT",
  DOUBLE: "DOUBLE",
  BYTE_ARRAY: "BLOB",
  FIXED_LEN_BYTE_ARRAY: "BLOB",
};

/** Of types that nothing here holds. */
const advices: readonly (readonly [RegExp, string])[] = [
  [
    /^TIME.*NANOS/,
    "write it in microseconds (pyarrow: coerce_timestamps='us'), or without a zone, or as text",
  ],
  [
    /^INT96/,
    "write it as a timestamp of microseconds (pyarrow: use_deprecated_int96_timestamps=False; Impala, Hive: TIMESTAMP_MICROS)",
  ],
  [/^DECIMAL/, "write it with at most 38 digits, or as text"],
  [/^INTERVAL/, "write it as text, or as a number of its unit"],
  [/^GEO/, "write it as WKB in a column of bytes, or as text"],
];

/** The digits of DuckDB's widest DECIMAL. */
const decimalDigitsMax = 38;

/**
 * What the value is. `microseconds` tells that whoever wrote the file knows no nanoseconds, so that the twelve bytes of an
 * INT96 hold none either.
 */
export function fileTypeOf(element: SchemaElement, microseconds: boolean): FileType {
  const annotation = annotationOf(element);
  const name = annotation ?? element.type ?? "a group without fields";
  const exact = exactOf(element, annotation, microseconds);
  const advice = advices.find(([pattern]) => pattern.test(name))?.[1] ?? asText;
  return { name, advice, ...(exact !== undefined && { exact }) };
}

function exactOf(
  { type, precision = 0, scale = 0 }: SchemaElement,
  annotation: string | undefined,
  microseconds: boolean,
): string | undefined {
  if (annotation === undefined) return type === "INT96" && microseconds ? "TIMESTAMP" : physical[type ?? ""];
  if (!annotation.startsWith("DECIMAL")) return annotated[annotation];
  return precision <= decimalDigitsMax ? `DECIMAL(${precision},${scale})` : undefined;
}

const utc = (adjusted: boolean | undefined): string => (adjusted ? ", UTC" : "");

/** The annotation in one notation; a logical type that is not known here keeps its place for a message. */
function annotationOf({
  logical_type: logical,
  converted_type: converted,
  precision,
  scale,
}: SchemaElement): string | undefined {
  if (logical !== undefined) {
    switch (logical.type) {
      case "DECIMAL":
        return `DECIMAL(${logical.precision},${logical.scale})`;
      case "TIME":
      case "TIMESTAMP":
        return `${logical.type}(${logical.unit}${utc(logical.isAdjustedToUTC)})`;
      case "INTEGER":
        return `INTEGER(${logical.bitWidth}${logical.isSigned ? "" : ", unsigned"})`;
      default:
        return logical.type ?? "a logical type that is not known here";
    }
  }
  if (converted === undefined) return undefined;
  if (converted === "UTF8") return "STRING";
  if (converted === "DECIMAL") return `DECIMAL(${precision ?? 0},${scale ?? 0})`;
  // Files of before logical types do not tell whether such times are in UTC; DuckDB takes them for local ones.
  const [, time, unit] = /^(TIME|TIMESTAMP)_(MILLIS|MICROS)$/.exec(converted) ?? [];
  if (time !== undefined) return `${time}(${unit})`;
  const [, unsigned, bits] = /^(U?)INT_(\d+)$/.exec(converted) ?? [];
  return bits === undefined ? converted : `INTEGER(${bits}${unsigned === "U" ? ", unsigned" : ""})`;
}
