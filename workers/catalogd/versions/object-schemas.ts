/**
 * Under which columns each object of a version was written. Columns change and files do not: an object is read by the names
 * that its file has, and these are the dataset's columns with the same field ids.
 */
import { schemaFingerprint } from "./schema.ts";
import type { Column, DataObject, Manifest } from "./version.ts";

/** What a version says of its columns, and of those of its objects. */
export type Fields = Pick<
  Manifest,
  "columns" | "last_column_id" | "schema_fingerprint" | "schema_id" | "last_schema_id" | "schemas" | "objects"
>;

/** What makes two schemas read a file alike; comments and nullability do not. */
const identity = (columns: readonly Column[]): string =>
  JSON.stringify(columns.map(({ name, type, field_id }) => [name, type, field_id]));

/**
 * The columns and objects of the next version. `kept` are objects of `live`; `added` were written with `addedColumns`,
 * which have the field ids of the dataset's columns. A schema id is given once to each dataset, as a field id is.
 */
export function fieldsOf(
  live: Manifest | undefined,
  next: Pick<Manifest, "columns" | "last_column_id">,
  objects: { kept: readonly DataObject[]; added: readonly DataObject[]; addedColumns: readonly Column[] },
): Fields {
  const known = live ? [{ schema_id: idOf(live), columns: live.columns }, ...(live.schemas ?? [])] : [];
  let last = live?.last_schema_id ?? idOf(live ?? {});
  const idFor = (columns: readonly Column[]): number => {
    const found = known.find((each) => identity(each.columns) === identity(columns));
    if (found) return found.schema_id;
    const schema_id = known.length === 0 ? 0 : ++last;
    known.unshift({ schema_id, columns: [...columns] });
    return schema_id;
  };
  const current = idFor(next.columns);
  const written = objects.added.length > 0 ? idFor(objects.addedColumns) : current;
  const all = [...objects.kept, ...objects.added.map((object) => withSchema(object, written))];
  const used = new Set(all.map(idOf));
  const others = known
    .filter(({ schema_id }) => schema_id !== current && used.has(schema_id))
    .sort((a, b) => a.schema_id - b.schema_id);
  return {
    ...next,
    schema_fingerprint: schemaFingerprint(next.columns),
    ...(current > 0 && { schema_id: current }),
    ...(last > 0 && { last_schema_id: last }),
    ...(others.length > 0 && { schemas: others }),
    objects: all,
  };
}

/** Of a version or an object; the first schema of a dataset is 0 and not written. */
export const idOf = ({ schema_id = 0 }: { schema_id?: number }): number => schema_id;

const withSchema = (object: DataObject, schema_id: number): DataObject =>
  schema_id === 0 ? object : { ...object, schema_id };
