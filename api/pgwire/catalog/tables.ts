/** Datasets as tables of PostgreSQL: their names, columns and comments, and no rows. */
import { postgresType } from "../../../runtime/postgres/postgres.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";

export interface Dataset {
  name: string;
  columns: readonly { name: string; type: string; nullable?: boolean; comment?: string }[];
}

/** Bytes of a name in PostgreSQL (`NAMEDATALEN`, and a zero byte): of a longer one it has the beginning. */
const nameBytesMax = 63;

/** The table of a dataset, as statements write it: in `main`, or in the schema of its namespace. */
function placeOf({ name }: Pick<Dataset, "name">): { schema: string; table: string } {
  const at = name.indexOf(".");
  return at < 0 ? { schema: "main", table: name } : { schema: name.slice(0, at), table: name.slice(at + 1) };
}

/** What makes the table of a dataset; none where PostgreSQL has no such names. */
export function tableStatement(dataset: Dataset): string | undefined {
  const { schema, table } = placeOf(dataset);
  const names = [schema, table, ...dataset.columns.map(({ name }) => name)];
  if (names.some((name) => Buffer.byteLength(name) > nameBytesMax)) return undefined;
  const place = `${quoteName(schema)}.${quoteName(table)}`;
  const columns = dataset.columns.map(
    ({ name, type, nullable = true }) =>
      `${quoteName(name)} ${postgresType(type).name}${nullable ? "" : " NOT NULL"}`,
  );
  const comments = dataset.columns.flatMap(({ name, comment }) =>
    comment ? [`COMMENT ON COLUMN ${place}.${quoteName(name)} IS ${quoteText(comment)}`] : [],
  );
  return [
    `CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`,
    `DROP TABLE IF EXISTS ${place}`,
    `CREATE TABLE ${place} (${columns.join(", ")})`,
    ...comments,
  ].join("; ");
}

export function dropStatement(name: string): string {
  const { schema, table } = placeOf({ name });
  return `DROP TABLE IF EXISTS ${quoteName(schema)}.${quoteName(table)}`;
}
