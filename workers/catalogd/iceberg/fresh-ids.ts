/** Field ids of a new table: the fields of a struct first, then what is in them, as Iceberg's Java library assigns them. */
import type { IcebergStruct, IcebergType } from "./type-map.ts";

type Asked = IcebergStruct & { "identifier-field-ids"?: number[] };

/** The schema with ids from 1, the last of them, and what each id was before. */
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
