/**
 * What all the values at one place of an NDJSON file have in common, and the type that holds each of them: whole
 * numbers BIGINT, other numbers DOUBLE when a double has exactly that value, objects STRUCT, arrays lists. Numbers
 * that neither holds stay text as they are written, and so do columns of different scalars (300 beside "Up" is the text
 * 300). Objects or arrays beside other values stay JSON text, in which a string keeps its quotes.
 */
import { isSameNumber } from "../../runtime/json.ts";
import { fold } from "../../runtime/sql-name.ts";
import type { JsonValue } from "./json-value.ts";
import { identifier } from "./sql-text.ts";

export interface JsonShape {
  /** Undefined while only null was seen. */
  kind?: "boolean" | "int" | "number" | "string" | "scalar" | "object" | "array" | "mixed";
  /** All integers fit 64 bits. */
  fits64: boolean;
  /** All numbers are exactly those of doubles. */
  exact: boolean;
  fields: Map<string, JsonShape>;
  item?: JsonShape;
}

export const emptyShape = (): JsonShape => ({ fits64: true, exact: true, fields: new Map() });

/** Takes one more value into account. */
export function addValue(shape: JsonShape, value: JsonValue): void {
  const { kind } = value;
  if (kind === "null") return;
  if (kind === "int" || kind === "number") {
    shape.fits64 &&= kind === "int" && fits64(value.text);
    shape.exact &&= isExactDouble(value.text);
  }
  shape.kind = shape.kind === undefined || shape.kind === kind ? kind : mix(shape.kind, kind);
  for (const [key, field] of value.fields ?? []) addValue(fieldOf(shape, key), field);
  for (const item of value.items ?? []) {
    shape.item ??= emptyShape();
    addValue(shape.item, item);
  }
}

function mix(before: string, now: string): "number" | "scalar" | "mixed" {
  if (isNumeric(before) && isNumeric(now)) return "number";
  return isScalar(before) && isScalar(now) ? "scalar" : "mixed";
}

const isScalar = (kind: string): boolean => !["object", "array", "mixed"].includes(kind);
const isNumeric = (kind: string): boolean => kind === "int" || kind === "number";

export function fieldOf(shape: JsonShape, key: string): JsonShape {
  const known = shape.fields.get(key);
  if (known) return known;
  const made = emptyShape();
  shape.fields.set(key, made);
  return made;
}

const int64Max = 2n ** 63n - 1n;

/** Minus zero is no integer: BIGINT has only one zero. */
function fits64(text: string): boolean {
  if (text === "-0") return false;
  if (text.length < 19) return true;
  const value = BigInt(text);
  return value <= int64Max && value >= -int64Max - 1n;
}

/** True when the double nearest to the number is written, at its shortest, as the same decimal. */
export function isExactDouble(text: string): boolean {
  const value = Number(text);
  return Number.isFinite(value) && isSameNumber(text, String(value));
}

export interface JsonColumnType {
  type: string;
  /** How a value is written for DuckDB: its characters, or as JSON text. */
  as: "plain" | "json";
  /** For from_json, where the type is nested. */
  structure?: string;
}

/** The type of a column. Anything that has no exact type is JSON text, and nothing of it is lost. */
export function columnTypeOf(shape: JsonShape): JsonColumnType {
  const { kind } = shape;
  if (kind === undefined || kind === "string" || kind === "scalar") return { type: "VARCHAR", as: "plain" };
  if (isNumeric(kind)) return { type: scalarType(shape) ?? "VARCHAR", as: "plain" };
  if (kind === "boolean") return { type: "BOOLEAN", as: "plain" };
  const nested = kind === "mixed" ? undefined : nestedType(shape);
  return nested
    ? { type: nested.type, as: "json", structure: JSON.stringify(nested.structure) }
    : { type: "VARCHAR", as: "json" };
}

const scalarType = ({ kind, fits64: whole, exact }: JsonShape): string | undefined => {
  if (kind === undefined || kind === "string") return "VARCHAR";
  if (kind === "boolean") return "BOOLEAN";
  if (kind === "int" && whole) return "BIGINT";
  return isNumeric(kind) && exact ? "DOUBLE" : undefined;
};

type Structure = string | Structure[] | { [key: string]: Structure };

function nestedType(shape: JsonShape): { type: string; structure: Structure } | undefined {
  if (shape.kind === "array") {
    const item = nestedType(shape.item ?? emptyShape());
    return item && { type: `${item.type}[]`, structure: [item.structure] };
  }
  if (shape.kind !== "object") {
    const type = scalarType(shape);
    return type === undefined ? undefined : { type, structure: type };
  }
  const keys = [...shape.fields.keys()];
  const distinct = new Set(keys.map(fold));
  if (keys.length === 0 || distinct.size < keys.length || distinct.has("")) return undefined;
  const fields = keys.map((key) => ({ key, nested: nestedType(shape.fields.get(key) ?? emptyShape()) }));
  if (fields.some(({ nested }) => nested === undefined)) return undefined;
  const type = `STRUCT(${fields.map(({ key, nested }) => `${identifier(key)} ${nested?.type}`).join(", ")})`;
  const structure = Object.fromEntries(
    fields.map(({ key, nested }) => [key, nested?.structure ?? "VARCHAR"]),
  );
  return { type, structure };
}
