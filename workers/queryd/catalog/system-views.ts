/**
 * `information_schema` and `pg_catalog` as queries see them: they list datasets and nothing else. DuckDB's own would also
 * list the macros and tables behind the datasets, and no view can replace them. So their names in a statement are replaced
 * by those of views of ours, padded with blanks, so that error positions stay.
 */
import { fold, quoteName } from "../../../runtime/sql/sql.ts";
import type { Source } from "../statements/statements.ts";

/** All of DuckDB's views (1.5.6); a test holds them against the DuckDB in use. */
const views: Readonly<Record<string, readonly string[]>> = {
  information_schema: [
    ...[
      "character_sets",
      "check_constraints",
      "columns",
      "constraint_column_usage",
      "constraint_table_usage",
    ],
    ...["key_column_usage", "referential_constraints", "schemata", "table_constraints", "tables", "views"],
  ],
  pg_catalog: [
    ...["pg_am", "pg_attrdef", "pg_attribute", "pg_class", "pg_collation", "pg_constraint", "pg_database"],
    ...["pg_depend", "pg_description", "pg_enum", "pg_index", "pg_indexes", "pg_namespace"],
    ...["pg_prepared_statements", "pg_proc", "pg_sequence", "pg_sequences", "pg_settings", "pg_tables"],
    ...["pg_tablespace", "pg_type", "pg_views"],
  ],
};

/** Schemas of others: the engine's, and ours behind the datasets. */
const hidden = "('lakehouse', 'information_schema', 'pg_catalog')";
const mainOid = "(SELECT oid FROM duckdb_schemas() WHERE database_name = 'memory' AND schema_name = 'main')";
const datasetOids =
  "(SELECT view_oid FROM duckdb_views() WHERE database_name = 'memory' AND schema_name = 'main')";
/** Behind a dataset is one of DuckDB's views, too: those that are views to a caller have this comment. */
export const viewComment = "view";
const viewNames = `(SELECT view_name FROM duckdb_views() WHERE database_name = 'memory' AND schema_name = 'main' AND comment = '${viewComment}')`;
const datasets = `FROM (SHOW ALL TABLES) WHERE database = 'memory' AND schema NOT IN ${hidden}`;

/** Those that have rows; all others have their columns and no rows. */
const shown: Readonly<Record<string, string>> = {
  tables: `SELECT * REPLACE (CASE WHEN table_schema = 'main' AND table_name IN ${viewNames} THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type, NULL::VARCHAR AS TABLE_COMMENT) FROM system.information_schema.tables WHERE table_catalog = 'memory' AND table_schema NOT IN ${hidden}`,
  columns: `SELECT * FROM system.information_schema.columns WHERE table_catalog = 'memory' AND table_schema NOT IN ${hidden}`,
  schemata: `SELECT * FROM system.information_schema.schemata WHERE catalog_name = 'memory' AND schema_name NOT IN ${hidden}`,
  views: `SELECT * REPLACE (NULL::VARCHAR AS view_definition) FROM system.information_schema.views WHERE table_catalog = 'memory' AND table_schema = 'main' AND table_name IN ${viewNames}`,
  character_sets: "SELECT * FROM system.information_schema.character_sets",
  pg_am: "SELECT * FROM system.pg_catalog.pg_am",
  pg_attribute: `SELECT * FROM system.pg_catalog.pg_attribute WHERE attrelid IN ${datasetOids}`,
  pg_class: `SELECT * REPLACE (CASE WHEN relname IN ${viewNames} THEN 'v' ELSE 'r' END AS relkind) FROM system.pg_catalog.pg_class WHERE relnamespace = ${mainOid}`,
  pg_database: `SELECT ${mainOid} AS oid, 'memory' AS datname, true AS datallowconn, false AS datistemplate`,
  pg_namespace: `SELECT * FROM system.pg_catalog.pg_namespace WHERE oid = ${mainOid}`,
  pg_tables: `SELECT schemaname, viewname AS tablename, viewowner AS tableowner, NULL::VARCHAR AS tablespace, false AS hasindexes, false AS hasrules, false AS hastriggers FROM system.pg_catalog.pg_views WHERE schemaname = 'main' AND viewname IN (SELECT view_name FROM duckdb_views() WHERE database_name = 'memory' AND schema_name = 'main') AND viewname NOT IN ${viewNames}`,
  pg_tablespace: "SELECT * FROM system.pg_catalog.pg_tablespace",
  pg_type: "SELECT * FROM system.pg_catalog.pg_type",
  pg_views: `SELECT * REPLACE (NULL::VARCHAR AS definition) FROM system.pg_catalog.pg_views WHERE schemaname = 'main' AND viewname IN ${viewNames}`,
  all_tables: `SELECT * ${datasets}`,
};

/**
 * The statements that make the views. `rows` is the result of `systemColumnsSql`: view, column and type of every column
 * that DuckDB's own views have.
 */
export function systemViewStatements(rows: readonly (readonly string[])[]): string[] {
  const columns = new Map<string, string[]>();
  for (const [view = "", column = "", type = ""] of rows)
    columns.set(view, [...(columns.get(view) ?? []), `CAST(NULL AS ${type}) AS ${quoteName(column)}`]);
  const empty = [...columns].filter(([view]) => !Object.hasOwn(shown, view));
  return [
    ...Object.entries(shown).map(([view, select]) => `CREATE OR REPLACE VIEW lakehouse.${view} AS ${select}`),
    ...empty.map(
      ([view, nulls]) => `CREATE OR REPLACE VIEW lakehouse.${view} AS SELECT ${nulls.join(", ")} WHERE false`,
    ),
  ];
}

export const systemColumnsSql =
  "SELECT table_name, column_name, data_type FROM system.main.duckdb_columns() WHERE database_name = 'system' AND schema_name IN ('information_schema', 'pg_catalog') ORDER BY table_name, column_index";

/** What the views of ours read. */
export const systemReads = /^duckdb_(tables|views|columns|schemas|types|databases|sequences|indexes)$/;

/** Whether the schema of DuckDB has a view of this name, both folded. */
export const hasSystemView = (schema: string, view: string): boolean =>
  Object.hasOwn(views, schema) && views[schema]?.includes(view) === true;
export const isSystemView = (view: string): boolean => Object.values(views).some((all) => all.includes(view));

/** Names a statement may read as tables without a schema, and the views of ours they mean; folded. */
export function systemRelation(name: string): string | undefined {
  if (name === allTables) return "lakehouse.all_tables";
  return hasSystemView("pg_catalog", name) ? `lakehouse.${name}` : undefined;
}

/** Views of ours among the names that a statement reads as tables. */
export function systemSources(names: Iterable<string>): Source[] {
  return [...names].flatMap((name) => {
    const relation = systemRelation(fold(name));
    return relation === undefined ? [] : [{ name, relation }];
  });
}

/** What SHOW ALL TABLES becomes; no dataset has such a name. */
export const allTables = "@tables";
