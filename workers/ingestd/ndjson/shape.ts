/**
 * What all the values at one place of an NDJSON file have in common, and the type that holds each of them: whole
 * numbers BIGINT, other numbers DOUBLE when a double has exactly that value, objects STRUCT, arrays lists. Numbers
 * that neither holds stay text as they are written, and so do columns of different scalars (300 beside "Up" is the text
 * 300). Objects or arrays beside other values stay JSON text, in which a string keeps its quotes.
 */
import { isSameNumber } from "../../../runtime/json/json.ts";
import { inOneGo } from "../../../runtime/scheduling/scheduling.ts";
import { fold, quoteName, typeCharactersMax } from "../../../runtime/sql/sql.ts";
import { type JsonValue, pauseEvery } from "./json-value.ts";

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

/** Steps that a value takes, about, as `Slices` counts them. */
const valueSteps = 20;

/** Takes one more value into account. */
export const addValue = (shape: JsonShape, value: JsonValue): void => inOneGo(adding(shape, value));

/** The same in steps: a value may hold millions of others. Those of one shape are seen in their order. */
export function* adding(shape: JsonShape, value: JsonValue): Generator<number, void> {
  const open: { of: JsonShape; parent: JsonValue }[] = [];
  let steps = 0;
  const take = (of: JsonShape, each: JsonValue) => {
    steps += valueSteps;
    note(of, each);
    if (each.fields || each.items) open.push({ of, parent: each });
  };
  take(shape, value);
  // What is found on the way is looked at in its turn.
  for (const { of, parent } of open) {
    for (const [key, field] of parent.fields ?? []) {
      take(fieldOf(of, key), field);
      if (steps > pauseEvery) yield pause();
    }
    for (const item of parent.items ?? []) {
      of.item ??= emptyShape();
      take(of.item, item);
      if (steps > pauseEvery) yield pause();
    }
  }
  function pause(): number {
    const done = steps;
    steps = 0;
    return done;
  }
}

function note(shape: JsonShape, { kind, text }: JsonValue): void {
  if (kind === "null") return;
  if (kind === "int" || kind === "number") {
    shape.fits64 &&= kind === "int" && fits64(text);
    shape.exact &&= isExactDouble(text);
  }
  shape.kind = shape.kind === undefined || shape.kind === kind ? kind : mix(shape.kind, kind);
}

function mix(before: string, now: string): "number" | "scalar" | "mixed" {
  if (isNumeric(before) && isNumeric(now)) return "number";
  return isScalar(before) && isScalar(now) ? "scalar" : "mixed";
}

const isScalar = (kind: string): boolean => !["object", "array", "mixed"].includes(kind);
const isNumeric = (kind: string): boolean => kind === "int" || kind === "number";

function fieldOf(shape: JsonShape, key: string): JsonShape {
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
  // A sign and nineteen digits are the most, and reading more takes the square of their number.
  if (text.length > 20) return false;
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
  /** The type that it might have is larger than one may be. */
  tooLarge?: true;
}

/**
 * The type of a column of so many values a row at most. Anything that has no exact type, or a larger one, is JSON text,
 * and nothing of it is lost.
 */
export function columnTypeOf(shape: JsonShape, valuesMax: number): JsonColumnType {
  const { kind } = shape;
  if (kind === undefined || kind === "string" || kind === "scalar") return { type: "VARCHAR", as: "plain" };
  if (isNumeric(kind)) return { type: scalarType(shape) ?? "VARCHAR", as: "plain" };
  if (kind === "boolean") return { type: "BOOLEAN", as: "plain" };
  const isLarge = valuesOf(shape) > valuesMax;
  const nested = kind === "mixed" || isLarge ? undefined : nestedType(shape);
  return nested && nested.type.length <= typeCharactersMax
    ? { type: nested.type, as: "json", structure: JSON.stringify(nested.structure) }
    : { type: "VARCHAR", as: "json", ...((isLarge || nested) && { tooLarge: true }) };
}

/** Values that a row has at most in a column of this shape: the columns that Parquet makes of it. */
export function valuesOf({ kind, fields, item }: JsonShape): number {
  if (kind === "array") return item ? valuesOf(item) : 1;
  if (kind !== "object") return 1;
  let count = 0;
  for (const field of fields.values()) count += valuesOf(field);
  return count;
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
  const type = `STRUCT(${fields.map(({ key, nested }) => `${quoteName(key)} ${nested?.type}`).join(", ")})`;
  const structure = Object.fromEntries(
    fields.map(({ key, nested }) => [key, nested?.structure ?? "VARCHAR"]),
  );
  return { type, structure };
}
