/** Which Arrow type stands for each of DuckDB's, and how its values are laid out. */
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  Map_,
  Struct,
  TimeMicrosecond,
  TimeNanosecond,
  Timestamp,
  TimeUnit,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import type { ColumnType, TypeOf } from "../values/values.ts";

type ArrowForm = "fixed" | "bits" | "decimal" | "bytes" | "text" | "list" | "fixed-list" | "struct";

/** How a column of the type is built. `text` types have no Arrow type of their own and go as their text in CSV. */
export function arrowForm({ kind }: ColumnType): ArrowForm {
  switch (kind) {
    case "boolean":
      return "bits";
    case "decimal":
    case "hugeint":
    case "uhugeint":
      return "decimal";
    case "text":
    case "json":
    case "blob":
      return "bytes";
    case "list":
    case "map":
      return "list";
    case "array":
      return "fixed-list";
    case "struct":
      return "struct";
    case "enum":
    case "uuid":
    case "bit":
    case "bignum":
    case "time_tz":
    case "interval":
    case "union":
    case "unsupported":
      return "text";
    default:
      return "fixed";
  }
}

const units = {
  s: TimeUnit.SECOND,
  ms: TimeUnit.MILLISECOND,
  us: TimeUnit.MICROSECOND,
  ns: TimeUnit.NANOSECOND,
} as const;

const fixed = {
  int8: () => new Int8(),
  int16: () => new Int16(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  uint8: () => new Uint8(),
  uint16: () => new Uint16(),
  uint32: () => new Uint32(),
  uint64: () => new Uint64(),
  float: () => new Float32(),
  double: () => new Float64(),
  date: () => new DateDay(),
  time: () => new TimeMicrosecond(),
  time_ns: () => new TimeNanosecond(),
  boolean: () => new Bool(),
  blob: () => new Binary(),
  // All 38 digits that a DECIMAL may have: sums of integers are HUGEINT and should stay numbers.
  hugeint: () => new Decimal(0, 38, 128),
  uhugeint: () => new Decimal(0, 38, 128),
} as const;

/** The Arrow type; what has none of its own is Utf8. */
export function arrowType(type: ColumnType): DataType {
  switch (type.kind) {
    case "timestamp":
      return new Timestamp(units[type.unit], type.zoned ? "UTC" : null);
    case "decimal":
      return new Decimal(type.scale, type.width, 128);
    case "list":
      return new List(new Field("item", arrowType(type.item), true));
    case "array":
      return new FixedSizeList(type.length, new Field("item", arrowType(type.item), true));
    case "map":
      return new Map_(new Field("entries", entriesType(type), false) as never, false);
    case "struct":
      return new Struct(type.fields.map((field) => new Field(field.name, arrowType(field.type), true)));
    default:
      return Object.hasOwn(fixed, type.kind) ? fixed[type.kind as keyof typeof fixed]() : new Utf8();
  }
}

export const entriesType = ({ key, value }: TypeOf<"map">): Struct =>
  new Struct([new Field("key", arrowType(key), false), new Field("value", arrowType(value), true)]);
