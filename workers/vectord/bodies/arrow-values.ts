/** Arrow values as the JSON that metadata is. */
import { DataType, type StructRow, type Vector } from "apache-arrow";
import { fail } from "../../../runtime/errors/errors.ts";

/** Throws `bad_request` for a column whose values have no plain form in JSON. */
export function checkArrowType(name: string, type: DataType): void {
  if (DataType.isDictionary(type)) {
    checkArrowType(name, type.dictionary);
    return;
  }
  if (isNested(type)) {
    for (const child of type.children) checkArrowType(`${name}.${child.name}`, child.type);
    return;
  }
  const isPlain = [
    DataType.isNull,
    DataType.isBool,
    DataType.isInt,
    DataType.isFloat,
    DataType.isUtf8,
    DataType.isLargeUtf8,
    DataType.isDate,
    DataType.isTimestamp,
  ].some((is) => is(type));
  if (!isPlain)
    throw fail(
      "bad_request",
      `Arrow stream: column ${name.slice(0, 100)}: ${type} cannot be metadata; cast it to text or a number`,
    );
}

const isNested = (type: DataType): boolean =>
  DataType.isStruct(type) || DataType.isList(type) || DataType.isFixedSizeList(type);

/** Times become RFC 3339, integers beyond 2^53 text, and what JSON cannot say (NaN, infinities) null. */
export function jsonOf(value: unknown, type: DataType): unknown {
  if (value === null || value === undefined) return null;
  if (DataType.isDictionary(type)) return jsonOf(value, type.dictionary);
  if (DataType.isDate(type) || DataType.isTimestamp(type)) return new Date(Number(value)).toISOString();
  if (typeof value === "bigint")
    return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (DataType.isStruct(type)) {
    const row = value as StructRow & Record<string, unknown>;
    return Object.fromEntries(
      type.children.map((child) => [child.name, jsonOf(row[child.name], child.type)]),
    );
  }
  const element = type.children?.[0]?.type;
  return element ? Array.from(value as Vector, (one) => jsonOf(one, element)) : value;
}
