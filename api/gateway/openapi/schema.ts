/** The contracts' schemas in OpenAPI 3.1, in a form that client generators understand. */
import { KindGuard, type TProperties, type TSchema, Type } from "@sinclair/typebox";

/** Requests may have `null` for absent optional fields; answers leave them out. */
type Direction = "sent" | "answered";

/** The same schema with `enum` for unions of literals and `additionalProperties` for records. */
export function wireSchema(schema: TSchema, direction: Direction): TSchema {
  const below = (inner: TSchema): TSchema => wireSchema(inner, direction);
  if (KindGuard.IsObject(schema)) return { ...schema, properties: fieldsOf(schema.properties, direction) };
  if (KindGuard.IsArray(schema)) return { ...schema, items: below(schema.items) };
  if (KindGuard.IsRecord(schema)) {
    const { patternProperties, ...rest } = schema;
    const [values] = Object.values(patternProperties);
    return { ...rest, additionalProperties: values ? below(values) : true } as TSchema;
  }
  if (!KindGuard.IsUnion(schema)) return schema;
  const { anyOf, ...rest } = schema;
  const choices = anyOf.map((option) => option.const as unknown);
  if (!choices.every((choice) => typeof choice === "string")) return { ...rest, anyOf: anyOf.map(below) };
  return Type.String({ ...descriptionOf(schema), enum: choices });
}

const descriptionOf = ({ description }: TSchema) => (description === undefined ? {} : { description });

function fieldsOf(properties: TProperties, direction: Direction): TProperties {
  const fields = Object.entries(properties).map(([name, property]) => {
    const schema = wireSchema(property, direction);
    return [name, direction === "sent" && KindGuard.IsOptional(property) ? nullable(schema) : schema];
  });
  return Object.fromEntries(fields);
}

/** One more of what may be, unless null may be already. */
function nullable(schema: TSchema): TSchema {
  if (KindGuard.IsUnknown(schema)) return schema;
  const options = KindGuard.IsUnion(schema) ? schema.anyOf : [schema];
  if (options.some((option) => KindGuard.IsNull(option))) return schema;
  return Type.Union([...options, Type.Null()], descriptionOf(schema));
}
