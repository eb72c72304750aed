/** How a table's rows are laid out, as SQL that a writer of ours needs no Iceberg for: partitions and order. Pure. */
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { IcebergSchema, IcebergType, TableMetadata } from "../iceberg/iceberg.ts";
import type { PartitionField } from "./partition-values.ts";
import { type Transformed, textSql, transformed } from "./transforms.ts";

export interface Layout {
  spec_id: number;
  order_id: number;
  /** SQL of each partition field's value as text, over the table's columns. */
  partition: string[];
  /** What follows ORDER BY. */
  order?: string;
}

interface Planned {
  layout: Layout;
  fields: PartitionField[];
}

/** Throws what `refuse` makes of why rows cannot be laid out so here. */
export function layoutOf(
  table: TableMetadata,
  schema: IcebergSchema,
  refuse: (why: string) => Error,
): Planned {
  const [specId, orderId] = [table["default-spec-id"], table["default-sort-order-id"]];
  const spec = table["partition-specs"].find((each) => each["spec-id"] === specId);
  const order = table["sort-orders"].find((each) => each["order-id"] === orderId);
  const found = (transform: unknown, source: number): Transformed => {
    const column = columnOf(schema, source);
    const made = column && transformed(String(transform), column.type, column.sql);
    if (made) return made;
    throw refuse(`lays out its rows by ${String(transform).slice(0, 40)} of the field ${source}`);
  };
  const parts = (spec?.fields ?? []).map((field) => ({
    field,
    value: found(field.transform, field["source-id"]),
  }));
  const sorts = (order?.fields ?? []).map((field) => {
    const { sql } = found(field.transform, field["source-id"]);
    const nulls = field["null-order"] === "nulls-last" ? "LAST" : "FIRST";
    return `${sql} ${field.direction === "desc" ? "DESC" : "ASC"} NULLS ${nulls}`;
  });
  return {
    layout: {
      ...{ spec_id: specId, order_id: orderId, partition: parts.map(({ value }) => textSql(value)) },
      ...(sorts.length > 0 && { order: sorts.join(", ") }),
    },
    fields: parts.map(({ field, value }) => ({ id: field["field-id"], name: field.name, type: value.type })),
  };
}

/** A field of the schema, nested ones by their structs; undefined for one in a list or map, or that is gone. */
function columnOf(schema: IcebergSchema, id: number): { sql: string; type: string } | undefined {
  const search = (
    fields: IcebergSchema["fields"],
    sqlOf: (name: string) => string,
  ): { sql: string; type: string } | undefined => {
    for (const field of fields) {
      const sql = sqlOf(field.name);
      if (field.id === id) return typeof field.type === "string" ? { sql, type: field.type } : undefined;
      const inner = structOf(field.type);
      const found = inner && search(inner, (name) => `struct_extract(${sql}, ${quoteText(name)})`);
      if (found) return found;
    }
    return undefined;
  };
  return search(schema.fields, quoteName);
}

const structOf = (type: IcebergType) =>
  typeof type === "object" && type.type === "struct" ? type.fields : undefined;
