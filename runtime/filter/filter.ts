/**
 * The filter a search, a scroll or a delete may carry, checked and brought into one form, and where its paths lead in metadata.
 *
 *   {"state": "IL"}                          equal to a text, number, boolean or null
 *   {"rate": {"gte": 20, "lt": 30}}          eq ne in nin gt gte lt lte exists contains prefix; all of them hold
 *   {"at": {"since": "2024-05-01"}}          after since before until: texts of RFC 3339 as moments
 *   {"place": {"near": {"lat": 41.9, "lon": -87.6, "radius_m": 5000}}}   objects {lat, lon} in a circle
 *   {"@id": {"in": ["a", "b"]}}              the item's own id
 *   {"and": [f, …]} {"or": [f, …]} {"not": f}
 *   {"address.city": "Chicago"}              a path into nested objects
 *
 * Several fields of one object all hold. A list matches when any of its elements does; a range holds for one element
 * with both of its ends. `ne`, `nin` and `not` are plain negations: they match items that lack the field. `null` is a
 * value that is there; `{"exists": false}` finds what is not. Numbers never equal texts. A field that no item has
 * matches nothing. `gt … lte` compare numbers, or texts by their code units, which sorts RFC 3339 times.
 * `contains` finds a piece of a text and `prefix` its beginning, case and all. `after` and `before` leave their moment
 * out, `since` and `until` take it in; times with other offsets compare rightly, and what is no time does not match.
 * Fields named and, or, not cannot be filtered.
 */

import { invalidField, type ServiceError } from "../errors/errors.ts";
import { isObject } from "../json/json.ts";
import { parseCircle } from "./circle.ts";
import { type Bound, type Condition, pathsOf } from "./condition.ts";
import { instantOf } from "./instants.ts";
import type { Scalar } from "./paths.ts";

export { type Circle, isInside, placeOf } from "./circle.ts";
export {
  type Bound,
  type Condition,
  idPath,
  isWithin,
  pathsOf,
  type TextCondition,
  textTest,
} from "./condition.ts";
export { matches } from "./matches.ts";
export { type Scalar, type Visitor, visitPath } from "./paths.ts";

/** Deepest nesting of and, or, not. */
const depthMax = 16;
/** Most conditions of one filter. */
const conditionsMax = 1024;
/** Most fields of one filter: each of them gets an index. */
const fieldsMax = 32;
/** Most values of one `in`. */
const valuesMax = 65_536;
/** Longest path, in characters. */
const pathMax = 512;

const plainOperators = ["eq", "ne", "in", "nin", "exists", "contains", "prefix", "near"] as const;
const rangeOperators = ["gt", "gte", "lt", "lte"] as const;
const timeOperators = ["after", "since", "before", "until"] as const;
const operators = [...plainOperators, ...rangeOperators, ...timeOperators] as const;
type Operator = (typeof operators)[number];
type PlainOperator = (typeof plainOperators)[number];
const isPlain = (name: Operator): name is PlainOperator =>
  (plainOperators as readonly string[]).includes(name);
const isOperator = (name: string): name is Operator => (operators as readonly string[]).includes(name);
const isRange = (name: string): name is "gt" | "gte" | "lt" | "lte" => /^[gl]te?$/.test(name);

/** The checked form, or undefined for a filter without conditions. Throws `invalid_field` naming the place. */
export function parseFilter(filter: unknown): Condition | undefined {
  const place = "filter";
  const budget = { left: conditionsMax };
  if (!isObject(filter))
    throw invalidField(place, `expected an object such as {"state":"IL"}, got ${show(filter)}`);
  if (Object.keys(filter).length === 0) return undefined;
  const condition = parseObject(filter, { place, depth: 1, budget });
  const fields = pathsOf(condition).length;
  if (fields > fieldsMax)
    throw invalidField(place, `names ${fields} fields; at most ${fieldsMax} are allowed`);
  return condition;
}

interface Spot {
  place: string;
  depth: number;
  budget: { left: number };
}

function parseObject(filter: unknown, spot: Spot): Condition {
  const { place, depth } = spot;
  if (depth > depthMax) throw invalidField(place, `nested deeper than ${depthMax}`);
  if (!isObject(filter))
    throw invalidField(place, `expected an object such as {"state":"IL"}, got ${show(filter)}`);
  const entries = Object.entries(filter);
  if (entries.length === 0) throw invalidField(place, "expected at least one condition, got {}");
  return all(entries.map(([name, value]) => parseEntry(name, value, spot)));
}

function parseEntry(name: string, value: unknown, spot: Spot): Condition {
  const place = `${spot.place}.${name.slice(0, 100)}`;
  spot.budget.left -= 1;
  if (spot.budget.left < 0)
    throw invalidField(place, `a filter may have at most ${conditionsMax} conditions`);
  if (name === "not")
    return { kind: "not", of: parseObject(value, { ...spot, place, depth: spot.depth + 1 }) };
  if (name !== "and" && name !== "or") return parseField(name, value, { ...spot, place });
  if (!Array.isArray(value) || value.length === 0)
    throw invalidField(place, `expected a list of at least one filter, got ${show(value)}`);
  const of = value.map((part, at) =>
    parseObject(part, { ...spot, place: `${place}[${at}]`, depth: spot.depth + 1 }),
  );
  return { kind: name, of };
}

function parseField(path: string, value: unknown, spot: Spot): Condition {
  const { place } = spot;
  if (path === "" || path.length > pathMax)
    throw invalidField(place, `a field has 1 to ${pathMax} characters, got ${path.length}`);
  if (path.startsWith("$"))
    throw invalidField(place, `operators have no '$': did you mean '${path.slice(1)}'?`);
  if (isScalar(value)) return { kind: "in", path, values: [value] };
  if (Array.isArray(value))
    throw invalidField(place, 'expected one value; for any of several use {"in": […]}');
  if (!isObject(value))
    throw invalidField(place, `expected a value or an object of operators, got ${show(value)}`);
  const entries = Object.entries(value);
  if (entries.length === 0)
    throw invalidField(place, `expected at least one of ${operators.join(", ")}, got {}`);
  const found: Condition[] = [];
  for (const [operator, operand] of entries) {
    if (!isOperator(operator)) throw unknownOperator(path, operator, place);
    if (isPlain(operator)) found.push(parseOperator(path, operator, operand, `${place}.${operator}`));
  }
  const ranges = [parseRange(path, value, place), parseTimes(path, value, place)];
  return all([...found, ...ranges.filter((range) => range !== undefined)]);
}

function parseOperator(path: string, operator: PlainOperator, operand: unknown, place: string): Condition {
  switch (operator) {
    case "eq":
      return { kind: "in", path, values: [scalar(operand, place)] };
    case "ne":
      return { kind: "not", of: { kind: "in", path, values: [scalar(operand, place)] } };
    case "in":
      return { kind: "in", path, values: scalars(operand, place) };
    case "nin":
      return { kind: "not", of: { kind: "in", path, values: scalars(operand, place) } };
    case "exists":
      if (typeof operand !== "boolean")
        throw invalidField(place, `expected true or false, got ${show(operand)}`);
      return operand ? { kind: "exists", path } : { kind: "not", of: { kind: "exists", path } };
    case "near":
      return { kind: "near", path, circle: parseCircle(operand, place) };
    case "contains":
    case "prefix":
      if (typeof operand !== "string" || operand === "")
        throw invalidField(place, `expected a text that is not empty, got ${show(operand)}`);
      return { kind: operator, path, text: operand };
  }
}

function parseRange(path: string, operands: Record<string, unknown>, place: string): Condition | undefined {
  const given = Object.keys(operands).filter(isRange);
  if (given.length === 0) return undefined;
  for (const name of given) {
    const operand = operands[name];
    if (typeof operand !== "string" && !isFiniteNumber(operand))
      throw invalidField(`${place}.${name}`, `expected a number or a text, got ${show(operand)}`);
  }
  const sorts = new Set(given.map((name) => typeof operands[name]));
  if (sorts.size > 1) throw invalidField(place, "a range compares numbers or texts, not one of each");
  const end = (name: "gt" | "lt"): Bound | undefined => {
    const [open, closed] = [operands[name], operands[`${name}e`]] as (string | number | undefined)[];
    if (open !== undefined && closed !== undefined)
      throw invalidField(place, `give either ${name} or ${name}e, not both`);
    if (open !== undefined) return { value: open, inclusive: false };
    return closed === undefined ? undefined : { value: closed, inclusive: true };
  };
  const [above, below] = [end("gt"), end("lt")];
  return { kind: "range", path, ...(above && { above }), ...(below && { below }) };
}

function parseTimes(path: string, operands: Record<string, unknown>, place: string): Condition | undefined {
  const end = (open: "after" | "before", closed: "since" | "until"): Bound<number> | undefined => {
    const [operator, other] = [open, closed].filter((name) => operands[name] !== undefined);
    if (other !== undefined) throw invalidField(place, `give either ${open} or ${closed}, not both`);
    if (operator === undefined) return undefined;
    const operand = operands[operator];
    const value = typeof operand === "string" ? instantOf(operand) : undefined;
    if (value === undefined)
      throw invalidField(
        `${place}.${operator}`,
        `expected a date or a time such as "2024-05-01" or "2024-05-01T12:00:00Z", got ${show(operand)}`,
      );
    return { value, inclusive: operator === closed };
  };
  const [above, below] = [end("after", "since"), end("before", "until")];
  if (!above && !below) return undefined;
  return { kind: "time", path, ...(above && { above }), ...(below && { below }) };
}

const all = (conditions: Condition[]): Condition =>
  conditions.length === 1 && conditions[0] ? conditions[0] : { kind: "and", of: conditions };

const isFiniteNumber = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value);
const isScalar = (value: unknown): value is Scalar =>
  value === null || typeof value === "string" || typeof value === "boolean" || isFiniteNumber(value);

function scalar(value: unknown, place: string): Scalar {
  if (isScalar(value)) return value;
  throw invalidField(place, `expected a text, a number, true, false or null, got ${show(value)}`);
}

function scalars(value: unknown, place: string): Scalar[] {
  if (!Array.isArray(value)) throw invalidField(place, `expected a list of values, got ${show(value)}`);
  if (value.length > valuesMax)
    throw invalidField(place, `expected at most ${valuesMax} values, got ${value.length}`);
  return value.map((one, at) => scalar(one, `${place}[${at}]`));
}

function unknownOperator(path: string, operator: string, place: string): ServiceError {
  const name = operator.slice(0, 100);
  const bare = operator.replace(/^\$/, "");
  const hint = isOperator(bare)
    ? `did you mean '${bare}'?`
    : `expected ${operators.join(", ")}; a nested field is written "${path.slice(0, 100)}.${name}"`;
  return invalidField(place, `unknown operator '${name}'; ${hint}`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
