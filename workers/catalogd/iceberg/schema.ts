/** A dataset's columns as an Iceberg schema, and how files without field ids are read by names. */
import { type Numbered, parseSqlType } from "../../../runtime/sql/sql.ts";
import {
  type IcebergField,
  type IcebergStruct,
  type IcebergType,
  icebergTypeOf,
  NoSuchType,
} from "./type-map.ts";

export interface IcebergSchema extends IcebergStruct {
  "schema-id": number;
  "identifier-field-ids"?: number[];
}

/** Columns that format 2 has no type for, with their types. */
export class Unpublishable extends Error {
  override name = "Unpublishable";
  readonly columns: readonly string[];
  constructor(columns: readonly string[]) {
    super(`Iceberg (format 2) has no type for ${columns.join(", ")}`);
    this.columns = columns;
  }
}

/**
 * The schema, without its id. All columns are optional: whether a column has NULLs is not known to hold for every file.
 * Throws `Unpublishable`.
 */
export function schemaOf(columns: readonly (Numbered & { comment?: string })[]): IcebergStruct {
  const lost: string[] = [];
  const fields = columns.flatMap(
    ({ name, type, field_id: id = 0, nested_ids = [], comment }): IcebergField[] => {
      const ids = nested_ids.values();
      const nextId = () => ids.next().value ?? 0;
      try {
        const shape = { id, name, required: false, type: icebergTypeOf(parseSqlType(type), nextId) };
        return [comment === undefined ? shape : { ...shape, doc: comment }];
      } catch (cause) {
        if (!(cause instanceof NoSuchType)) throw cause;
        lost.push(`'${name.slice(0, 100)}' ${type.slice(0, 100)}`);
        return [];
      }
    },
  );
  if (lost.length > 0) throw new Unpublishable(lost);
  return { type: "struct", fields };
}

/** The highest id in a type; 0 where it has none. */
export function highestId(type: IcebergType): number {
  if (typeof type === "string") return 0;
  if (type.type === "list") return Math.max(type["element-id"], highestId(type.element));
  if (type.type === "map")
    return Math.max(type["key-id"], type["value-id"], highestId(type.key), highestId(type.value));
  return type.fields.reduce((most, field) => Math.max(most, field.id, highestId(field.type)), 0);
}

interface Mapped {
  "field-id": number;
  names: string[];
  fields?: Mapped[];
}

type Part = Pick<IcebergField, "id" | "name" | "type">;

/**
 * `schema.name-mapping.default`: a file without field ids, read by id, has NULLs in every column otherwise. A field goes
 * by its names in all the schemas, the latest last; one that another field has by now is that one's alone.
 */
export const nameMapping = (schemas: readonly IcebergStruct[]): string =>
  JSON.stringify(mapped(schemas.map(({ fields }) => fields)));

function mapped(layers: readonly (readonly Part[])[]): Mapped[] {
  const latest = layers.at(-1) ?? [];
  const taken = new Set(latest.map(({ name }) => name));
  return latest.map(({ id, name, type }) => {
    const earlier = layers.flatMap((layer) => layer.filter((part) => part.id === id));
    const former = [...new Set(earlier.map((part) => part.name))].filter((each) => !taken.has(each));
    for (const each of former) taken.add(each);
    const nested = typeof type === "string" ? [] : mapped(earlier.map((part) => partsOf(part.type)));
    return { "field-id": id, names: [name, ...former], ...(nested.length > 0 && { fields: nested }) };
  });
}

function partsOf(type: IcebergType): readonly Part[] {
  if (typeof type === "string") return [];
  if (type.type === "struct") return type.fields;
  if (type.type === "list") return [{ id: type["element-id"], name: "element", type: type.element }];
  return [
    { id: type["key-id"], name: "key", type: type.key },
    { id: type["value-id"], name: "value", type: type.value },
  ];
}

type Asked = IcebergStruct & { "identifier-field-ids"?: number[] };

/**
 * The schema of a new table with field ids from 1: the fields of a struct first, then what is in them, as Iceberg's Java library
 * assigns them; the last of them, and what each id was before.
 */
export function freshIds(schema: Asked): { schema: Asked; last: number; renamed: Map<number, number> } {
  let last = 0;
  const renamed = new Map<number, number>();
  const next = (old: number): number => {
    last += 1;
    renamed.set(old, last);
    return last;
  };
  const struct = <T extends IcebergStruct>(type: T): T => {
    const ids = type.fields.map(({ id }) => next(id));
    const fields = type.fields.map((field, at) => ({ ...field, id: ids[at] ?? 0, type: visit(field.type) }));
    return { ...type, fields };
  };
  const visit = (type: IcebergType): IcebergType => {
    if (typeof type === "string") return type;
    if (type.type === "struct") return struct(type);
    if (type.type === "list") {
      const id = next(type["element-id"]);
      return { ...type, "element-id": id, element: visit(type.element) };
    }
    const [key, value] = [next(type["key-id"]), next(type["value-id"])];
    return { ...type, "key-id": key, "value-id": value, key: visit(type.key), value: visit(type.value) };
  };
  const numbered = struct({ ...schema, type: "struct" as const });
  const identifiers = schema["identifier-field-ids"];
  return {
    schema: identifiers
      ? { ...numbered, "identifier-field-ids": identifiers.map((id) => renamed.get(id) ?? id) }
      : numbered,
    last,
    renamed,
  };
}
