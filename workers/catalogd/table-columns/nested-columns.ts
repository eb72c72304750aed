/**
 * Changes of what is nested in columns of an open table: a part goes by its path, as `address.city`, `tags.element.id` and
 * `scores.value`. Every part keeps its field id, by which files of before are read. Pure.
 */
import {
  columnProblem,
  fold,
  nameProblem,
  parseSqlType,
  sqlOf,
  wideningRule,
  widens,
} from "../../../runtime/sql/sql.ts";
import {
  type IcebergField,
  type IcebergSchema,
  type IcebergType,
  icebergTypeOf,
  NoSuchType,
  sqlTypeOf,
} from "../iceberg/iceberg.ts";
import type { Evolution } from "../schemas/schemas.ts";
import { type Found, foundAt, refuse, structAbove } from "./nested-paths.ts";

/** What is to become of parts, by their ids; of the fields of a struct by the id of what the struct is of. */
interface Changes {
  names: Map<number, string>;
  gone: Set<number>;
  types: Map<number, IcebergType>;
  texts: Map<number, string>;
  added: Map<number, IcebergField[]>;
  orders: Map<number, { names: string[]; field: string }>;
}

/**
 * The schema with the changes whose names are paths into nested columns; undefined where none is. The others are `rest`: a
 * column whose own name has the dot is that column. Throws `unprocessable`.
 */
export function nestedChange(
  schema: IcebergSchema,
  asked: Evolution,
  lastId: number,
): { schema: IcebergSchema | undefined; rest: Evolution; lastId: number } {
  const changes: Changes = {
    ...{ names: new Map(), gone: new Set(), types: new Map() },
    ...{ texts: new Map(), added: new Map(), orders: new Map() },
  };
  const ofParts = partsAsked(schema, asked, changes);
  const { add, reorder, last } = placesAsked(schema, asked, { changes, lastId });
  const isNothing = Object.values(changes).every(({ size }) => size === 0);
  if (isNothing) return { schema: undefined, rest: asked, lastId };
  const fields = schema.fields.map(({ type, ...field }) => ({
    ...field,
    type: changed(type, field.id, field.name, changes),
  }));
  const rest = { ...ofParts, add, ...(reorder.length > 0 && { reorder }) };
  return { schema: { ...schema, fields }, rest, lastId: last };
}

/** Notes the changes of parts that are there; gives those of columns. */
function partsAsked(schema: IcebergSchema, asked: Evolution, changes: Changes): Evolution {
  const seen = new Set<string>();
  const at = (field: string, path: string): Found | undefined => {
    const found = foundAt(schema, field, path);
    if (!found) return undefined;
    const what = `${field.split(".")[0]} ${found.id}`;
    if (seen.has(what)) throw refuse(field, `'${path}' is there twice; a request changes each part once`);
    seen.add(what);
    return found;
  };
  const named = (field: string, path: string): Found | undefined => {
    const found = at(field, path);
    if (!found || found.isField) return found;
    throw refuse(field, `'${path}' is an element, a key or a value, which has no name: it stays as it is`);
  };
  const { rename = [], drop = [], widen = [], comment = [] } = asked;
  return {
    rename: rename.filter(({ name, to }, index) => {
      const found = named(`rename.${index}.name`, name);
      if (found) changes.names.set(found.id, checkedName(`rename.${index}.to`, to));
      return !found;
    }),
    drop: drop.filter((name, index) => {
      const field = `drop.${index}`;
      const found = named(field, name);
      if (found?.inKey) throw refuse(field, `'${name}' is a part of a map's key, which stays as it is`);
      if (found) changes.gone.add(found.id);
      return !found;
    }),
    widen: widen.filter(({ name, type }, index) => {
      const field = `widen.${index}.type`;
      const found = at(`widen.${index}.name`, name);
      if (found) changes.types.set(found.id, widened(field, { path: name, before: found.type, to: type }));
      return !found;
    }),
    comment: comment.filter(({ name, text }, index) => {
      const found = named(`comment.${index}.name`, name);
      if (found) changes.texts.set(found.id, text);
      return !found;
    }),
  };
}

/** Notes what comes into structs, and their orders; gives those of columns. */
function placesAsked(
  schema: IcebergSchema,
  { add = [], reorder = [] }: Evolution,
  { changes, lastId }: { changes: Changes; lastId: number },
) {
  let last = lastId;
  const nextId = () => ++last;
  const ofColumns = {
    add: add.filter(({ name: path, type: text, comment }, index) => {
      const field = `add.${index}.name`;
      const owner = structAbove(schema, field, path);
      if (!owner) return true;
      const made = { id: nextId(), name: checkedName(field, owner.name), required: false };
      const type = typed(`add.${index}.type`, path, { text, nextId });
      const before = changes.added.get(owner.id) ?? [];
      changes.added.set(owner.id, [
        ...before,
        { ...made, type, ...(comment !== undefined && { doc: comment }) },
      ]);
      return false;
    }),
    reorder: reorder.filter((path, index) => {
      const field = `reorder.${index}`;
      const owner = structAbove(schema, field, path);
      if (!owner) return true;
      const { names } = changes.orders.get(owner.id) ?? { names: [] };
      changes.orders.set(owner.id, { names: [...names, owner.name], field });
      return false;
    }),
  };
  return { ...ofColumns, last };
}

/** The type with the changes, of the column or the part that has this id. */
function changed(type: IcebergType, id: number, path: string, changes: Changes): IcebergType {
  const to = changes.types.get(id);
  if (to !== undefined) return to;
  if (typeof type === "string") return type;
  if (type.type === "list")
    return { ...type, element: changed(type.element, type["element-id"], `${path}.element`, changes) };
  if (type.type === "map")
    return {
      ...type,
      key: changed(type.key, type["key-id"], `${path}.key`, changes),
      value: changed(type.value, type["value-id"], `${path}.value`, changes),
    };
  const kept = type.fields
    .filter((field) => !changes.gone.has(field.id))
    .map(({ doc, ...field }) => {
      const text = changes.texts.get(field.id) ?? doc;
      return {
        ...field,
        ...(text !== undefined && text !== "" && { doc: text }),
        name: changes.names.get(field.id) ?? field.name,
        type: changed(field.type, field.id, `${path}.${field.name}`, changes),
      };
    });
  const fields = [...kept, ...(changes.added.get(id) ?? [])];
  if (fields.length === 0) throw refuse("drop", `expected a part of '${path}' to be left; drop the column`);
  const folded = fields.map(({ name }) => fold(name));
  const twice = folded.find((name, at) => folded.indexOf(name) !== at);
  if (twice !== undefined) throw refuse("columns", `'${path}' would have the part '${twice}' twice`);
  const order = changes.orders.get(id);
  return { ...type, fields: order ? inOrder(fields, path, order) : fields };
}

function inOrder(
  fields: readonly IcebergField[],
  path: string,
  { names, field }: { names: readonly string[]; field: string },
): IcebergField[] {
  const byName = new Map(fields.map((each) => [each.name, each]));
  const ordered = names.flatMap((name) => byName.get(name) ?? []);
  if (names.length === fields.length && new Set(ordered).size === fields.length) return ordered;
  const expected = fields.map(({ name }) => `${path}.${name}`).join(", ");
  throw refuse(
    field,
    `expected every part of '${path}' once, as they are named after this request: ${expected}`,
  );
}

function checkedName(field: string, name: string): string {
  const problem = nameProblem(name);
  if (problem !== undefined) throw refuse(field, problem);
  return name;
}

/** The type of what is new, with ids of its own. */
function typed(
  field: string,
  path: string,
  { text, nextId }: { text: string; nextId: () => number },
): IcebergType {
  const wrong = columnProblem([{ name: path, type: text }]);
  if (wrong) throw refuse(field, wrong.problem);
  try {
    return icebergTypeOf(parseSqlType(text), nextId);
  } catch (cause) {
    if (!(cause instanceof NoSuchType)) throw cause;
    throw refuse(field, `Iceberg (format 2) has no type for '${path}' ${cause.message}`);
  }
}

function widened(
  field: string,
  { path, before, to: text }: { path: string; before: IcebergType; to: string },
): IcebergType {
  const to = typed(field, path, { text, nextId: () => 0 });
  const [from, asked] = [sqlOf(sqlTypeOf(before)), sqlOf(parseSqlType(text))];
  if (from === asked) return before;
  if (typeof to === "string" && widens(from, asked)) return to;
  throw refuse(field, `'${path}' cannot become ${asked} from ${from} while its files stay: ${wideningRule}`);
}
