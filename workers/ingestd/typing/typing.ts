/** Which type each column gets: the registered one, the one asked for, or the one its values show. */
import type { Static } from "@sinclair/typebox";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { KnownFields } from "../../../runtime/sql/sql.ts";
import type { Manifest } from "../../catalogd/contract.ts";
import type { Session } from "../engine/engine.ts";
import {
  allNull,
  chooseType,
  type Evidence,
  evidence,
  holds,
  inShortestForm,
  inUtc,
  sqlType,
  zoned,
} from "../inference/inference.ts";
import type { Column, Registered, Table, TypedColumn } from "../tables/tables.ts";

export { textWarnings } from "./text-warnings.ts";

/** Values that suggest the types; all values are checked against these while they are written. */
const sampleValues = 32 * 1024;
const sampleRowsMax = 2048;
const sampleRowsMin = 32;

/** Types to write by: what the first rows suggest, or by value what all rows show. */
export const inferTypes = (session: Session, table: Table): Promise<string[]> =>
  readsByValue(table) ? inferFromAll(session, table) : inferFromSample(session, table);

/** By value a sample tells too little: its words for NULL may hide any type. */
const readsByValue = ({ columns }: Table): boolean =>
  columns.some(({ notation }) => notation?.mode === "values");

/** Types by the first rows. Columns whose type is known keep it. */
export const inferFromSample = async (session: Session, table: Table): Promise<string[]> =>
  (await look(session, table)).types;

/** What some rows show. */
interface Shown {
  types: string[];
  /** By cell; nothing of columns whose type was known. */
  evidence: ReadonlyMap<string, Evidence>;
}

async function look(session: Session, table: Table): Promise<Shown> {
  const { columns, sample, rowsIn } = table;
  const rows = Math.max(sampleRowsMin, Math.min(sampleRowsMax, Math.floor(sampleValues / columns.length)));
  const types = columns.map(({ among, type }) => (among.length > 0 ? undefined : type));
  const first = (count: number) => `(FROM ${sample} LIMIT ${count})`;
  if (Math.min(rows, rowsIn) <= triedRows) return infer(session, table, { source: first(rows), types });
  const tried = await infer(session, table, { source: first(triedRows), types });
  const held = await holdingTypes(session, table, { source: first(rows), types: tried.types });
  const isAll = held.every((type): type is string => type !== undefined);
  if (isAll) return { ...tried, types: held };
  return infer(session, table, { source: first(rows), types: held, before: tried.evidence });
}

/**
 * Rows in which all types are tried. A type whose forerunners failed in these, and that holds for all rows of the
 * sample, is the one that trying all types in all of them would find; and one cast of a value costs less than ten.
 */
const triedRows = 64;

/** The types that hold in these rows, too; undefined where one does not, or no value was seen yet. */
async function holdingTypes(
  session: Session,
  { columns }: Table,
  { source, types }: { source: string; types: readonly string[] },
): Promise<(string | undefined)[]> {
  const checks = columns.flatMap(({ cell, among, notation }, index) => {
    const type = types[index] ?? "VARCHAR";
    if (among.length === 0 || type === "VARCHAR" || type === allNull) return [];
    return `bool_and(${holds(cell, type, notation)}) AS h${index}`;
  });
  const [answer] = checks.length > 0 ? await session.run(`SELECT ${checks.join(", ")} FROM ${source}`) : [];
  return types.map((type, index) => (type === allNull || answer?.[`h${index}`] === false ? undefined : type));
}

/** Types by all rows. What the sample showed to be text stays text without another look: more rows never narrow. */
export async function inferFromAll(session: Session, table: Table): Promise<string[]> {
  const sampled = readsByValue(table) ? undefined : await look(session, table);
  const types = table.columns.map(({ among, type }, index) =>
    among.length > 0 && sampled?.types[index] !== "VARCHAR" ? undefined : type,
  );
  return (await infer(session, table, { source: table.relation, types, before: sampled?.evidence })).types;
}

/**
 * Fills in the types that are undefined. The values of all columns go through one set of expressions, as (name,
 * value): with a set for each column DuckDB takes minutes to plan for 4,096 of them. A type that failed `before`, in
 * some of these rows, fails in all of them, and is tried no more.
 */
async function infer(
  session: Session,
  { columns }: Table,
  asked: { source: string; types: (string | undefined)[]; before?: Shown["evidence"] | undefined },
): Promise<Shown> {
  const { source, types, before } = asked;
  const open = columns.filter((_, index) => types[index] === undefined);
  const found = new Map(before);
  for (const among of new Set(open.map((column) => column.among))) {
    const alike = open.filter((column) => column.among === among);
    const cells = alike.map(({ cell }) => cell);
    const notation = alike[0]?.notation;
    const possible = among.filter((type) => cells.some((cell) => before?.get(cell)?.[type] !== false));
    const values = `${source} UNPIVOT (value FOR name IN (${cells.join(", ")}))`;
    const answers = await session.run(
      `SELECT name, ${evidence("value", possible, notation)} AS evidence FROM ${values} GROUP BY name`,
    );
    for (const { name, evidence: seen } of answers) found.set(String(name), seen as Evidence);
  }
  return {
    types: columns.map(({ cell, among }, index) => types[index] ?? chooseType(found.get(cell), among)),
    evidence: found,
  };
}

/** A column that is NULL throughout is text, and instants in UTC are instants. */
export const finalType = (type: string): string =>
  type === allNull ? "VARCHAR" : type === inUtc ? zoned : type;

type Version = Pick<
  Static<typeof Manifest>,
  "name" | "columns" | "last_column_id" | "objects" | "metadata_location"
>;

/** A version as a file is matched with it. Where it evolves, a column that is NULL throughout may have any type. */
export const registeredOf = (
  { name, columns, last_column_id = 0, objects, metadata_location: isOpen }: Version,
  { evolve: evolves = false, mode }: { evolve?: boolean; mode?: string },
): Registered => ({
  name,
  known: { columns, last_column_id },
  evolves,
  isKeyed: mode === "upsert",
  columns: columns
    .filter((column) => !evolves || isOpen !== undefined || !isNull(column.field_id, objects))
    .map((column) => ({
      name: column.name,
      type: column.form === "shortest" ? inShortestForm(column.type) : column.type,
    })),
});

/** As far as statistics tell. */
const isNull = (fieldId: number | undefined, objects: Version["objects"]): boolean =>
  objects.length > 0 &&
  objects.every(({ row_count, statistics }) => {
    const found = statistics.find(({ field_id }) => field_id === fieldId);
    return found?.null_count === row_count;
  });

/** SQL for the column's value as this type. What is no text has no form. */
export const valueAs = ({ as, notation }: Column, type: string, index: number): string | undefined =>
  as(notation === undefined ? sqlType(type) : type, index);

export interface Match {
  /** Each registered column with the table's; undefined where the file has none, which is NULL in every row. */
  columns: { name: string; column: Column | undefined }[];
  /** Undefined for a column that is new: its values show it. */
  types: (string | undefined)[];
  known: KnownFields;
}

/** Types to write a matched file by: the registered ones, and for other columns what the first rows suggest. */
export async function typesOf(session: Session, table: Table, match: Match | undefined): Promise<string[]> {
  if (match?.types.every((type) => type !== undefined)) return match.types;
  const inferred = await inferTypes(session, table);
  if (!match) return inferred;
  return match.columns.map(
    ({ column }, index) =>
      match.types[index] ?? inferred[table.columns.indexOf(column as Column)] ?? "VARCHAR",
  );
}

/**
 * Matches a file with the dataset it is loaded into, by the names of the columns, in whatever order they stand. Throws `schema_drift` naming the columns that cannot be the
 * registered ones. Whether all values hold in the registered types is seen when they are written.
 */
export function matchRegistered(table: Table, registered: Registered): Match {
  if (registered.evolves) return matchEvolving(table, registered);
  const byName = new Map(table.columns.map((column) => [column.name, column]));
  const known = new Set(registered.columns.map(({ name }) => name));
  const isWhole = table.mayLack || table.columns.length === registered.columns.length;
  if (!isWhole || !table.columns.every(({ name }) => known.has(name)))
    throw drift(registered, asRegistered(table.columns, registered));
  const columns = registered.columns.map(({ name }) => ({ name, column: byName.get(name) }));
  const types = registered.columns.map(({ type }) => type);
  const found = registered.columns.map(({ name, type }, index) => {
    const column = byName.get(name);
    return { name, type: column && valueAs(column, type, index) === undefined ? column.type : type };
  });
  if (found.some(({ type }, index) => type !== types[index])) throw drift(registered, found);
  return { columns, types, known: registered.known };
}

/**
 * The same where the dataset takes the file's columns: registered ones in their order, then those that are new. What the
 * file lacks is not written, but for formats that leave out what is NULL. The catalog judges types that are other ones.
 */
function matchEvolving(table: Table, { columns: before, known }: Registered): Match {
  const byName = new Map(table.columns.map((column) => [column.name, column]));
  const names = new Set(before.map(({ name }) => name));
  const kept = before.filter(({ name }) => byName.has(name) || table.mayLack);
  const added = table.columns.filter(({ name }) => !names.has(name));
  const keptTypes = kept.map(({ name, type }, index) => {
    const column = byName.get(name);
    return column && valueAs(column, type, index) === undefined ? undefined : type;
  });
  return {
    columns: [...kept, ...added].map(({ name }) => ({ name, column: byName.get(name) })),
    types: [...keptTypes, ...added.map(() => undefined)],
    known,
  };
}

/** The file's columns with the registered type where they may have it: their values were not looked at yet. */
function asRegistered(columns: readonly Column[], registered: Registered): TypedColumn[] {
  const types = new Map(registered.columns.map(({ name, type }) => [name, type]));
  return columns.map((column, index) => {
    const type = types.get(column.name);
    const may = type !== undefined && valueAs(column, type, index) !== undefined;
    return { name: column.name, type: may ? type : column.type };
  });
}

/** The 409 of a file that has other columns than the dataset. The details have the form of catalogd's. */
export function drift({ name, columns, isKeyed }: Registered, found: readonly TypedColumn[]): ServiceError {
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
  const changes = parts
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => `${kind}: ${few(names)}`);
  const change = isKeyed
    ? `an upsert has every column of the dataset: change them by PATCH /v1/catalog/datasets/${name} first`
    : "send evolve=true to take columns that are new or missing and wider types";
  const advice = `${change}, types=column:TYPE for columns that are read otherwise, or load it under another name`;
  return fail(
    "schema_drift",
    `the columns of the file differ from those of dataset '${name}': ${changes.join("; ")}; ${advice}`,
    { details },
  );
}

/** Columns of each kind that a message names; the details have all. */
const namedMax = 10;
const few = (names: readonly string[]): string =>
  names.slice(0, namedMax).join(", ") +
  (names.length > namedMax ? ` and ${names.length - namedMax} more` : "");
