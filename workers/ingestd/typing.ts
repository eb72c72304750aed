/** Which type each column gets: the registered one, the one asked for, or the one its values show. */
import { fail, type ServiceError } from "../../runtime/errors.ts";
import type { Session } from "./engine.ts";
import type { Column, Table } from "./format.ts";
import { allNull, chooseType, type Evidence, evidence } from "./inference.ts";

export interface TypedColumn {
  name: string;
  type: string;
}

/** Columns looked at in one statement: DuckDB's time grows faster than their number (4,096 at once: minutes). */
const columnsAtOnce = 200;
/** Rows that suggest a type; all rows are checked against it while they are written. */
const sampleRows = 4096;

/** Types by the first rows, or by all of them. Columns with a known type keep it. */
export async function inferTypes(session: Session, table: Table, rows: "sample" | "all"): Promise<string[]> {
  const types = table.columns.map(({ type }) => type);
  const open = table.columns
    .map((column, index) => ({ column, index }))
    .filter(({ column }) => column.among.length > 0);
  const source = rows === "all" ? table.relation : `(FROM ${table.sample} LIMIT ${sampleRows})`;
  for (let at = 0; at < open.length; at += columnsAtOnce) {
    const some = open.slice(at, at + columnsAtOnce);
    const aggregates = some.map(({ column, index }) => `${evidence(column.cell, column.among)} AS e${index}`);
    const [answer] = await session.run(`SELECT ${aggregates.join(", ")} FROM ${source}`);
    for (const { column, index } of some)
      types[index] = chooseType(answer?.[`e${index}`] as Evidence, column.among);
  }
  return types;
}

/** A column that is NULL throughout is text. */
export const finalType = (type: string): string => (type === allNull ? "VARCHAR" : type);

export interface Registered {
  name: string;
  columns: readonly TypedColumn[];
}

export interface Match {
  /** The table's column for each registered one; undefined where the file has none, which is NULL in every row. */
  columns: (Column | undefined)[];
  types: string[];
}

/**
 * Matches a file with the dataset it is loaded into. Throws `schema_drift` naming the columns that cannot be the
 * registered ones. Whether all values hold in the registered types is seen when they are written.
 */
export function matchRegistered(table: Table, registered: Registered): Match {
  const byName = new Map(table.columns.map((column) => [column.name, column]));
  const same = table.columns.length === registered.columns.length;
  const inOrder = same && registered.columns.every(({ name }, index) => table.columns[index]?.name === name);
  const known = new Set(registered.columns.map(({ name }) => name));
  const fits = table.byName ? table.columns.every(({ name }) => known.has(name)) : inOrder;
  if (!fits)
    throw drift(
      registered,
      table.columns.map(({ name, type }) => ({ name, type })),
    );
  const columns = registered.columns.map(({ name }) => byName.get(name));
  const types = registered.columns.map(({ type }) => type);
  const found = columns.map((column, index) => {
    const type = types[index] ?? "VARCHAR";
    return {
      name: registered.columns[index]?.name ?? "",
      type: column && column.as(type, index) === undefined ? column.type : type,
    };
  });
  if (found.some(({ type }, index) => type !== types[index])) throw drift(registered, found);
  return { columns, types };
}

/** The 409 of a file that has other columns than the dataset, naming each that differs. */
export function drift({ name, columns }: Registered, found: readonly TypedColumn[]): ServiceError {
  const before = new Map(columns.map((column) => [column.name, column.type]));
  const now = new Map(found.map((column) => [column.name, column.type]));
  const differing = [
    ...columns.filter((column) => now.get(column.name) !== column.type).map((column) => column.name),
    ...found.filter((column) => !before.has(column.name)).map((column) => column.name),
  ].map((column) => ({ column, registered: before.get(column) ?? null, found: now.get(column) ?? null }));
  const told = differing
    .slice(0, 10)
    .map(
      (each) =>
        `${each.column} (registered ${each.registered ?? "without it"}, the file ${each.found ?? "lacks it"})`,
    );
  const what = differing.length === 0 ? "their order differs" : told.join(", ");
  const advice = "load the file under another name, or send types=column:TYPE for columns whose text differs";
  return fail("schema_drift", `dataset '${name}' has other columns than the file: ${what}; ${advice}`, {
    details: { columns: differing },
  });
}
