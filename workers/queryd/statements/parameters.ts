/** The values of `$1`, `?` and `$name`: JSON values become typed parameters, or a clear refusal. */
import { fail } from "../../../runtime/errors/errors.ts";

export type ParameterType = "null" | "boolean" | "integer" | "double" | "text" | { list: ParameterType };
export type ParameterValue = null | boolean | number | string | readonly ParameterValue[];

export interface Parameter {
  type: ParameterType;
  value: ParameterValue;
}

export type GivenParameters = readonly unknown[] | Readonly<Record<string, unknown>>;

/** Nested lists deeper than this are a mistake. */
const listDepthMax = 16;

/**
 * The parameters in the order of the statement's `names` ("1", "2", … for `$1` and `?`). Throws `invalid_field`
 * when their number or names do not match, or a value is of no SQL type.
 */
export function matchParameters(names: readonly string[], given: GivenParameters | undefined): Parameter[] {
  if (given === undefined || Array.isArray(given)) return byPosition(names, given ?? []);
  return byName(names, given as Readonly<Record<string, unknown>>);
}

/**
 * The values of all parameters of a statement by name; `named` are its parameters, some of them more than once.
 * Throws `invalid_field` when params has others, or the statement leaves a number out.
 */
export function parametersOf(
  named: readonly string[],
  given: GivenParameters | undefined,
): ReadonlyMap<string, Parameter> {
  const names = [...new Set(named)];
  const numbers = new Set(names.filter((name) => positional.test(name)).map(Number));
  const most = [...numbers].reduce((a, b) => Math.max(a, b), 0);
  // As many different numbers as the greatest of them leave none out.
  const missing = most === numbers.size ? 0 : [...numbers].findIndex((_, at) => !numbers.has(at + 1)) + 1;
  if (missing > 0)
    throw refuse(
      `the statement uses $${most} and not $${missing}: number its parameters from $1 without gaps`,
    );
  const values = matchParameters(names, given);
  return new Map(names.map((name, at) => [name, values[at] as Parameter]));
}

const positional = /^\d+$/;

function byPosition(names: readonly string[], given: readonly unknown[]): Parameter[] {
  const named = names.filter((name) => !positional.test(name));
  if (named.length > 0)
    throw refuse(
      `the statement has the named parameters ${list(named)}: expected params to be an object with them, got a list of ${given.length}`,
    );
  if (names.length !== given.length)
    throw refuse(
      `the statement has ${count(names.length)}, params has ${given.length}; expected as many values as parameters`,
    );
  return names.map((name) => toParameter(given[Number(name) - 1], Number(name) - 1));
}

function byName(names: readonly string[], given: Readonly<Record<string, unknown>>): Parameter[] {
  const missing = names.filter((name) => !Object.hasOwn(given, name));
  if (missing.length > 0) throw refuse(`params lacks ${list(missing)}, which the statement uses`);
  const used = new Set(names);
  const unused = Object.keys(given).filter((name) => !used.has(name));
  if (unused.length > 0) throw refuse(`params has ${list(unused)}, which the statement does not use`);
  return names.map((name) => toParameter(given[name], name));
}

const refuse = (message: string) => fail("invalid_field", message, { details: { field: "params" } });
const list = (names: readonly string[]): string =>
  names
    .slice(0, 10)
    .map((name) => `$${name}`)
    .join(", ");
const count = (parameters: number): string =>
  parameters === 0 ? "no parameters" : parameters === 1 ? "1 parameter" : `${parameters} parameters`;

/** Where a value stands, written only for an error: there may be many. */
type Place = string | number | { in: Place; at: number };
const inWords = (place: Place): string =>
  typeof place === "object" ? `${inWords(place.in)}.${place.at}` : `params.${place}`;

function toParameter(value: unknown, place: Place, depth = 0): Parameter {
  if (value === null) return { type: "null", value };
  if (typeof value === "boolean") return { type: "boolean", value };
  if (typeof value === "string") return { type: "text", value };
  if (typeof value === "number") return { type: numberType(value, place), value };
  if (!Array.isArray(value))
    throw refuse(
      `${inWords(place)}: expected text, a number, true, false, null or a list of these; give other types as text and CAST them`,
    );
  if (depth >= listDepthMax) throw refuse(`${inWords(place)}: lists nest deeper than ${listDepthMax}`);
  const items = value.map((item, at) => toParameter(item, { in: place, at }, depth + 1));
  const type = items.reduce<ParameterType>((common, item) => widest(common, item.type, place), "null");
  return { type: { list: type }, value: items.map((item) => item.value) };
}

/** JSON numbers pass through a double: an integer beyond 2^53 has lost its last digits already. */
function numberType(value: number, place: Place): ParameterType {
  if (!Number.isInteger(value)) return "double";
  if (Number.isSafeInteger(value)) return "integer";
  throw refuse(
    `${inWords(place)}: ${value} is beyond 2^53 and may have lost digits as a JSON number; give it as text and CAST($1 AS HUGEINT)`,
  );
}

function widest(left: ParameterType, right: ParameterType, place: Place): ParameterType {
  if (left === "null") return right;
  if (right === "null" || left === right) return left;
  if (typeof left === "object" && typeof right === "object") {
    return { list: widest(left.list, right.list, place) };
  }
  const numbers = ["integer", "double"];
  if (numbers.includes(left as string) && numbers.includes(right as string)) return "double";
  throw refuse(
    `${inWords(place)}: the items of a list must be of one type, got ${nameOf(left)} and ${nameOf(right)}`,
  );
}

const nameOf = (type: ParameterType): string => (typeof type === "object" ? "list" : type);
