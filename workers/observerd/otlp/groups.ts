/** How an OTLP request holds its items, whatever they are: by resource, in these by scope. */

import { fail } from "../../../runtime/errors/errors.ts";
import { isObject } from "../../../runtime/json/json.ts";
import { type Attributes, attributesOf } from "./value.ts";

export interface Grouped {
  raw: unknown;
  resource: Attributes;
  /** The name of the instrumentation. */
  scope: string;
}

/** Names of the three lists, as `resourceSpans`, `scopeSpans`, `spans`. */
interface ListNames {
  resources: string;
  scopes: string;
  items: string;
}

/** Every item. Fields that are not known are passed over, as OTLP demands; a wrong frame is a 400. */
export function* itemsOf(
  request: Record<string, unknown>,
  { resources, scopes, items }: ListNames,
): Generator<Grouped> {
  const snake = resources.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (request[snake] !== undefined)
    throw fail("invalid_field", `${snake}: OTLP's JSON names are in lowerCamelCase, as ${resources}`);
  for (const [at, group] of listOf(request[resources], resources)) {
    const where = `${resources}.${at}`;
    const resource = attributesOf(isObject(group.resource) ? group.resource.attributes : []);
    for (const [of, scoped] of listOf(group[scopes], `${where}.${scopes}`)) {
      const scope = isObject(scoped.scope) && typeof scoped.scope.name === "string" ? scoped.scope.name : "";
      for (const [, raw] of listOf(scoped[items], `${where}.${scopes}.${of}.${items}`, false))
        yield { raw, resource, scope };
    }
  }
}

function listOf(value: unknown, where: string, objects = true): [number, Record<string, unknown>][] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw fail("invalid_field", `${where}: expected a list, got ${typeof value}`);
  const wrong = objects ? value.findIndex((item) => !isObject(item)) : -1;
  if (wrong >= 0) throw fail("invalid_field", `${where}.${wrong}: expected an object`);
  return value.map((item, at) => [at, item as Record<string, unknown>]);
}

/** An id of so many hexadecimal digits, lower case; undefined for anything else, and for zeros alone. */
export const hexId = (value: unknown, digits: number): string | undefined => {
  if (typeof value !== "string" || value.length !== digits || !/^[0-9a-f]+$/i.test(value)) return undefined;
  return /^0+$/.test(value) ? undefined : value.toLowerCase();
};

/** Nanoseconds since the epoch, as text or number; 64 bits unsigned. */
export function nanosOf(value: unknown): bigint | undefined {
  const isNumber = typeof value === "number" && Number.isInteger(value) && value > 0;
  if (!isNumber && !(typeof value === "string" && /^\d{1,20}$/.test(value))) return undefined;
  const count = BigInt(value as string | number);
  return count > 0n && count < 1n << 64n ? count : undefined;
}

/** The instant as an operation has it. */
export const timeOf = (nanos: bigint): string => new Date(Number(nanos / 1_000_000n)).toISOString();
