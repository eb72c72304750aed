/** Names with a schema, as tools write them: those that mean datasets or the catalog, and where they stand. */
import { fail } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { hasSystemView, isSystemView } from "../catalog/catalog.ts";
import { isTableName, systemTables } from "./name-lists.ts";
import { type Node, notAllowed, placeOf } from "./tree-node.ts";

interface QualifiedNames {
  /** Takes a table with a schema. Throws `statement_not_allowed` for one of no schema that callers have. */
  table: (node: Node) => void;
  /** Takes a column with at least a schema and a table before its name. */
  column: (node: Node) => void;
  /**
   * The bytes of all names whose schema must be replaced, once the whole tree has been seen. Throws `sql_error` for
   * `main.t` beside a WITH of the name t: nothing would distinguish them.
   */
  places: (cteNames: ReadonlySet<string>) => number[];
}

export function createQualifiedNames(): QualifiedNames {
  const tables: { name: string; node: Node }[] = [];
  const columns: { names: string[]; node: Node }[] = [];
  return {
    table: (node) => {
      const schema = schemaOf(node);
      if (schema !== "lakehouse") tables.push({ name: `${schema}.${fold(String(node.table_name))}`, node });
    },
    column: (node) => {
      const names = (node.column_names as string[]).map(fold);
      if (names.length >= 3) columns.push({ names, node });
    },
    places: (cteNames) => {
      for (const { name, node } of tables)
        if (name.startsWith("main.") && cteNames.has(name.slice("main.".length)))
          throw fail("sql_error", `${name} and a WITH of the same name: give the WITH another one`, {
            details: placeOf(node),
          });
      const known = new Set(tables.map(({ name }) => name));
      const meant = columns.filter(({ names: [first, second, third = ""] }) =>
        known.has(first === "memory" || first === "system" ? `${second}.${third}` : `${first}.${second}`),
      );
      return [...tables, ...meant].map(({ node }) => placeOf(node)?.position ?? -1);
    },
  };
}

/** Schemas with other things than tables of a namespace. */
const others = /^(information_schema|lakehouse|main|memory|pg_catalog|system|temp)$/;

/** Whether a table is named with the schema of a namespace. */
export function isInSchema(node: Node): boolean {
  const [schema, name] = [String(node.schema_name ?? ""), String(node.table_name)];
  if (schema === "" || !/^(memory)?$/.test(fold(String(node.catalog_name ?? "")))) return false;
  return !others.test(fold(schema)) && !systemTables.test(schema) && isTableName(schema) && isTableName(name);
}

function schemaOf(node: Node): string {
  const schema = fold(String(node.schema_name));
  const catalog = fold(String(node.catalog_name));
  const name = String(node.table_name);
  if (catalog === "" && schema === "lakehouse" && isSystemView(fold(name))) return schema;
  if (/^(memory|system)?$/.test(catalog) && hasSystemView(schema, fold(name))) return schema;
  if (/^(memory)?$/.test(catalog) && schema === "main" && !systemTables.test(name)) return schema;
  const written = [catalog, schema, name].filter(Boolean).join(".");
  throw notAllowed(`'${written.slice(0, 200)}' is not a dataset: only registered datasets can be read`, node);
}
