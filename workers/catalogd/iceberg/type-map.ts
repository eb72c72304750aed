/** Types of columns in SQL and in Iceberg (format v2, §"Primitive Types"), both ways. */
import { parseSqlType, type SqlType } from "../../../runtime/sql/sql.ts";

export interface IcebergField {
  id: number;
  name: string;
  required: boolean;
  type: IcebergType;
  doc?: string;
  [attribute: string]: unknown;
}
export interface IcebergStruct {
  type: "struct";
  fields: readonly IcebergField[];
}
interface IcebergList {
  type: "list";
  "element-id": number;
  element: IcebergType;
  "element-required": boolean;
}
interface IcebergMap {
  type: "map";
  "key-id": number;
  key: IcebergType;
  "value-id": number;
  value: IcebergType;
  "value-required": boolean;
}
export type IcebergType = string | IcebergStruct | IcebergList | IcebergMap;

/** What readers of Iceberg find in our Parquet files of each type. */
const scalars: Readonly<Record<string, string>> = {
  BOOLEAN: "boolean",
  TINYINT: "int",
  UTINYINT: "int",
  SMALLINT: "int",
  USMALLINT: "int",
  INTEGER: "int",
  UINTEGER: "long",
  BIGINT: "long",
  FLOAT: "float",
  DOUBLE: "double",
  VARCHAR: "string",
  JSON: "string",
  BLOB: "binary",
  UUID: "uuid",
  DATE: "date",
  TIME: "time",
  TIMESTAMP: "timestamp",
  TIMESTAMP_S: "timestamp",
  TIMESTAMP_MS: "timestamp",
  "TIMESTAMP WITH TIME ZONE": "timestamptz",
};

/** Thrown where a type has no counterpart; the message names it. */
export class NoSuchType extends Error {
  override name = "NoSuchType";
}

/**
 * The Iceberg type of a type of ours; what is nested in it gets ids by `nextId`, a field before what is in it. Throws
 * `NoSuchType` where no type of format 2 holds its values as they are in the file.
 */
export function icebergTypeOf(type: SqlType, nextId: () => number): IcebergType {
  if (type.kind === "list") {
    const id = nextId();
    const element = icebergTypeOf(type.item, nextId);
    return { type: "list", "element-id": id, element, "element-required": false };
  }
  if (type.kind === "map") {
    const keyId = nextId();
    const key = icebergTypeOf(type.key, nextId);
    const valueId = nextId();
    const value = icebergTypeOf(type.value, nextId);
    return { type: "map", "key-id": keyId, key, "value-id": valueId, value, "value-required": false };
  }
  if (type.kind === "struct") {
    const fields = type.fields.map(({ name, type: inner }) => ({
      id: nextId(),
      name,
      required: false,
      type: icebergTypeOf(inner, nextId),
    }));
    return { type: "struct", fields };
  }
  if (type.name.startsWith("DECIMAL")) return `decimal${type.name.slice("DECIMAL".length)}`;
  if (type.name.startsWith("ENUM")) return "string";
  const found = scalars[type.name];
  if (found === undefined) throw new NoSuchType(type.name);
  return found;
}

const sqlNames: Readonly<Record<string, string>> = {
  boolean: "BOOLEAN",
  int: "INTEGER",
  long: "BIGINT",
  float: "FLOAT",
  double: "DOUBLE",
  string: "VARCHAR",
  binary: "BLOB",
  uuid: "UUID",
  date: "DATE",
  time: "TIME",
  timestamp: "TIMESTAMP",
  timestamptz: "TIMESTAMP WITH TIME ZONE",
};

/** Our type for a type of Iceberg's. Throws `NoSuchType` for one of a later format, or that is none. */
export function sqlTypeOf(type: IcebergType): SqlType {
  if (typeof type !== "string") return nestedSqlType(type);
  const decimal = /^decimal\((\d+),\s*(\d+)\)$/.exec(type);
  if (decimal) return parseSqlType(`DECIMAL(${decimal[1]},${decimal[2]})`);
  if (/^fixed\[\d+\]$/.test(type)) return { kind: "scalar", name: "BLOB" };
  const name = sqlNames[type];
  if (name === undefined) throw new NoSuchType(type);
  return { kind: "scalar", name };
}

function nestedSqlType(type: Exclude<IcebergType, string>): SqlType {
  if (type.type === "list") return { kind: "list", item: sqlTypeOf(type.element) };
  if (type.type === "map") return { kind: "map", key: sqlTypeOf(type.key), value: sqlTypeOf(type.value) };
  const fields = type.fields.map((field) => ({ name: field.name, type: sqlTypeOf(field.type) }));
  return { kind: "struct", fields };
}
