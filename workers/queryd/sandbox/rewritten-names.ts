/** Names in a statement that are replaced before it is checked, by text of the same length, so that positions stay. */
import { fail } from "../../../runtime/errors/errors.ts";
import { replaced, tokens } from "../../../runtime/sql/sql.ts";
import { allTables } from "../catalog/catalog.ts";

const catalog = '(?:"?(?:memory|system)"? *\\. *)?';
const main = new RegExp(`^${catalog}"?main"? *\\. *`, "i");
const ofDuckdb = new RegExp(`^${catalog}"?(?:information_schema|pg_catalog)"?(?= *\\.)`, "i");

/**
 * The statement where `main.t` is t, and DuckDB's schemas are ours, at these bytes. Throws `sql_error` where such a name
 * is not written plainly.
 */
export function withoutSchemas(sql: string, places: readonly number[]): string {
  const bytes = Buffer.from(sql);
  for (const place of places) {
    const text = bytes.toString("latin1", place, place + longest);
    const [schema] = main.exec(text) ?? [];
    const [own] = ofDuckdb.exec(text) ?? [];
    const found = schema ?? own;
    if (found === undefined)
      throw fail("sql_error", "write a name with its schema plainly: main.name, information_schema.tables");
    bytes.write((schema === undefined ? "lakehouse" : "").padEnd(found.length), place, "latin1");
  }
  return bytes.toString();
}

/** Bytes of a schema's name with its catalog, and of blanks between. */
const longest = 200;

/** The statement with SHOW ALL TABLES as a table of ours. Throws `sql_error` where it stands in another form. */
export function withoutShowAll(sql: string, count: number): string {
  const all = [...tokens(sql)];
  if (/^\s*(describe|desc|show)\s*;*\s*$/i.test(sql)) return `FROM "${allTables}"`;
  const places = all.flatMap(({ text, start }, at) => {
    const last = all[at + 2];
    return text === "SHOW" && all[at + 1]?.text === "ALL" && last?.text === "TABLES"
      ? [{ start, end: last.end }]
      : [];
  });
  if (places.length !== count) throw fail("sql_error", "write SHOW ALL TABLES in these words");
  return replaced(sql, places, ({ start, end }) => `FROM "${allTables}"`.padEnd(end - start));
}
