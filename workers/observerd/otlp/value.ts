/** OTLP's AnyValue and KeyValue as plain JSON, within bounds. */

import { isObject } from "../../../runtime/json/json.ts";

// OpenTelemetry's own attribute limits: 128 attributes a span (SDK default); the rest is ours, against floods.
const attributesMax = 128;
const textCharsMax = 4 * 1024;
const itemsMax = 128;
const depthMax = 6;

export type Attributes = Map<string, unknown>;

/** Texts that become summaries are cut by whoever takes them, not here. */
function plain(value: unknown, depth: number): unknown {
  if (!isObject(value) || depth > depthMax) return null;
  if (typeof value.stringValue === "string") return value.stringValue;
  if (typeof value.boolValue === "boolean") return value.boolValue;
  if (value.intValue !== undefined) return integer(value.intValue);
  if (value.doubleValue !== undefined) return double(value.doubleValue);
  if (typeof value.bytesValue === "string") return value.bytesValue;
  if (isObject(value.arrayValue)) {
    const { values } = value.arrayValue;
    return Array.isArray(values) ? values.slice(0, itemsMax).map((item) => plain(item, depth + 1)) : [];
  }
  if (isObject(value.kvlistValue))
    return Object.fromEntries(pairs(value.kvlistValue.values, depth + 1, itemsMax));
  return null;
}

/** 64-bit integers come as text or number; those a double cannot hold stay text. */
function integer(value: unknown): number | string | null {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !/^-?\d{1,19}$/.test(value)) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Doubles that JSON cannot hold come as text, and stay so. */
const double = (value: unknown): number | string | null =>
  typeof value === "number" || value === "NaN" || value === "Infinity" || value === "-Infinity"
    ? value
    : null;

function pairs(list: unknown, depth: number, most: number): [string, unknown][] {
  if (!Array.isArray(list)) return [];
  return list
    .slice(0, most)
    .flatMap((pair): [string, unknown][] =>
      isObject(pair) && typeof pair.key === "string" && pair.key !== ""
        ? [[pair.key.slice(0, 256), plain(pair.value, depth)]]
        : [],
    );
}

/** One AnyValue as plain JSON. */
export const plainOf = (value: unknown): unknown => plain(value, 0);

/** A list of KeyValue as a map; what has no key is passed over. */
export const attributesOf = (list: unknown): Attributes => new Map(pairs(list, 0, attributesMax));

/** How many of a list `attributesOf` leaves out for their number. */
export const leftOut = (list: unknown): number =>
  Array.isArray(list) ? Math.max(0, list.length - attributesMax) : 0;

/** A value as it is kept with an operation: long texts end in an ellipsis. */
export function bounded(value: unknown): unknown {
  if (typeof value === "string")
    return value.length > textCharsMax ? `${value.slice(0, textCharsMax)}…` : value;
  if (Array.isArray(value)) return value.map(bounded);
  if (isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, bounded(item)]));
  return value;
}
