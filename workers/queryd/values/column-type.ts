/** The type of a result column, as DuckDB lays its values out; every format chooses its form by `kind`. */
import { fail } from "../../../runtime/errors/errors.ts";

type IntegerKind = "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64";

/** Units of a timestamp's 64-bit count since 1970. */
export type TimestampUnit = "s" | "ms" | "us" | "ns";

export interface Field {
  name: string;
  type: ColumnType;
}

type Shape =
  | { kind: IntegerKind | "float" | "double" | "boolean" | "hugeint" | "uhugeint" | "bignum" }
  | { kind: "text" | "json" | "blob" | "bit" | "uuid" }
  | { kind: "date" | "time" | "time_ns" | "time_tz" | "interval" }
  | { kind: "timestamp"; unit: TimestampUnit; zoned: boolean }
  | { kind: "decimal"; width: number; scale: number; bytes: 2 | 4 | 8 | 16 }
  | { kind: "enum"; values: readonly string[]; bytes: 1 | 2 | 4 }
  | { kind: "list"; item: ColumnType }
  | { kind: "array"; item: ColumnType; length: number }
  | { kind: "map"; key: ColumnType; value: ColumnType }
  | { kind: "struct"; fields: readonly Field[] }
  | { kind: "union"; fields: readonly Field[] }
  | { kind: "unsupported" };

/** `name` is the type as SQL writes it. */
export type ColumnType = Shape & { name: string };
export type TypeOf<K extends ColumnType["kind"]> = Extract<ColumnType, { kind: K }>;

export interface Column {
  name: string;
  type: ColumnType;
}

const integerBytes: Record<IntegerKind, 1 | 2 | 4 | 8> = {
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
};

/** Bytes of one value in a vector's data; 0 where the values live in child vectors alone. */
export function bytesOf(type: ColumnType): number {
  switch (type.kind) {
    case "boolean":
      return 1;
    case "float":
    case "date":
      return 4;
    case "double":
    case "timestamp":
    case "time":
    case "time_ns":
    case "time_tz":
      return 8;
    case "decimal":
    case "enum":
      return type.bytes;
    case "struct":
    case "union":
    case "array":
    case "unsupported":
      return 0;
    case "text":
    case "json":
    case "blob":
    case "bit":
    case "bignum":
    case "uuid":
    case "hugeint":
    case "uhugeint":
    case "interval":
    case "list":
    case "map":
      return 16;
    default:
      return integerBytes[type.kind];
  }
}

/** The types inside a type. */
function insideOf(type: ColumnType): readonly ColumnType[] {
  if (type.kind === "list" || type.kind === "array") return [type.item];
  if (type.kind === "map") return [type.key, type.value];
  return type.kind === "struct" || type.kind === "union" ? type.fields.map((field) => field.type) : [];
}

/** The first type in the tree that the test holds for. */
export function findType(type: ColumnType, test: (type: ColumnType) => boolean): ColumnType | undefined {
  if (test(type)) return type;
  for (const inside of insideOf(type)) {
    const found = findType(inside, test);
    if (found) return found;
  }
  return undefined;
}

/** Throws `sql_error` for types that exist inside DuckDB but have no form outside of it. */
export function checkColumns(columns: readonly Column[]): void {
  for (const { name, type } of columns) {
    const bad = findType(type, ({ kind }) => kind === "unsupported");
    if (bad)
      throw fail(
        "sql_error",
        `column '${name}' has the type ${bad.name}, which no result format holds: CAST it to VARCHAR or JSON`,
      );
  }
}
