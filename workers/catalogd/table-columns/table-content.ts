/** What a version of an open table says, from its metadata. Pure. */
import { columnProblem, sqlOf } from "../../../runtime/sql/sql.ts";
import {
  type IcebergField,
  type IcebergSchema,
  type IcebergType,
  NoSuchType,
  sqlTypeOf,
  type TableMetadata,
} from "../iceberg/iceberg.ts";
import type { Column, TableContent } from "../versions/versions.ts";

/** Ids of what is nested in a type, each part before what is nested in that. */
function nestedIds(type: IcebergType): number[] {
  if (typeof type === "string") return [];
  if (type.type === "list") return [type["element-id"], ...nestedIds(type.element)];
  if (type.type === "map")
    return [type["key-id"], ...nestedIds(type.key), type["value-id"], ...nestedIds(type.value)];
  return type.fields.flatMap(({ id, type: inner }) => [id, ...nestedIds(inner)]);
}

/** Whether rows of earlier files have a value in one of these fields, or in what is nested in them, though the files have none. */
function hasDefault(fields: readonly IcebergField[]): boolean {
  const inside = (type: IcebergType): boolean => {
    if (typeof type === "string") return false;
    if (type.type === "struct") return hasDefault(type.fields);
    return type.type === "list" ? inside(type.element) : inside(type.key) || inside(type.value);
  };
  return fields.some((field) => (field["initial-default"] ?? null) !== null || inside(field.type));
}

export const currentSchema = (metadata: TableMetadata): IcebergSchema | undefined =>
  metadata.schemas.find((schema) => schema["schema-id"] === metadata["current-schema-id"]);

/** The columns as SQL has them, or why it can have none of them. */
export function columnsOf(metadata: TableMetadata): { columns: Column[]; problem?: string } {
  const { fields = [] } = currentSchema(metadata) ?? {};
  if (fields.length === 0) return { columns: [], problem: "it has no columns" };
  try {
    const columns = fields.map((field): Column => {
      const ids = nestedIds(field.type);
      return {
        name: field.name,
        type: sqlOf(sqlTypeOf(field.type)),
        nullable: !field.required,
        field_id: field.id,
        ...(ids.length > 0 && { nested_ids: ids }),
        ...(field.doc !== undefined && { comment: String(field.doc).slice(0, 4096) }),
      };
    });
    const defaulted = fields.find((field) => hasDefault([field]));
    if (defaulted)
      return {
        columns: [],
        problem: `its column '${defaulted.name}' has a default for rows before it (format 3)`,
      };
    const wrong = columnProblem(columns)?.problem;
    return wrong === undefined ? { columns } : { columns: [], problem: wrong };
  } catch (cause) {
    if (!(cause instanceof NoSuchType)) throw cause;
    return { columns: [], problem: `it has a column of type ${cause.message}, which SQL here has not` };
  }
}

const number = (text: unknown): number => {
  const found = Number(text ?? 0);
  return Number.isSafeInteger(found) && found > 0 ? found : 0;
};

/** Rows and bytes are as the snapshot's summary says, which others write. */
export function contentOf(
  metadata: TableMetadata,
  given: Pick<TableContent, "name" | "operation" | "made_by" | "objects" | "metadata_location" | "locations">,
): TableContent {
  const id = String(metadata["current-snapshot-id"]);
  const { summary = {} } = metadata.snapshots.find((each) => String(each["snapshot-id"]) === id) ?? {};
  const rows = number(summary["total-records"]) - number(summary["total-position-deletes"]);
  return {
    ...given,
    dataset_id: metadata["table-uuid"],
    columns: columnsOf(metadata).columns,
    last_column_id: Math.max(1, metadata["last-column-id"]),
    row_count: Math.max(0, rows),
    bytes: number(summary["total-files-size"]),
  };
}
