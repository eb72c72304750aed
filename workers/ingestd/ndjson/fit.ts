/** Whether JSON values are what a registered column holds, and how such a column is read. */
import type { SqlType } from "../../../runtime/sql/sql.ts";
import type { JsonValue } from "./json-value.ts";
import { addValue, emptyShape, type JsonShape } from "./shape.ts";

/**
 * True when all values of the shape have the type without loss. A column of texts alone fits: the cast looks at each of
 * them. In a column of mixed kinds a text does not fit a number.
 */
export function fits(shape: JsonShape, type: SqlType): boolean {
  return shape.kind === "string" && type.kind === "scalar" ? true : holds(shape, type, true);
}

/** True when the value has the type without loss, by its kind. */
export function valueFits(value: JsonValue, type: SqlType): boolean {
  const shape = emptyShape();
  addValue(shape, value);
  return holds(shape, type, true);
}

/** Inside a nested type a value is what JSON says it is; in a column of text every scalar has its characters. */
function holds(shape: JsonShape, type: SqlType, outermost: boolean): boolean {
  const { kind } = shape;
  if (kind === undefined) return true;
  if (type.kind === "map") return false;
  if (type.kind === "list") return kind === "array" && holds(shape.item ?? emptyShape(), type.item, false);
  if (type.kind === "struct") {
    const fields = new Map(type.fields.map((field) => [field.name, field.type]));
    const known = ([key, field]: [string, JsonShape]) => {
      const of = fields.get(key);
      return of !== undefined && holds(field, of, false);
    };
    return kind === "object" && [...shape.fields].every(known);
  }
  const isNumber = kind === "int" || kind === "number";
  if (type.name === "VARCHAR") return outermost || kind === "string";
  if (type.name === "BOOLEAN") return kind === "boolean";
  if (type.name === "BIGINT") return kind === "int" && shape.fits64;
  if (type.name === "DOUBLE") return isNumber && shape.exact;
  return outermost && (isNumber || kind === "string");
}

/** The structure that `from_json` takes for a nested type whose scalars JSON has; undefined for others. */
export function structureOf(type: SqlType): string | undefined {
  const structure = partOf(type);
  return structure === undefined || typeof structure === "string" ? undefined : JSON.stringify(structure);
}

type Structure = string | Structure[] | { [key: string]: Structure };

function partOf(type: SqlType): Structure | undefined {
  if (type.kind === "map") return undefined;
  if (type.kind === "scalar")
    return ["VARCHAR", "BOOLEAN", "BIGINT", "DOUBLE"].includes(type.name) ? type.name : undefined;
  if (type.kind === "list") {
    const item = partOf(type.item);
    return item === undefined ? undefined : [item];
  }
  const fields = type.fields.map((field): [string, Structure | undefined] => [
    field.name,
    partOf(field.type),
  ]);
  if (fields.some(([, structure]) => structure === undefined)) return undefined;
  return Object.fromEntries(fields) as Structure;
}
