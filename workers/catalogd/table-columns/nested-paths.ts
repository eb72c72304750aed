/** Parts of nested columns by their paths: `address.city`, `tags.element.id`, `scores.value`. Pure. */
import { fail, suggestionsFor } from "../../../runtime/errors/errors.ts";
import type { IcebergSchema, IcebergType } from "../iceberg/iceberg.ts";

/** Where a path leads: a field of a struct, or an element, a key or a value, which has no name of its own. */
export interface Found {
  id: number;
  type: IcebergType;
  isField: boolean;
  inKey: boolean;
}

export const refuse = (field: string, why: string) =>
  fail("unprocessable", `${field}: ${why}`, { details: { field } });

/** The part of a nested column; undefined where the path is no such part's. Throws where it begins as one and ends nowhere. */
export function foundAt(schema: IcebergSchema, field: string, path: string): Found | undefined {
  if (schema.fields.some(({ name }) => name === path)) return undefined;
  const column = schema.fields.find(
    ({ name, type }) => path.startsWith(`${name}.`) && typeof type !== "string",
  );
  if (!column) return undefined;
  const found = inside(column.type, path.slice(column.name.length + 1), false);
  if (found) return found;
  const near = suggestionsFor(path, pathsIn(column.type, column.name));
  const hint =
    near.length > 0
      ? `; did you mean ${near.join(" or ")}?`
      : `; it has ${pathsIn(column.type, column.name).slice(0, 10).join(", ")}`;
  throw refuse(field, `column '${column.name}' has no part '${path.slice(0, 200)}'${hint}`);
}

/** Parts that have no name of their own go by these, as Iceberg has them. */
function childrenOf(type: IcebergType): { name: string; id: number; type: IcebergType; isField: boolean }[] {
  if (typeof type === "string") return [];
  if (type.type === "struct")
    return type.fields.map(({ name, id, type: own }) => ({ name, id, type: own, isField: true }));
  if (type.type === "list")
    return [{ name: "element", id: type["element-id"], type: type.element, isField: false }];
  return [
    { name: "key", id: type["key-id"], type: type.key, isField: false },
    { name: "value", id: type["value-id"], type: type.value, isField: false },
  ];
}

function inside(type: IcebergType, path: string, inKey: boolean): Found | undefined {
  const isMap = typeof type !== "string" && type.type === "map";
  for (const child of childrenOf(type)) {
    const key = inKey || (isMap && child.name === "key");
    if (child.name === path) return { id: child.id, type: child.type, isField: child.isField, inKey: key };
    const found = path.startsWith(`${child.name}.`)
      ? inside(child.type, path.slice(child.name.length + 1), key)
      : undefined;
    if (found) return found;
  }
  return undefined;
}

const pathsIn = (type: IcebergType, path: string): string[] =>
  childrenOf(type).flatMap((child) => [
    `${path}.${child.name}`,
    ...pathsIn(child.type, `${path}.${child.name}`),
  ]);

/** The struct that a new part, or one in an order, is in, and the part's own name; undefined where the path is a column's. */
export function structAbove(
  schema: IcebergSchema,
  field: string,
  path: string,
): { id: number; name: string } | undefined {
  if (schema.fields.some(({ name }) => name === path)) return undefined;
  for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
    const [above, name] = [path.slice(0, dot), path.slice(dot + 1)];
    const column = schema.fields.find((each) => each.name === above);
    const found = column ? { ...column, inKey: false } : foundIn(schema, above);
    if (!found || typeof found.type === "string") continue;
    if (found.inKey) throw refuse(field, `'${path}' would be a part of a map's key, which stays as it is`);
    if (found.type.type === "struct") return { id: found.id, name };
    const inner = childrenOf(found.type).map((child) => `${above}.${child.name}`);
    throw refuse(
      field,
      `'${above}' is a ${found.type.type}, which has no fields of its own: expected a path such as ${inner.at(-1)}.${name}`,
    );
  }
  return undefined;
}

const foundIn = ({ fields }: IcebergSchema, path: string): Found | undefined =>
  fields.reduce<Found | undefined>(
    (found, { name, type }) =>
      found ?? (path.startsWith(`${name}.`) ? inside(type, path.slice(name.length + 1), false) : undefined),
    undefined,
  );
