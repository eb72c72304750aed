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

/** The schema as it is sent: JSON alone, without TypeBox's symbols. */
export const plain = (schema: TSchema): ObjectSchema => JSON.parse(JSON.stringify(schema));
