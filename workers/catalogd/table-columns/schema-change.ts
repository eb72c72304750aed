/** Columns of SQL that change, as updates of a table's schema: what is not changed stays as others wrote it. Pure. */
import { fail } from "../../../runtime/errors/errors.ts";
import { isSameType } from "../../../runtime/sql/sql.ts";
import {
  type IcebergField,
  type IcebergSchema,
  type IcebergType,
  refusals,
  schemaOf,
  type TableMetadata,
  Unpublishable,
  type Update,
} from "../iceberg/iceberg.ts";
import type { Evolution } from "../schemas/schemas.ts";
import { type Column, evolvedByRequest, type Manifest } from "../versions/versions.ts";
import { nestedChange } from "./nested-columns.ts";
import { columnsOf, currentSchema } from "./table-content.ts";

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
      type: isSameType(typeBefore.get(id) ?? "", type) ? field.type : fresh.type,
    };
  });
  refuseInUse(table, columnIds(fields));
  const next = 1 + Math.max(...table.schemas.map((each) => each["schema-id"]));
  const identifiers = schema["identifier-field-ids"];
  const changed: IcebergSchema = {
    ...{ type: "struct", "schema-id": next, fields },
    ...(identifiers && { "identifier-field-ids": identifiers }),
  };
  return { schema: changed, updates: becoming(changed) };
}

/** What makes the columns those that a request asks for: parts of nested ones first, all by their names of before. */
export function evolution(head: Manifest, table: TableMetadata, asked: Evolution): Update[] {
  const schema = currentSchema(table);
  if (!schema) throw refusals.badRequest("The table has no current schema");
  const { schema: nested, rest, lastId } = nestedChange(schema, asked, table["last-column-id"]);
  if (!nested) return schemaWith(table, head.columns, evolvedByRequest(head, rest).columns).updates;
  const id = 1 + Math.max(...table.schemas.map((each) => each["schema-id"]));
  const changed = {
    ...table,
    schemas: [...table.schemas, { ...nested, "schema-id": id }],
    "current-schema-id": id,
  };
  const { columns, problem } = columnsOf(changed);
  if (problem !== undefined)
    throw fail("unprocessable", `an open table cannot have these columns: ${problem}`);
  refuseInUse(table, columnIds(nested.fields));
  const after = evolvedByRequest({ ...head, columns, last_column_id: lastId }, rest);
  const { updates } = schemaWith(changed, columns, after.columns);
  return updates.length > 0 ? updates : becoming(nested);
}

const becoming = (schema: IcebergSchema): Update[] => [
  { action: "add-schema", schema },
  { action: "set-current-schema", "schema-id": -1 },
];

function typed(columns: readonly Column[]) {
  try {
    return schemaOf(columns).fields;
  } catch (cause) {
    if (!(cause instanceof Unpublishable)) throw cause;
    throw fail("unprocessable", `an open table cannot have these columns: ${cause.message}`);
  }
}

/** Of columns and of all that is nested in them. */
function columnIds(fields: readonly IcebergField[]): ReadonlySet<number> {
  const inside = (type: IcebergType): number[] => {
    if (typeof type === "string") return [];
    if (type.type === "struct") return [...columnIds(type.fields)];
    return type.type === "list" ? inside(type.element) : [...inside(type.key), ...inside(type.value)];
  };
  return new Set(fields.flatMap(({ id, type }) => [id, ...inside(type)]));
}

/** A column that rows are partitioned, sorted or told apart by stays, and so does a part of one. */
function refuseInUse(table: TableMetadata, left: ReadonlySet<number>): void {
  const { fields = [], "identifier-field-ids": identifiers = [] } = currentSchema(table) ?? {};
  const used = [
    ...table["partition-specs"].flatMap((spec) => spec.fields.map((field) => field["source-id"])),
    ...table["sort-orders"].flatMap((order) => order.fields.map((field) => field["source-id"])),
    ...identifiers,
  ].filter((id) => !left.has(id));
  const lost = fields.find(({ id, type }) => {
    const ids = columnIds([{ id, type, name: "", required: false }]);
    return used.some((each) => ids.has(each));
  });
  if (lost)
    throw fail(
      "unprocessable",
      `column '${lost.name}' cannot go${left.has(lost.id) ? " in this part" : ""}: rows are partitioned, sorted or known by it`,
    );
}
