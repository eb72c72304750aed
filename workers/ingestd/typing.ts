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

/** The 409 of a file that has other columns than the dataset. The details have the form of catalogd's. */
export function drift({ name, columns }: Registered, found: readonly TypedColumn[]): ServiceError {
  const before = new Map(columns.map((column) => [column.name, column.type]));
  const after = new Map(found.map((column) => [column.name, column.type]));
  const common = columns.filter((column) => after.has(column.name)).map((column) => column.name);
  const details = {
    added: found.filter((column) => !before.has(column.name)).map((column) => column.name),
    removed: columns.filter((column) => !after.has(column.name)).map((column) => column.name),
    retyped: columns.flatMap(({ name: column, type: from }) => {
      const to = after.get(column);
      return to === undefined || to === from ? [] : [{ name: column, from, to }];
    }),
    nullability: [],
    reordered: found
      .map((column) => column.name)
      .filter((column) => before.has(column))
      .filter((column, index) => common[index] !== column),
  };
  const parts = [
    ["added", details.added],
    ["removed", details.removed],
    ["retyped", details.retyped.map(({ name: column, from, to }) => `${column} (${from} → ${to})`)],
    ["reordered", details.reordered],
  ] as const;
  const told = parts.filter(([, names]) => names.length > 0).map(([kind, names]) => `${kind}: ${few(names)}`);
  const advice = "load it under another name, or send types=column:TYPE for columns that are read otherwise";
  return fail(
    "schema_drift",
    `the columns of the file differ from those of dataset '${name}': ${told.join("; ")}; ${advice}`,
    { details },
  );
}

/** Columns of each kind that a message names; the details have all. */
const namedMax = 10;
const few = (names: readonly string[]): string =>
  names.slice(0, namedMax).join(", ") +
  (names.length > namedMax ? ` and ${names.length - namedMax} more` : "");
