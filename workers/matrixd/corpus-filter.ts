/**
 * Filters on metadata where no vector is asked for, in vectord's grammar and with its meaning: what matches there
 * matches here (docs/decisions/0068-filter-grammar.md). A condition is a predicate on one row's metadata.
 */
import { fail } from "../../runtime/errors.ts";

type Scalar = string | number | boolean | null;

interface Bound {
  value: string | number;
  inclusive: boolean;
}

export type Condition =
  | { kind: "and" | "or"; of: Condition[] }
  | { kind: "not"; of: Condition }
  | { kind: "in"; path: string; values: Scalar[] }
  | { kind: "range"; path: string; above?: Bound; below?: Bound }
  | { kind: "exists"; path: string }
  | { kind: "contains"; path: string; text: string };

/** vectord's bounds: the same filter is taken by both or by none. */
const depthMax = 16;
const conditionsMax = 1024;
const fieldsMax = 32;
const valuesMax = 65_536;
const pathMax = 512;

const operators = ["eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "exists", "contains"];
const rangeOperators = ["gt", "gte", "lt", "lte"];

/** The checked form, or undefined for a filter without conditions. Throws `invalid_field` naming the place. */
export function parseFilter(filter: unknown): Condition | undefined {
  if (isObject(filter) && Object.keys(filter).length === 0) return undefined;
  const condition = parseObject(filter, { place: "filter", depth: 1, budget: { left: conditionsMax } });
  const fields = new Set(pathsOf(condition)).size;
  if (fields > fieldsMax) throw wrong("filter", `names ${fields} fields; at most ${fieldsMax} are allowed`);
  return condition;
}

function pathsOf(condition: Condition): string[] {
  if (condition.kind === "not") return pathsOf(condition.of);
  return "path" in condition ? [condition.path] : condition.of.flatMap(pathsOf);
}

interface Spot {
  place: string;
  depth: number;
  budget: { left: number };
}

function parseObject(filter: unknown, spot: Spot): Condition {
  const { place, depth } = spot;
  if (depth > depthMax) throw wrong(place, `nested deeper than ${depthMax}`);
  if (!isObject(filter)) throw wrong(place, `expected an object such as {"state":"IL"}, got ${show(filter)}`);
  const entries = Object.entries(filter);
  if (entries.length === 0) throw wrong(place, "expected at least one condition, got {}");
  return all(entries.map(([name, value]) => parseEntry(name, value, spot)));
}

function parseEntry(name: string, value: unknown, spot: Spot): Condition {
  const inner = { ...spot, place: `${spot.place}.${name.slice(0, 100)}` };
  spot.budget.left -= 1;
  if (spot.budget.left < 0) throw wrong(inner.place, `a filter may have at most ${conditionsMax} conditions`);
  if (name === "not") return { kind: "not", of: parseObject(value, { ...inner, depth: spot.depth + 1 }) };
  if (name !== "and" && name !== "or") return parseField(name, value, inner.place);
  if (!Array.isArray(value) || value.length === 0)
    throw wrong(inner.place, `expected a list of at least one filter, got ${show(value)}`);
  const of = value.map((part, at) =>
    parseObject(part, { ...inner, place: `${inner.place}[${at}]`, depth: spot.depth + 1 }),
  );
  return { kind: name, of };
}

function parseField(path: string, value: unknown, place: string): Condition {
  if (path === "" || path.length > pathMax)
    throw wrong(place, `a field has 1 to ${pathMax} characters, got ${path.length}`);
  if (path.startsWith("$")) throw wrong(place, `operators have no '$': did you mean '${path.slice(1)}'?`);
  if (isScalar(value)) return { kind: "in", path, values: [value] };
  if (Array.isArray(value)) throw wrong(place, 'expected one value; for any of several use {"in": […]}');
  if (!isObject(value)) throw wrong(place, `expected a value or an object of operators, got ${show(value)}`);
  const entries = Object.entries(value);
  if (entries.length === 0) throw wrong(place, `expected at least one of ${operators.join(", ")}, got {}`);
  const found = entries.flatMap(([operator, operand]) => parseOperator(path, operator, operand, place));
  const range = parseRange(path, value, place);
  return all(range ? [...found, range] : found);
}

/** None for the ends of a range, which belong together. */
function parseOperator(path: string, operator: string, operand: unknown, at: string): Condition[] {
  const place = `${at}.${operator.slice(0, 100)}`;
  if (rangeOperators.includes(operator)) return [];
  switch (operator) {
    case "eq":
      return [{ kind: "in", path, values: [scalar(operand, place)] }];
    case "ne":
      return [{ kind: "not", of: { kind: "in", path, values: [scalar(operand, place)] } }];
    case "in":
      return [{ kind: "in", path, values: scalars(operand, place) }];
    case "nin":
      return [{ kind: "not", of: { kind: "in", path, values: scalars(operand, place) } }];
    case "exists":
      if (typeof operand !== "boolean") throw wrong(place, `expected true or false, got ${show(operand)}`);
      return [operand ? { kind: "exists", path } : { kind: "not", of: { kind: "exists", path } }];
    case "contains":
      if (typeof operand !== "string" || operand === "")
        throw wrong(place, `expected a text that is not empty, got ${show(operand)}`);
      return [{ kind: "contains", path, text: operand }];
    default:
      throw wrong(at, `unknown operator '${operator.slice(0, 100)}'; expected ${operators.join(", ")}`);
  }
}

function parseRange(path: string, operands: Record<string, unknown>, place: string): Condition | undefined {
  const given = Object.keys(operands).filter((name) => rangeOperators.includes(name));
  if (given.length === 0) return undefined;
  for (const name of given) {
    const operand = operands[name];
    if (typeof operand !== "string" && typeof operand !== "number")
      throw wrong(`${place}.${name}`, `expected a number or a text, got ${show(operand)}`);
  }
  if (new Set(given.map((name) => typeof operands[name])).size > 1)
    throw wrong(place, "a range compares numbers or texts, not one of each");
  const end = (name: "gt" | "lt"): Bound | undefined => {
    const [open, closed] = [operands[name], operands[`${name}e`]] as (string | number | undefined)[];
    if (open !== undefined && closed !== undefined)
      throw wrong(place, `give either ${name} or ${name}e, not both`);
    const value = open ?? closed;
    return value === undefined ? undefined : { value, inclusive: open === undefined };
  };
  const [above, below] = [end("gt"), end("lt")];
  return { kind: "range", path, ...(above && { above }), ...(below && { below }) };
}

const all = (conditions: Condition[]): Condition =>
  conditions.length === 1 && conditions[0] ? conditions[0] : { kind: "and", of: conditions };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isScalar = (value: unknown): value is Scalar =>
  value === null || ["string", "number", "boolean"].includes(typeof value);

function scalar(value: unknown, place: string): Scalar {
  if (isScalar(value)) return value;
  throw wrong(place, `expected a text, a number, true, false or null, got ${show(value)}`);
}

function scalars(value: unknown, place: string): Scalar[] {
  if (!Array.isArray(value)) throw wrong(place, `expected a list of values, got ${show(value)}`);
  if (value.length > valuesMax)
    throw wrong(place, `expected at most ${valuesMax} values, got ${value.length}`);
  return value.map((one, at) => scalar(one, `${place}[${at}]`));
}

const wrong = (place: string, message: string) =>
  fail("invalid_field", `${place}: ${message}`, { details: { field: place } });

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Whether the metadata of one row meets the condition. */
export function matches(condition: Condition, metadata: Record<string, unknown>): boolean {
  switch (condition.kind) {
    case "and":
      return condition.of.every((part) => matches(part, metadata));
    case "or":
      return condition.of.some((part) => matches(part, metadata));
    case "not":
      return !matches(condition.of, metadata);
    case "exists":
      return valuesAt(metadata, condition.path).isThere;
    case "in":
      return valuesAt(metadata, condition.path).values.some((value) => condition.values.includes(value));
    case "contains":
      return valuesAt(metadata, condition.path).values.some(
        (value) => typeof value === "string" && value.includes(condition.text),
      );
    case "range":
      return valuesAt(metadata, condition.path).values.some((value) => isWithin(value, condition));
  }
}

/** Numbers compare with numbers, texts with texts by their code units; anything else is outside. */
function isWithin(value: Scalar, { above, below }: { above?: Bound; below?: Bound }): boolean {
  const isOver = ({ value: end, inclusive }: Bound) =>
    typeof value === typeof end && value !== null && (value > end || (inclusive && value === end));
  const isUnder = ({ value: end, inclusive }: Bound) =>
    typeof value === typeof end && value !== null && (value < end || (inclusive && value === end));
  return (above === undefined || isOver(above)) && (below === undefined || isUnder(below));
}

/** Every scalar at the path, lists looked into at every step; a field named by the whole path, dots and all, counts too. */
function valuesAt(metadata: Record<string, unknown>, path: string): { isThere: boolean; values: Scalar[] } {
  const values: Scalar[] = [];
  const collect = (value: unknown): true => {
    if (Array.isArray(value)) value.forEach(collect);
    else if (isScalar(value)) values.push(value);
    return true;
  };
  const descend = (value: unknown, steps: readonly string[]): boolean => {
    const [step, ...others] = steps;
    if (step === undefined) return collect(value);
    if (Array.isArray(value)) return value.map((element) => descend(element, steps)).includes(true);
    return isObject(value) && Object.hasOwn(value, step) && descend(value[step], others);
  };
  const isDirect = Object.hasOwn(metadata, path) && collect(metadata[path]);
  const isThere = path.includes(".") ? descend(metadata, path.split(".")) || isDirect : isDirect;
  return { isThere, values };
}
