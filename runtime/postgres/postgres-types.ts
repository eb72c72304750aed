/**
 * The types of PostgreSQL that stand for those of SQL here, by their numbers in pg_type.dat, which never change. A type
 * that PostgreSQL does not have goes as one that holds every value of it: a number as numeric, a structure as JSON,
 * anything else as text.
 */
import { parseSqlType, type SqlType } from "../sql/sql.ts";

/** How values are written. */
export type PostgresForm =
  | ("bool" | "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" | "text" | "bytea" | "json" | "uuid")
  | ("date" | "time" | "timetz" | "timestamp" | "timestamptz" | "interval" | "array");

export interface PostgresType {
  form: PostgresForm;
  oid: number;
  /** Bytes of a value, -1 where they differ. */
  size: number;
  /** The digits of a numeric, else -1. */
  modifier: number;
  /** As SQL of PostgreSQL writes it. */
  name: string;
  /** Of an array. */
  item?: PostgresType;
}

type Scalar = Exclude<PostgresForm, "array">;

/** The number of each type and of arrays of it, and the bytes of a value. */
const scalars: Record<Scalar, readonly [oid: number, arrayOid: number, size: number, name: string]> = {
  bool: [16, 1000, 1, "boolean"],
  bytea: [17, 1001, -1, "bytea"],
  int8: [20, 1016, 8, "bigint"],
  int2: [21, 1005, 2, "smallint"],
  int4: [23, 1007, 4, "integer"],
  text: [25, 1009, -1, "text"],
  json: [114, 199, -1, "json"],
  float4: [700, 1021, 4, "real"],
  float8: [701, 1022, 8, "double precision"],
  date: [1082, 1182, 4, "date"],
  time: [1083, 1183, 8, "time"],
  timestamp: [1114, 1115, 8, "timestamp"],
  timestamptz: [1184, 1185, 8, "timestamptz"],
  interval: [1186, 1187, 16, "interval"],
  timetz: [1266, 1270, 12, "timetz"],
  numeric: [1700, 1231, -1, "numeric"],
  uuid: [2950, 2951, 16, "uuid"],
};

const forms: Readonly<Record<string, Scalar>> = {
  BOOLEAN: "bool",
  TINYINT: "int2",
  SMALLINT: "int2",
  INTEGER: "int4",
  BIGINT: "int8",
  UTINYINT: "int2",
  USMALLINT: "int4",
  UINTEGER: "int8",
  UBIGINT: "numeric",
  HUGEINT: "numeric",
  UHUGEINT: "numeric",
  BIGNUM: "numeric",
  FLOAT: "float4",
  DOUBLE: "float8",
  BLOB: "bytea",
  UUID: "uuid",
  JSON: "json",
  DATE: "date",
  TIME: "time",
  "TIME WITH TIME ZONE": "timetz",
  TIMESTAMP: "timestamp",
  TIMESTAMP_S: "timestamp",
  TIMESTAMP_MS: "timestamp",
  "TIMESTAMP WITH TIME ZONE": "timestamptz",
  INTERVAL: "interval",
};

const scalar = (form: Scalar): PostgresType => {
  const [oid, , size, name] = scalars[form];
  return { form, oid, size, modifier: -1, name };
};

/** Bytes before the digits in a numeric's modifier (`VARHDRSZ`). */
const modifierOffset = 4;

function typeOf(type: SqlType): PostgresType {
  if (type.kind === "list") {
    const item = typeOf(type.item);
    if (item.form === "array") return scalar("json");
    const [, oid] = scalars[item.form as Scalar];
    return { form: "array", oid, size: -1, modifier: item.modifier, name: `${item.name}[]`, item };
  }
  if (type.kind !== "scalar") return scalar("json");
  const [, width, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type.name) ?? [];
  if (width !== undefined && scale !== undefined)
    return {
      ...scalar("numeric"),
      modifier: ((Number(width) << 16) | Number(scale)) + modifierOffset,
      name: `numeric(${width},${scale})`,
    };
  return scalar(forms[type.name] ?? "text");
}

/** The type for one as DuckDB prints it, such as `DECIMAL(18,2)[]`. */
export function postgresType(text: string): PostgresType {
  // What the grammar of columns does not have: results may be of it.
  if (/^(UNION|STRUCT|MAP)\b.*\)$/s.test(text)) return scalar("json");
  try {
    return typeOf(parseSqlType(text));
  } catch {
    return scalar(text.endsWith("]") ? "json" : "text");
  }
}

const byOid = new Map<number, PostgresType>(
  (Object.keys(scalars) as Scalar[]).flatMap((form): [number, PostgresType][] => {
    const item = scalar(form);
    const [oid, arrayOid] = scalars[form];
    return [
      [oid, item],
      [arrayOid, { form: "array", oid: arrayOid, size: -1, modifier: -1, name: `${item.name}[]`, item }],
    ];
  }),
);
/** Types that clients name and that are written as others are: varchar, bpchar, name, jsonb, and arrays of them. */
const alike: Readonly<Record<number, number>> = {
  1043: 25,
  1042: 25,
  19: 25,
  3802: 114,
  1015: 1009,
  1014: 1009,
  1003: 1009,
  3807: 199,
};

/** The type of this number; undefined for one that nobody here reads. */
export const typeOfOid = (oid: number): PostgresType | undefined => byOid.get(alike[oid] ?? oid);
export const oidOf = (form: Scalar): number => scalars[form][0];
