/** The named parameters of a saved query: from the texts of a URL to values, each as its type says. */
import type { Static } from "@sinclair/typebox";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { replaced, tokens } from "../../../runtime/sql/sql.ts";
import type { SavedQuery } from "../../catalogd/contract.ts";

type Declared = NonNullable<Static<typeof SavedQuery>["parameters"]>;
type Type = Declared[string]["type"];
type Value = string | number | boolean;

/** What a type is in the statement; the others are bound as the type that they are in JSON. */
const casts: Partial<Record<Type, string>> = { number: "DOUBLE", date: "DATE", timestamp: "TIMESTAMP" };
const allCasts: Partial<Record<Type, string>> = {
  ...casts,
  text: "VARCHAR",
  integer: "BIGINT",
  boolean: "BOOLEAN",
};

const expected: Record<Type, string> = {
  text: "text without NUL",
  integer: "a whole number within 2^53, as 42",
  number: "a number, as 2.5",
  boolean: "true or false",
  date: "a day, as 2026-01-31",
  timestamp: "a time, as 2026-01-31T09:30:00",
};

/** Names that the URL of a saved query has another use for. */
export const reservedNames: readonly string[] = ["numbers", "shape", "timeout_ms", "token", "version"];

/**
 * Throws `invalid_field` unless each parameter of the statement is declared, each that is declared stands in it, and
 * each default is of its type. `used` are the statement's parameters.
 */
export function checkDeclared(declared: Declared, used: readonly string[]): void {
  const numbered = used.find((name) => /^(\d+|\?)$/.test(name));
  if (numbered !== undefined)
    throw invalidField("sql", `parameters of a saved query have names: write $state, not $1 or ?`);
  const undeclared = used.find((name) => !Object.hasOwn(declared, name));
  if (undeclared !== undefined)
    throw invalidField(
      "parameters",
      `the statement uses $${undeclared}: expected its type, as {"${undeclared}": {"type": "text"}}`,
    );
  const names = new Set(used);
  for (const [name, { type, default: value }] of Object.entries(declared)) {
    if (reservedNames.includes(name))
      throw invalidField(`parameters.${name}`, `the URL has its own use for ${reservedNames.join(", ")}`);
    if (!names.has(name)) throw invalidField(`parameters.${name}`, `the statement has no $${name}`);
    if (value !== undefined) typedValue(`parameters.${name}.default`, type, value);
  }
}

/** The values that are bound. Throws `invalid_field` naming the parameter, and `unknown_field` for one that there is not. */
export function valuesOf(declared: Declared, given: Iterable<[string, string]>): Record<string, Value> {
  const texts = new Map<string, string>();
  for (const [name, text] of given) {
    if (!Object.hasOwn(declared, name)) {
      const known = [...Object.keys(declared), ...reservedNames].filter((each) => each !== "token");
      const field = { details: { field: name } };
      throw fail("unknown_field", `unknown query parameter '${name}'; expected ${known.join(", ")}`, field);
    }
    if (texts.has(name)) throw invalidField(name, "given more than once in the query");
    texts.set(name, text);
  }
  return Object.fromEntries(
    Object.entries(declared).map(([name, { type, default: fallback }]) => {
      const value = texts.get(name) ?? fallback;
      if (value === undefined) throw invalidField(name, `it is missing; expected ${expected[type]}`);
      return [name, typedValue(name, type, value)];
    }),
  );
}

function typedValue(field: string, type: Type, value: Value): Value {
  const found = readers[type](value);
  if (found !== undefined) return found;
  throw invalidField(field, `expected ${expected[type]}, got ${JSON.stringify(value).slice(0, 100)}`);
}

const readers: Record<Type, (value: Value) => Value | undefined> = {
  text: (value) =>
    typeof value === "string" && value.isWellFormed() && !value.includes("\0") ? value : undefined,
  integer: (value) => {
    const number = typeof value === "string" && /^[+-]?\d{1,16}$/.test(value) ? Number(value) : value;
    return Number.isSafeInteger(number) ? number : undefined;
  },
  number: (value) => {
    const isNumber = typeof value === "string" && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(value);
    const number = isNumber ? Number(value) : value;
    return typeof number === "number" && Number.isFinite(number) ? number : undefined;
  },
  boolean: (value) => {
    if (typeof value === "boolean") return value;
    return value === "true" || value === "1" ? true : value === "false" || value === "0" ? false : undefined;
  },
  date: (value) => (typeof value === "string" && isDay(value) ? value : undefined),
  timestamp: (value) => {
    const [, day = "", hour = "99"] =
      /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?$/.exec(
        String(value),
      ) ?? [];
    const isTime = typeof value === "string" && isDay(day) && (value === day || Number(hour) < 24);
    return isTime ? value : undefined;
  },
};

/** A day that the calendar has. */
function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

/**
 * The statement with parameters as their types, `$day` as `CAST($day AS DATE)`: those that JSON has no type for, or
 * `all` of them, so that what it answers with can be said without their values.
 */
export function withTypes(sql: string, declared: Declared, all?: "all"): string {
  const places = parametersIn(sql).filter(({ name }) => Object.hasOwn(declared, name));
  return replaced(sql, places, ({ name }) => {
    const { type = "text" } = declared[name] ?? {};
    const cast = all ? allCasts[type] : casts[type];
    return cast === undefined ? `$${name}` : `CAST($${name} AS ${cast})`;
  });
}

/** Where parameters stand, by their names in lower case; one without a name is `?`. */
export function parametersIn(sql: string): { name: string; start: number; end: number }[] {
  const places: { name: string; start: number; end: number }[] = [];
  let dollar: number | undefined;
  for (const { text, start, end } of tokens(sql)) {
    if (text === "?") places.push({ name: "?", start, end });
    else if (dollar !== undefined && dollar === start - 1)
      places.push({ name: sql.slice(start, end).toLowerCase(), start: dollar, end });
    dollar = text === "$" ? start : undefined;
  }
  return places;
}
