/**
 * SQLite files: the rows of one table. Any column may hold values of any kind (dynamic types), so the values decide: numbers are
 * numbers, texts are texts, and bytes are bytes where a column has nothing else.
 */
import { open } from "node:fs/promises";
import { fail } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { type Database, openForeignSqlite, SQLiteError } from "../../../runtime/sqlite/sqlite.ts";
import {
  type Asked,
  bytesText,
  type FoundTable,
  openRowWriter,
  type TableReader,
  type Taken,
  type TakenColumn,
} from "./taking.ts";

/** Rows between two looks at what was gathered. */
const rowsAtOnce = 256;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export const readSqlite: TableReader = async (asked) => {
  const hadLog = await withoutLog(asked.path);
  const database = openForeignSqlite(asked.path);
  try {
    const taken = await readTable(database, asked);
    return hadLog
      ? {
          ...taken,
          warnings: [
            "the database was in WAL mode: what stands in its -wal file alone is not in this file",
            ...taken.warnings,
          ],
        }
      : taken;
  } catch (cause) {
    if (!(cause instanceof SQLiteError)) throw cause;
    throw fail("unprocessable", `the SQLite file cannot be read: ${cause.message.slice(0, 200)}`, { cause });
  } finally {
    database.close();
  }
};

/** A database in WAL mode is read as one in the other mode: its log did not come with it. The copy is ours. */
async function withoutLog(path: string): Promise<boolean> {
  const file = await open(path, "r+");
  try {
    const modes = Buffer.alloc(2);
    await file.read(modes, 0, 2, 18);
    if (modes[0] !== 2 && modes[1] !== 2) return false;
    await file.write(Buffer.of(1, 1), 0, 2, 18);
    return true;
  } finally {
    await file.close();
  }
}

async function readTable(database: Database, asked: Asked): Promise<Taken> {
  const { table, found } = chosenTable(database, asked.table);
  const names = database
    .query(`SELECT name FROM pragma_table_info(?)`)
    .all(table)
    .map((row) => String((row as { name: unknown }).name));
  if (names.length > asked.columnsMax)
    throw fail(
      "unprocessable",
      `the table has ${names.length} columns; at most ${asked.columnsMax} are taken`,
    );
  const { encoding } = database.query("PRAGMA encoding").get() as { encoding: string };
  const columns = names.map((name, at) => columnOf(database, { table, name, at }));
  const writer = openRowWriter(asked.into, asked.bytesMax);
  // Texts as their bytes: what is no text of its encoding must not become another one.
  const cells = names
    .map(quoted)
    .map(
      (name, at) =>
        `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END AS v${at}, typeof(${name}) = 'text' AS t${at}`,
    );
  const write = valueWriter(encoding);
  let rows = 0;
  const statement = database.query<Record<string, unknown>, []>(
    `SELECT ${cells.join(", ")} FROM ${quoted(table)}`,
  );
  for (const row of statement.iterate()) {
    rows += 1;
    const fields = columns.map(
      ({ key, column }, at) =>
        `${key}:${write(row[`v${at}`], Boolean(row[`t${at}`]), { column, row: rows })}`,
    );
    writer.line(`{${fields.join(",")}}`);
    if (rows % rowsAtOnce === 0) await writer.flush();
  }
  await writer.end();
  return {
    columns: columns.map(({ column }) => column),
    found,
    warnings: columns.flatMap(({ warning }) => warning ?? []),
  };
}

function chosenTable(database: Database, asked: string | undefined): { table: string; found: FoundTable[] } {
  const names = database
    .query(
      "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
    )
    .all()
    .map((row) => String((row as { name: unknown }).name));
  const shown =
    names
      .slice(0, 20)
      .map((name) => `'${name}'`)
      .join(", ") + (names.length > 20 ? ", …" : "");
  if (names.length === 0) throw fail("unprocessable", "the SQLite file has no tables");
  const table =
    asked === undefined
      ? names[0]
      : (names.find((name) => name === asked) ?? names.find((name) => fold(name) === fold(asked)));
  if (asked === undefined && names.length > 1)
    throw fail(
      "unprocessable",
      `the SQLite file has ${names.length} tables: send table= for one of ${shown}`,
    );
  if (table === undefined)
    throw fail(
      "invalid_field",
      `table: the SQLite file has no table '${asked?.slice(0, 100)}'; it has ${shown}`,
    );
  const why = asked === undefined ? "the only table" : "asked for by table";
  return {
    table,
    found: names.map((name) => ({
      name,
      taken: name === table,
      why: name === table ? why : "another one is read: send table= for this one",
    })),
  };
}

interface Known {
  key: string;
  column: TakenColumn;
  warning?: string;
}

/** What kinds of values a column has decides how they are written. */
function columnOf(
  database: Database,
  { table, name, at }: { table: string; name: string; at: number },
): Known {
  const kinds = new Set(
    database
      .query(
        `SELECT DISTINCT typeof(${quoted(name)}) AS kind FROM ${quoted(table)} WHERE ${quoted(name)} IS NOT NULL`,
      )
      .all()
      .map((row) => String((row as { kind: unknown }).kind)),
  );
  const called = name === "" ? `column${at + 1}` : name;
  const key = JSON.stringify(called);
  if (kinds.size === 1 && kinds.has("blob"))
    return { key, column: { name: called, type: "BLOB", as: "text" } };
  if (kinds.size === 1 && kinds.has("real"))
    return { key, column: { name: called, type: "DOUBLE", as: "text" } };
  if (!kinds.has("blob")) return { key, column: { name: called } };
  return {
    ...{ key, column: { name: called } },
    warning: `'${called}' has bytes beside other values: they are text of hexadecimal digits, as \\x00\\xff`,
  };
}

function valueWriter(encoding: string) {
  const decoder = new TextDecoder(encoding.toLowerCase(), { fatal: true, ignoreBOM: true });
  const textOf = (bytes: Uint8Array, { column, row }: { column: TakenColumn; row: number }): string => {
    try {
      return decoder.decode(bytes);
    } catch (cause) {
      throw fail(
        "unprocessable",
        `row ${row}, column '${column.name}': the text is no ${encoding}, which the database says it is`,
        { cause },
      );
    }
  };
  return (value: unknown, isText: boolean, place: { column: TakenColumn; row: number }): string => {
    if (value === null) return "null";
    if (value instanceof Uint8Array) {
      if (isText) return JSON.stringify(textOf(value, place));
      return JSON.stringify(bytesText(value));
    }
    if (typeof value === "number" && !Number.isFinite(value)) return `"${value > 0 ? "" : "-"}Infinity"`;
    return String(value);
  };
}
