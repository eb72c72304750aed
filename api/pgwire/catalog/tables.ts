/** Datasets as tables of PostgreSQL, and views as its views: their names, columns and comments, and no rows. */
import { postgresType } from "../../../runtime/postgres/postgres.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";

export interface Relation {
  name: string;
  columns: readonly { name: string; type: string; nullable?: boolean; comment?: string }[];
  /** Of a view: what it is for, or how it is made. */
  view?: string;
}

/** What makes a relation, and what removes it again. */
export interface Made {
  create: string;
  drop: string;
}

/** Bytes of a name in PostgreSQL (`NAMEDATALEN`, and a zero byte): of a longer one it has the beginning. */
const nameBytesMax = 63;

/** The table of a dataset, as statements write it: in `main`, or in the schema of its namespace. */
function placeOf(name: string): { schema: string; table: string } {
  const at = name.indexOf(".");
  return at < 0 ? { schema: "main", table: name } : { schema: name.slice(0, at), table: name.slice(at + 1) };
}

/** None where PostgreSQL has no such names. */
export function relationStatements({ name, columns, view }: Relation): Made | undefined {
  const { schema, table } = placeOf(name);
  const names = [schema, table, ...columns.map((column) => column.name)];
  if (names.some((each) => Buffer.byteLength(each) > nameBytesMax)) return undefined;
  const place = `${quoteName(schema)}.${quoteName(table)}`;
  const kind = view === undefined ? "TABLE" : "VIEW";
  const comments = columns.flatMap((column) =>
    column.comment
      ? [`COMMENT ON COLUMN ${place}.${quoteName(column.name)} IS ${quoteText(column.comment)}`]
      : [],
  );
  if (view !== undefined) comments.push(`COMMENT ON VIEW ${place} IS ${quoteText(view)}`);
  const create = [
    `CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`,
    `CREATE ${kind} ${place} ${view === undefined ? `(${columns.map(columnOf).join(", ")})` : asNulls(columns)}`,
    ...comments,
  ];
  return { create: create.join("; "), drop: `DROP ${kind} IF EXISTS ${place}` };
}

const columnOf = ({ name, type, nullable = true }: Relation["columns"][number]): string =>
  `${quoteName(name)} ${postgresType(type).name}${nullable ? "" : " NOT NULL"}`;

const asNulls = (columns: Relation["columns"]): string => {
  const nulls = columns.map(
    ({ name, type }) => `CAST(NULL AS ${postgresType(type).name}) AS ${quoteName(name)}`,
  );
  return `AS SELECT ${nulls.join(", ")} WHERE false`;
};
