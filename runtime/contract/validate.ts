/** Checks values against the schemas of contracts, with errors that name the field and what was expected. */
import { FormatRegistry, type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler, type ValueError, ValueErrorType } from "@sinclair/typebox/compiler";
import { fail, invalidField, ServiceError } from "../errors/errors.ts";
import { type Endpoint, inputSchemas } from "./endpoints.ts";
import { withoutNulls } from "./nulls.ts";

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
  const errors = [...take(checked.Errors(value), 50)];
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
  if (error.type === ValueErrorType.ObjectRequiredProperty)
    return typeof type === "string" ? `expected ${type}, it is missing` : "it is missing";
  if (error.type === ValueErrorType.StringPattern) return `expected text matching ${pattern}, ${came}`;
  return `${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}, ${came}`;
}

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
