/** The tools' schemas, derived from the services' contracts: TypeBox schemas are JSON Schema already. */
import { type TObject, type TProperties, type TSchema, Type } from "@sinclair/typebox";

/** How a tool's object differs from the contract's. Everything else stays what the contract says. */
interface Derivation {
  /** Fields that make no sense for an agent. */
  omit?: readonly string[];
  /** Keywords that override a field's own, such as a lower `maximum` or a `description`. */
  refine?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Fields that become optional: the tool fills them, or takes another field in their place. */
  optional?: readonly string[];
  /** Fields of the tool's own. */
  add?: TProperties;
}

/** A closed object with the contract's fields, changed by the derivation. Throws when a named field is not in the contract. */
export function derive(
  base: TObject,
  { omit = [], refine = {}, optional = [], add = {} }: Derivation,
): TObject {
  const stray = [...omit, ...optional, ...Object.keys(refine)].find((name) => !(name in base.properties));
  if (stray !== undefined) throw new Error(`the contract has no field '${stray}'`);
  const kept = Object.entries(base.properties)
    .filter(([name]) => !omit.includes(name))
    .map(([name, property]) => {
      const refined: TSchema = { ...property, ...refine[name] };
      return [name, optional.includes(name) ? Type.Optional(refined) : refined];
    });
  return Type.Object({ ...Object.fromEntries(kept), ...add }, { additionalProperties: false });
}

/** The fields of several closed objects together, as path parameters and body are in one tool. */
export const together = (...parts: readonly TObject[]): TObject =>
  Type.Object(Object.assign({}, ...parts.map(({ properties }) => properties)), {
    additionalProperties: false,
  });

interface ObjectSchema {
  type: "object";
  [keyword: string]: unknown;
}

/** What stands for any value: some clients take no schema without a type, and an array's items must have one. */
const anyType = ["string", "number", "boolean", "object", "array", "null"];

/**
 * The schema as it is sent: JSON in the dialect that every client takes. google-genai and others fail on a boolean
 * `additionalProperties`, on `patternProperties`, `const` and `anyOf`; the server itself checks by the whole schema.
 */
export const plain = (schema: TSchema): ObjectSchema =>
  sent(JSON.parse(JSON.stringify(schema))) as ObjectSchema;

type Json = Record<string, unknown>;

function sent({ anyOf, additionalProperties: _, patternProperties, properties, items, ...rest }: Json): Json {
  if (Array.isArray(anyOf)) return { ...oneOf(anyOf.map(sent)), ...rest };
  if (rest.const !== undefined) {
    const { const: value, ...more } = rest;
    return { type: typeof value, ...more, ...(typeof value === "string" && { enum: [value] }) };
  }
  const type = rest.type ?? (patternProperties === undefined ? anyType : "object");
  const fields = properties as Record<string, Json> | undefined;
  return {
    type,
    ...rest,
    ...(fields && {
      properties: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, sent(field)])),
    }),
    ...(items !== undefined && { items: sent(items as Json) }),
  };
}

/** Several schemas as one without `anyOf`: literals become an `enum`, other types a list of types. */
function oneOf(options: readonly Json[]): Json {
  const types = [...new Set(options.flatMap(({ type }) => type as string | string[]))];
  const type = types.length === 1 ? types[0] : types;
  if (options.every((option) => Array.isArray(option.enum)))
    return { type, enum: options.flatMap((option) => option.enum) };
  const [array] = options.filter((option) => option.type === "array");
  return { type, ...(array && { items: array.items }) };
}
