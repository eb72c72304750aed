/**
 * information_schema as queries see it: datasets and nothing else. DuckDB's own would also list the tables that hold
 * small datasets in memory, and no view can take its name: its name in a statement is replaced by that of a schema of
 * ours, blanks behind it, so that places in the text stay what they are.
 */

/** Views of ours under the names of information_schema's. Datasets are views in `main`. */
export const ownSchemaStatements: readonly string[] = [
  "CREATE VIEW lakehouse.tables AS SELECT * FROM system.information_schema.tables WHERE table_schema = 'main'",
  "CREATE VIEW lakehouse.columns AS SELECT * FROM system.information_schema.columns WHERE table_schema = 'main'",
  "CREATE VIEW lakehouse.schemata AS SELECT * FROM system.information_schema.schemata WHERE catalog_name = 'memory' AND schema_name = 'main'",
];

/** The views of ours a statement may name. */
export const ownViews = /^(tables|columns|schemata)$/i;

const written = /^(?:"?(?:memory|system)"?\s*\.\s*)?"?information_schema"?(?=\s*\.)/i;

/** The statement with our schema at these bytes; undefined when the name is not written plainly at one of them. */
export function withOwnSchema(sql: string, places: readonly number[]): string | undefined {
  const bytes = Buffer.from(sql);
  for (const place of places) {
    const [name] = written.exec(bytes.toString("latin1", place)) ?? [];
    if (name === undefined) return undefined;
    bytes.write("lakehouse".padEnd(name.length), place, "latin1");
  }
  return bytes.toString();
}
