/** Columns of open tables: what SQL has of a table's schema, and the schema that columns of SQL make. Pure. */
export { evolution, schemaWith } from "./schema-change.ts";
export { columnsOf, contentOf, currentSchema } from "./table-content.ts";
