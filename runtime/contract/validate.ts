/** Checks values against the schemas of contracts, with errors that name the field and what was expected. */
import { FormatRegistry, KindGuard, type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler, type ValueError, ValueErrorType } from "@sinclair/typebox/compiler";
import { fail, invalidField, ServiceError } from "../errors/errors.ts";
import { type Endpoint, inputSchemas } from "./endpoints.ts";

FormatRegistry.Set("uuid", (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text));
FormatRegistry.Set("date-time", (text) =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text),
);

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>();

function checker(schema: TSchema): TypeCheck<TSchema> {
  const known = compiled.get(schema);
  if (known) return known;
  const made = TypeCompiler.Compile(schema);
  compiled.set(schema, made);
  return made;
}

/** Whether the value is what the schema says. */
export const fits = (schema: TSchema, value: unknown): boolean => checker(schema).Check(value);

/**
 * Returns the value, typed, or throws `unknown_field` or `invalid_field` naming the place in `what`. `null` in an
 * optional field is the field's absence, unless its schema takes null; the value that is given does not change.
 */
export function check<S extends TSchema>(schema: S, value: unknown, what: string): Static<S> {
  const checked = checker(schema);
  const given = withoutNulls(schema, value);
  if (checked.Check(given)) return given as Static<S>;
  throw explain(checked, given, what);
}

/** The same for a table of lakehouse.toml: throws an Error that begins with its name, such as `[buckets.primary]`. */
export function checkTable<S extends TSchema>(schema: S, table: unknown, name: string): Static<S> {
  try {
    return check(schema, table, name);
  } catch (cause) {
    throw new Error(`${name} ${cause instanceof ServiceError ? cause.message : "is not valid"}`, { cause });
  }
}

function explain(checked: TypeCheck<TSchema>, value: unknown, what: string): ServiceError {
  const errors = [...take(checked.Errors(value), 50)].map(meant);
  const unknown = errors.find((error) => error.type === ValueErrorType.ObjectAdditionalProperties);
  const error = unknown ?? errors[0];
  if (!error) return fail("invalid_field", `${what} does not have the expected form`);
  const field = error.path.slice(1).replaceAll("/", ".") || what;
  if (unknown) {
    const known = knownFields(unknown.path, checked.Schema());
    return fail("unknown_field", `unknown field '${field}' in ${what}${known}`, { details: { field } });
  }
  return invalidField(field, `${expectation(error)}`);
}

/** Of a union, what is wrong with the variant that takes values of this kind. */
function meant(error: ValueError): ValueError {
  if (error.type !== ValueErrorType.Union) return error;
  for (const errors of error.errors) {
    const all = [...take(errors, 50)].map(meant);
    const unknown = all.find(({ type }) => type === ValueErrorType.ObjectAdditionalProperties);
    const [first] = all;
    if (first && !(first.path === error.path && otherKinds.has(first.type))) return unknown ?? first;
  }
  return error;
}

const otherKinds: ReadonlySet<ValueErrorType> = new Set([
  ...[ValueErrorType.String, ValueErrorType.Number, ValueErrorType.Integer, ValueErrorType.Boolean],
  ...[ValueErrorType.Object, ValueErrorType.Array, ValueErrorType.Null, ValueErrorType.Literal],
  ...[ValueErrorType.Union, ValueErrorType.Never],
]);

function* take<T>(items: Iterable<T>, most: number): Generator<T> {
  let taken = 0;
  for (const item of items) {
    if (taken++ >= most) return;
    yield item;
  }
}

const knownFields = (path: string, schema: TSchema): string => {
  const top = path.split("/").length === 2 && schema.properties;
  return top ? `; expected ${Object.keys(schema.properties).join(", ")}` : "";
};

function expectation(error: ValueError): string {
  const came = error.value === undefined ? "it is missing" : `got ${shorten(error.value)}`;
  const choices = literals(error.schema);
  if (choices) return `expected one of ${choices.join(", ")}, ${came}`;
  const { pattern, type } = error.schema;
  if (error.type === ValueErrorType.Union) return `expected ${kindsOf(error.schema).join(" or ")}, ${came}`;
  if (error.type === ValueErrorType.ObjectRequiredProperty)
    return typeof type === "string" ? `expected ${type}, it is missing` : "it is missing";
  if (error.type === ValueErrorType.StringPattern) return `expected text matching ${pattern}, ${came}`;
  return `${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}, ${came}`;
}

const kindsOf = (schema: TSchema): string[] => [
  ...new Set(
    (schema.anyOf as TSchema[]).flatMap((each) =>
      KindGuard.IsUnion(each) ? kindsOf(each) : [String(each.const ?? each.type ?? "another value")],
    ),
  ),
];

const literals = (schema: TSchema): string[] | undefined => {
  const options: TSchema[] | undefined = schema.anyOf;
  return options?.every((option) => option.const !== undefined)
    ? options.map((option) => String(option.const))
    : undefined;
};

const shorten = (value: unknown): string => {
  const text = typeof value === "bigint" ? `${value}` : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

const inputs = new WeakMap<Endpoint, TObject>();

/** The closed schema of an endpoint's whole input: path parameters, query and body fields together. */
export function inputSchema(endpoint: Endpoint): TObject {
  const known = inputs.get(endpoint);
  if (known) return known;
  const properties = Object.assign({}, ...inputSchemas(endpoint).map((schema) => schema.properties));
  const made = Type.Object(properties, { additionalProperties: false });
  inputs.set(endpoint, made);
  return made;
}

/** Query text as the schema's types, a list from a name given several times; what does not convert is left as text, for `check` to refuse. */
export function fromQuery(schema: TObject | undefined, search: URLSearchParams): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [name, text] of search) {
    const property: TSchema | undefined =
      schema && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    const before = Object.hasOwn(input, name) ? input[name] : undefined;
    const isList = property?.type === "array";
    if (before !== undefined && !isList)
      throw fail("invalid_field", `${name}: given more than once in the query`);
    const converted = convert(isList ? property.items : property, text);
    const value = isList ? [...((before as unknown[]) ?? []), converted] : converted;
    Object.defineProperty(input, name, { value, enumerable: true, writable: true });
  }
  return input;
}

function convert(schema: TSchema | undefined, text: string): unknown {
  const numeric = schema?.type === "integer" || schema?.type === "number";
  if (numeric && /^-?\d{1,15}(\.\d+)?$/.test(text)) return Number(text);
  if (schema?.type === "boolean" && (text === "true" || text === "1" || text === "")) return true;
  if (schema?.type === "boolean" && (text === "false" || text === "0")) return false;
  return text;
}

// Many clients write `null` for an optional field that they leave out: here it becomes its absence.

type Drop = (value: unknown) => unknown;

/** By schema; `null` where nothing below can be left out, so that long arrays of numbers are not walked. */
const drops = new WeakMap<TSchema, { drop: Drop | null }>();

/** The value without nulls in optional fields whose schema takes none; the same object where there are none. */
export const withoutNulls = (schema: TSchema, value: unknown): unknown => dropOf(schema)?.(value) ?? value;

function dropOf(schema: TSchema): Drop | null {
  const known = drops.get(schema);
  if (known) return known.drop;
  const made: { drop: Drop | null } = { drop: null };
  drops.set(schema, made);
  made.drop = makeDrop(schema);
  return made.drop;
}

function makeDrop(schema: TSchema): Drop | null {
  if (KindGuard.IsObject(schema)) return ofObject(schema.properties);
  if (KindGuard.IsArray(schema)) return ofArray(schema.items);
  if (KindGuard.IsRecord(schema)) return ofRecord(Object.values(schema.patternProperties)[0]);
  if (KindGuard.IsUnion(schema)) return ofUnion(schema.anyOf);
  return null;
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

function ofObject(properties: Record<string, TSchema>): Drop | null {
  const optional = new Set(
    Object.keys(properties).filter((name) => {
      const property = properties[name] as TSchema;
      return KindGuard.IsOptional(property) && !takesNull(property);
    }),
  );
  const below = Object.entries(properties).flatMap(([name, property]) => {
    const drop = dropOf(property);
    return drop ? [[name, drop] as const] : [];
  });
  if (optional.size === 0 && below.length === 0) return null;
  return (value) => {
    if (!isPlainObject(value)) return value;
    let kept = value;
    for (const name of optional) {
      if (!Object.hasOwn(value, name) || value[name] !== null) continue;
      if (kept === value) kept = { ...value };
      delete kept[name];
    }
    for (const [name, drop] of below) {
      if (!Object.hasOwn(kept, name)) continue;
      const changed = drop(kept[name]);
      if (changed !== kept[name]) kept = { ...kept, [name]: changed };
    }
    return kept;
  };
}

function ofArray(items: TSchema): Drop | null {
  const drop = dropOf(items);
  if (!drop) return null;
  return (value) => {
    if (!Array.isArray(value)) return value;
    const changed = value.map(drop);
    return changed.some((item, at) => item !== value[at]) ? changed : value;
  };
}

function ofRecord(values: TSchema | undefined): Drop | null {
  const drop = values && dropOf(values);
  if (!drop) return null;
  return (value) => {
    if (!isPlainObject(value)) return value;
    const changed = Object.entries(value).map(([name, item]) => [name, drop(item)] as const);
    return changed.some(([name, item]) => item !== value[name]) ? Object.fromEntries(changed) : value;
  };
}

/** Each variant drops what it may: fields that another variant requires are none of its own. */
function ofUnion(variants: readonly TSchema[]): Drop | null {
  const each = variants.map(dropOf).filter((drop) => drop !== null);
  return each.length === 0 ? null : (value) => each.reduce((kept, drop) => drop(kept), value);
}

/** Where any value is taken, null may be one: its service says what it makes of it. */
const takesNull = (schema: TSchema): boolean =>
  KindGuard.IsNull(schema) ||
  KindGuard.IsUnknown(schema) ||
  (KindGuard.IsUnion(schema) && schema.anyOf.some(takesNull));
