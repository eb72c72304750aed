/** Many clients write `null` for an optional field that they leave out: here it becomes its absence. */
import { KindGuard, type TSchema } from "@sinclair/typebox";

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
