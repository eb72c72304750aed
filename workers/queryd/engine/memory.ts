/** DuckDB's types and vectors as it lays them out in memory; the only file that knows its raw binding. */

import { type Pointer, toArrayBuffer } from "bun:ffi";
import duckdb, { type DataChunk, type LogicalType, type Vector as RawVector } from "@duckdb/node-bindings";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import {
  type Batch,
  bytesOf,
  type ColumnType,
  type Field,
  isValid,
  type TimestampUnit,
  type TypeOf,
  type Vector,
  windowBytes,
} from "../values/values.ts";

const { Type } = duckdb;

const plain: Readonly<Record<number, ColumnType>> = {
  [Type.BOOLEAN]: { kind: "boolean", name: "BOOLEAN" },
  [Type.TINYINT]: { kind: "int8", name: "TINYINT" },
  [Type.SMALLINT]: { kind: "int16", name: "SMALLINT" },
  [Type.INTEGER]: { kind: "int32", name: "INTEGER" },
  [Type.BIGINT]: { kind: "int64", name: "BIGINT" },
  [Type.UTINYINT]: { kind: "uint8", name: "UTINYINT" },
  [Type.USMALLINT]: { kind: "uint16", name: "USMALLINT" },
  [Type.UINTEGER]: { kind: "uint32", name: "UINTEGER" },
  [Type.UBIGINT]: { kind: "uint64", name: "UBIGINT" },
  [Type.FLOAT]: { kind: "float", name: "FLOAT" },
  [Type.DOUBLE]: { kind: "double", name: "DOUBLE" },
  [Type.HUGEINT]: { kind: "hugeint", name: "HUGEINT" },
  [Type.UHUGEINT]: { kind: "uhugeint", name: "UHUGEINT" },
  [Type.BIGNUM]: { kind: "bignum", name: "BIGNUM" },
  [Type.BLOB]: { kind: "blob", name: "BLOB" },
  [Type.BIT]: { kind: "bit", name: "BIT" },
  [Type.UUID]: { kind: "uuid", name: "UUID" },
  [Type.DATE]: { kind: "date", name: "DATE" },
  [Type.TIME]: { kind: "time", name: "TIME" },
  [Type.TIME_NS]: { kind: "time_ns", name: "TIME_NS" },
  [Type.TIME_TZ]: { kind: "time_tz", name: "TIME WITH TIME ZONE" },
  [Type.INTERVAL]: { kind: "interval", name: "INTERVAL" },
  [Type.TIMESTAMP]: timestampOf("TIMESTAMP", "us"),
  [Type.TIMESTAMP_TZ]: timestampOf("TIMESTAMP WITH TIME ZONE", "us", true),
  [Type.TIMESTAMP_S]: timestampOf("TIMESTAMP_S", "s"),
  [Type.TIMESTAMP_MS]: timestampOf("TIMESTAMP_MS", "ms"),
  [Type.TIMESTAMP_NS]: timestampOf("TIMESTAMP_NS", "ns"),
};

function timestampOf(name: string, unit: TimestampUnit, zoned = false): TypeOf<"timestamp"> {
  return { kind: "timestamp", unit, zoned, name };
}

const fieldsText = (fields: readonly Field[]): string =>
  fields.map(({ name, type }) => (name === "" ? type.name : `${quoteName(name)} ${type.name}`)).join(", ");

/** The type tree of a column. */
export function columnTypeOf(type: LogicalType): ColumnType {
  const id = duckdb.get_type_id(type);
  const known = plain[id];
  if (known) return known;
  switch (id) {
    case Type.VARCHAR:
      return duckdb.logical_type_get_alias(type) === "JSON"
        ? { kind: "json", name: "JSON" }
        : { kind: "text", name: "VARCHAR" };
    case Type.DECIMAL:
      return decimalOf(duckdb.decimal_width(type), duckdb.decimal_scale(type));
    case Type.ENUM:
      return enumOf(type);
    case Type.LIST: {
      const item = columnTypeOf(duckdb.list_type_child_type(type));
      return { kind: "list", item, name: `${item.name}[]` };
    }
    case Type.ARRAY: {
      const item = columnTypeOf(duckdb.array_type_child_type(type));
      const length = duckdb.array_type_array_size(type);
      return { kind: "array", item, length, name: `${item.name}[${length}]` };
    }
    case Type.MAP: {
      const key = columnTypeOf(duckdb.map_type_key_type(type));
      const value = columnTypeOf(duckdb.map_type_value_type(type));
      return { kind: "map", key, value, name: `MAP(${key.name}, ${value.name})` };
    }
    case Type.STRUCT: {
      const fields = Array.from({ length: duckdb.struct_type_child_count(type) }, (_, at) => ({
        name: duckdb.struct_type_child_name(type, at),
        type: columnTypeOf(duckdb.struct_type_child_type(type, at)),
      }));
      return { kind: "struct", fields, name: `STRUCT(${fieldsText(fields)})` };
    }
    case Type.UNION: {
      const fields = Array.from({ length: duckdb.union_type_member_count(type) }, (_, at) => ({
        name: duckdb.union_type_member_name(type, at),
        type: columnTypeOf(duckdb.union_type_member_type(type, at)),
      }));
      return { kind: "union", fields, name: `UNION(${fieldsText(fields)})` };
    }
    default:
      return { kind: "unsupported", name: Type[id] ?? "UNKNOWN" };
  }
}

function decimalOf(width: number, scale: number): ColumnType {
  const bytes = width <= 4 ? 2 : width <= 9 ? 4 : width <= 18 ? 8 : 16;
  return { kind: "decimal", width, scale, bytes, name: `DECIMAL(${width},${scale})` };
}

function enumOf(type: LogicalType): ColumnType {
  const size = duckdb.enum_dictionary_size(type);
  const values = Array.from({ length: size }, (_, at) => duckdb.enum_dictionary_value(type, at));
  const bytes = size <= 256 ? 1 : size <= 65_536 ? 2 : 4;
  const text = values.map(quoteText).join(", ");
  return { kind: "enum", values, bytes, name: `ENUM(${text})` };
}

const nothing = new DataView(new ArrayBuffer(0));
const nowhere = new Uint8Array();

function vectorOf(raw: RawVector, type: ColumnType, rows: number): Vector {
  const bytes = bytesOf(type) * rows;
  const memory = bytes > 0 ? duckdb.vector_get_data(raw, bytes) : undefined;
  const data = memory ? new DataView(memory.buffer, memory.byteOffset, bytes) : nothing;
  const valid = rows > 0 ? duckdb.vector_get_validity(raw, Math.ceil(rows / 64) * 8) : null;
  const children = childrenOf(raw, type, rows);
  return { type, rows, valid: valid ?? null, data, children, longMemory: longMemoryOf(data) };
}

/** Views are kept for the memory that DuckDB uses again and again; each is a range of addresses, and owns nothing. */
const windows = new Map<number, Uint8Array<ArrayBuffer>>();
/** The collector counts a view's bytes as if it held them. */
const windowsMax = 64;

/**
 * A view costs more to make than most values to copy, so a window is kept for many values. Parts of it that hold no value
 * may be unmapped memory, and are never read.
 */
function longMemoryOf(data: DataView): Vector["longMemory"] {
  let key = -1;
  let window = nowhere;
  return (row) => {
    const at = row * 16;
    const low = data.getUint32(at + 8, true);
    const high = data.getUint32(at + 12, true);
    const length = data.getUint32(at, true);
    if (length > windowBytes) return viewOf(low, high, windowBytes + length);
    const wanted = high * (2 ** 32 / windowBytes) + Math.floor(low / windowBytes);
    if (wanted === key) return window;
    key = wanted;
    window = windows.get(key) ?? keepWindow(key, viewOf(low, high, 2 * windowBytes));
    return window;
  };
}

function keepWindow(key: number, view: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (windows.size >= windowsMax) windows.clear();
  windows.set(key, view);
  return view;
}

const viewOf = (low: number, high: number, bytes: number): Uint8Array<ArrayBuffer> => {
  const place = high * 2 ** 32 + low - (low % windowBytes);
  return new Uint8Array(toArrayBuffer(place as Pointer, 0, bytes));
};

const tagType: ColumnType = { kind: "uint8", name: "UTINYINT" };

function childrenOf(raw: RawVector, type: ColumnType, rows: number): Vector[] {
  const field = (at: number, inside: ColumnType, parent = raw, count = rows) =>
    vectorOf(duckdb.struct_vector_get_child(parent, at), inside, count);
  switch (type.kind) {
    case "list":
      return [vectorOf(duckdb.list_vector_get_child(raw), type.item, duckdb.list_vector_get_size(raw))];
    case "array":
      return [vectorOf(duckdb.array_vector_get_child(raw), type.item, rows * type.length)];
    case "map": {
      const entries = duckdb.list_vector_get_child(raw);
      const count = duckdb.list_vector_get_size(raw);
      return [field(0, type.key, entries, count), field(1, type.value, entries, count)];
    }
    case "struct":
      return type.fields.map((inside, at) => field(at, inside.type));
    case "union":
      return [field(0, tagType), ...type.fields.map((inside, at) => field(at + 1, inside.type))];
    default:
      return [];
  }
}

const markType: ColumnType = { kind: "boolean", name: "BOOLEAN" };

/** The rows of a chunk, or the first of them. */
export function batchOf(
  chunk: DataChunk,
  types: readonly ColumnType[],
  rows = duckdb.data_chunk_get_size(chunk),
): Batch {
  return {
    rows,
    columns:
      rows === 0
        ? []
        : types.map((type, at) => vectorOf(duckdb.data_chunk_get_vector(chunk, at), type, rows)),
  };
}

/**
 * The rows of a chunk of a marked statement. `marked` says that its last row was the end marker, which is left
 * out; a marker anywhere else is not found, and the result then counts as cut short.
 */
export function markedBatch(
  chunk: DataChunk,
  types: readonly ColumnType[],
): { batch: Batch; marked: boolean } {
  const count = duckdb.data_chunk_get_size(chunk);
  const mark = vectorOf(duckdb.data_chunk_get_vector(chunk, types.length), markType, count);
  const marked = isValid(mark, count - 1);
  return { batch: batchOf(chunk, types, marked ? count - 1 : count), marked };
}
