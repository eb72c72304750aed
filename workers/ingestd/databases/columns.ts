/** What the types of PostgreSQL become, and how their values are written so that none is another one. */
import { quoteName } from "../../../runtime/sql/sql.ts";

export interface SourceColumn {
  name: string;
  /** As `format_type` or `pg_typeof` write it. */
  type: string;
}

/** The type of a dataset's column; undefined where the values decide, among those of numbers. */
const types: Readonly<Record<string, string>> = {
  boolean: "BOOLEAN",
  smallint: "INTEGER",
  integer: "INTEGER",
  bigint: "BIGINT",
  oid: "BIGINT",
  real: "FLOAT",
  "double precision": "DOUBLE",
  date: "DATE",
  "time without time zone": "TIME",
  "timestamp without time zone": "TIMESTAMP",
  "timestamp with time zone": "TIMESTAMPTZ",
  uuid: "UUID",
};
/** Digits that a DECIMAL has at most. */
const digitsMax = 38;

export function typeOf(type: string): string | undefined {
  const plain = type.replace(/\((\d+)\)/, "").trim();
  const known = Object.hasOwn(types, plain) ? types[plain] : undefined;
  if (known !== undefined) return known;
  if (!/^numeric\b/.test(type) || type.endsWith("[]")) return "VARCHAR";
  const [, width, scale] = /^numeric\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (width === undefined || Number(width) > digitsMax || Number(scale) > Number(width)) return undefined;
  return `DECIMAL(${width},${scale})`;
}

const isArray = (type: string) => type.endsWith("[]");
const isText = (type: string) =>
  /^(text|character|character varying|name|"char"|bpchar|xml|citext)(\(\d+\))?$/.test(type);

/** The value as text. */
export function textOf({ name, type }: SourceColumn, row: string): string {
  const value = `${row}.${quoteName(name)}`;
  if (type === "bytea") return `encode(${value}, 'hex')`;
  if (isArray(type)) return `to_json(${value})::text`;
  return `${value}::text`;
}

/** A word for each column whose values are written otherwise than PostgreSQL has them. */
export const warningsOf = (columns: readonly SourceColumn[]): string[] =>
  columns.flatMap(({ name, type }) => {
    const wrote = (how: string) => [`column '${name}' is ${type} in the source: its values are ${how}`];
    if (type === "bytea") return wrote("text of hexadecimal digits");
    if (isArray(type)) return wrote("JSON as text");
    if (type === "numeric" || typeOf(type) !== "VARCHAR" || isText(type) || /^jsonb?$/.test(type)) return [];
    return wrote("text as PostgreSQL writes it");
  });
