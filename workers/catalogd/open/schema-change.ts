/** Columns of SQL that change, as updates of a table's schema: what is not changed stays as others wrote it. Pure. */
import { fail } from "../../../runtime/errors/errors.ts";
import {
  type IcebergSchema,
  refusals,
  schemaOf,
  type TableMetadata,
  Unpublishable,
  type Update,
} from "../iceberg/iceberg.ts";
import type { Column } from "../versions/versions.ts";
import { currentSchema } from "./table-content.ts";

/** The schema that has these columns, and what makes it the current one. Throws `unprocessable`. */
export function schemaWith(
  table: TableMetadata,
  before: readonly Column[],
  after: readonly Column[],
): { schema: IcebergSchema; updates: Update[] } {
  const schema = currentSchema(table);
  if (!schema) throw refusals.badRequest("The table has no current schema");
  if (Bun.deepEquals(before, after, true)) return { schema, updates: [] };
  const known = new Map(schema.fields.map((field) => [field.id, field]));
  const typeBefore = new Map(before.map(({ field_id = 0, type }) => [field_id, type]));
  const made = typed(after);
  const fields = after.map((column, at) => {
    const { field_id: id = 0, name, nullable, comment, type } = column;
    const fresh = made[at];
    const field = known.get(id);
    if (!fresh) throw new Error("a column without a field");
    if (!field) return fresh;
    const { doc: _, ...rest } = field;
    return {
      ...rest,
      ...(comment !== undefined && { doc: comment }),
      name,
      required: field.required && !nullable,
      type: typeBefore.get(id) === type ? field.type : fresh.type,
    };
  });
  refuseInUse(table, new Set(after.map(({ field_id }) => field_id)));
  const next = 1 + Math.max(...table.schemas.map((each) => each["schema-id"]));
  const identifiers = schema["identifier-field-ids"];
  const changed: IcebergSchema = {
    ...{ type: "struct", "schema-id": next, fields },
    ...(identifiers && { "identifier-field-ids": identifiers }),
  };
  const updates = [
    { action: "add-schema", schema: changed },
    { action: "set-current-schema", "schema-id": -1 },
  ];
  return { schema: changed, updates };
}

function typed(columns: readonly Column[]) {
  try {
    return schemaOf(columns).fields;
  } catch (cause) {
    if (!(cause instanceof Unpublishable)) throw cause;
    throw fail("unprocessable", `an open table cannot have these columns: ${cause.message}`);
  }
}

/** A column that rows are partitioned, sorted or told apart by stays. */
function refuseInUse(table: TableMetadata, left: ReadonlySet<number | undefined>): void {
  const used = [
    ...table["partition-specs"].flatMap(({ fields }) => fields.map((field) => field["source-id"])),
    ...table["sort-orders"].flatMap(({ fields }) => fields.map((field) => field["source-id"])),
    ...(currentSchema(table)?.["identifier-field-ids"] ?? []),
  ];
  const schema = currentSchema(table);
  const lost = schema?.fields.find(({ id }) => used.includes(id) && !left.has(id));
  if (lost)
    throw fail(
      "unprocessable",
      `column '${lost.name}' cannot go: rows are partitioned, sorted or known by it`,
    );
}
