/** From a stored file to one Parquet file: types chosen, every value checked, every row accounted for. */

import { EngineError, isExhausted, type Session } from "../engine/engine.ts";
import { holds, violatedColumn, whyNot } from "../inference/inference.ts";
import type { Column, Registered, Run, Stored, Table, TypedColumn } from "../tables/tables.ts";
import {
  drift,
  finalType,
  inferFromAll,
  type Match,
  matchRegistered,
  textWarnings,
  typesOf,
} from "../typing/typing.ts";
import { type NewTarget, type Piece, type Plan, planOf, writeRun } from "./run.ts";
import type { SpeculativeWrites } from "./speculative.ts";
import type { Writers } from "./writers.ts";

export interface Loaded {
  pieces: Piece[];
  rows: number;
  rowsIn: number;
  rowsRejected: number;
  /** The rejected rows as a relation, when there are any, and what stands for their content. */
  rejects?: { relation: string; digest: string };
  warnings: string[];
}

/** This way of reading fails on the file; the next one may not. */
class ReadingFailed extends Error {
  override name = "ReadingFailed";
}

interface LoadOptions {
  registered: Registered | undefined;
  newTarget: NewTarget;
  writers: Writers;
  /** What was written while the file was received. */
  speculative: SpeculativeWrites | undefined;
  /** Called with the phase that begins. */
  phase: (what: string) => void;
  /** Called when a fast way of reading was given up. */
  onRetry: (reason: string) => void;
}

/** Writes the file to new targets. Throws `rejected_rows`, `schema_drift`, `unprocessable` or what the engine needs. */
export async function load(session: Session, stored: Stored, options: LoadOptions): Promise<Loaded> {
  let reason: unknown;
  for (const open of stored.tables) {
    const table = await open(session);
    if (table === undefined) continue;
    try {
      return await loadTable(session, table, options);
    } catch (error) {
      if (!(error instanceof ReadingFailed)) throw error;
      // A format that only DuckDB reads has no other way: the file contradicts itself.
      if (table.explain) throw table.explain(new EngineError(error.message));
      reason = error;
      options.onRetry(error.message);
    }
  }
  throw new Error("no way of reading this file holds", { cause: reason });
}

async function loadTable(session: Session, table: Table, options: LoadOptions): Promise<Loaded> {
  const { registered, writers, phase } = options;
  const columns = `${table.columns.length} columns`;
  const speculative = table.speculative ? options.speculative : undefined;
  if (speculative === undefined) await writers.cancel();
  const match = registered && matchRegistered(table, registered);
  phase(`finding the types of ${columns}`);
  const leaveOut = await rejectMisfits(session, table);
  const write = async (types: readonly string[], written: SpeculativeWrites | undefined) => {
    const plan = { ...planOf(table, match, types), ...(leaveOut && { leaveOut }) };
    phase(`writing ${table.rowsIn} rows of ${columns}`);
    const loaded = await writeRuns(session, table, plan, { ...options, speculative: written });
    phase("looking at columns that stayed text");
    const warnings = await textWarnings(session, { table, plan, loaded, isNew: registered === undefined });
    return { ...loaded, warnings: [...loaded.warnings, ...warnings] };
  };
  try {
    return await write((await speculative?.types()) ?? (await typesOf(session, table, match)), speculative);
  } catch (error) {
    await writers.cancel();
    // A text that DuckDB cannot read as it came is written anew by the exact reader.
    if (error instanceof EngineError && table.lineOf) throw new ReadingFailed(error.message);
    if (!(error instanceof Violation)) throw error;
    if (error.column.forced) throw new ReadingFailed(error.message);
    if (match && table.rejects.allowed) {
      // Only a table with source positions can say which rows these are.
      if (!table.positions) throw new ReadingFailed(error.message);
      const misfits = await rejectRows(session, table, registeredChecks(match));
      const condition = [leaveOut, misfits].filter((each) => each !== undefined).join(" OR ");
      const known = await typesOf(session, table, match);
      const plan = { ...planOf(table, match, known), ...(condition !== "" && { leaveOut: condition }) };
      return writeRuns(session, table, plan, { ...options, speculative: undefined });
    }
    phase(`finding the types of ${columns} by all rows`);
    const types = await inferFromAll(session, table);
    if (!registered || !match) return write(types, undefined);
    const found = await foundTypes(session, table, registered, types);
    if (!registered.evolves) throw drift(registered, found);
    const byName = new Map(found.map(({ name, type }) => [name, type]));
    return write(
      match.columns.map(({ name }, index) => byName.get(name) ?? match.types[index] ?? "VARCHAR"),
      undefined,
    );
  }
}

/** A value does not hold in the type that its column was given. */
class Violation extends Error {
  readonly column: Column;
  constructor(column: Column) {
    super(`a value of column '${column.name}' does not hold in its type`);
    this.column = column;
  }
}

/** What a drifting file's columns are: the registered type where it holds for all values, else what they show. */
async function foundTypes(
  session: Session,
  table: Table,
  registered: Registered,
  types: readonly string[],
): Promise<TypedColumn[]> {
  const before = new Map(registered.columns.map(({ name, type }) => [name, type]));
  const checks = table.columns.map(({ name, cell, among, notation }, index) => {
    const type = before.get(name);
    const held = type === undefined || among.length === 0 ? "true" : holds(cell, type, notation);
    return `coalesce(bool_and(${held}) FILTER (${cell} IS NOT NULL), true) AS h${index}`;
  });
  const [answer] = await session.run(`SELECT ${checks.join(", ")} FROM ${table.relation}`);
  return table.columns.map(({ name }, index) => {
    const found = finalType(types[index] ?? "VARCHAR");
    return { name, type: answer?.[`h${index}`] === true ? (before.get(name) ?? found) : found };
  });
}

/** Characters of a value that its reason is found from. */
const shownCharacters = 100;
/** Rows with misfits read at once; more are an error by any sensible max_rejects. */
const misfitsMax = 1_000_000;

/** SQL that is true for the values of a column that are not to be loaded, and why. */
interface Check {
  column: Column;
  misses: string;
  reason: (text: string) => string;
}

/** Sets rows aside whose values do not convert to a type that was asked for; gives the condition that finds them. */
export const rejectMisfits = (session: Session, table: Table): Promise<string | undefined> =>
  rejectRows(
    session,
    table,
    table.columns
      .filter((column) => column.forced && column.type !== "VARCHAR")
      .map((column) => checkOf(column, column.type, "type")),
  );

/** Checks for the columns whose values may fail the cast to their registered type. */
const registeredChecks = ({ columns, types }: Match): Check[] =>
  columns.flatMap(({ column }, index) => {
    const type = types[index];
    if (
      !column ||
      type === undefined ||
      column.forced ||
      !(column.mayMiss?.(type) ?? column.among.length > 0)
    )
      return [];
    return [checkOf(column, type, "registered type")];
  });

const checkOf = (column: Column, type: string, what: string): Check => ({
  column,
  misses: `NOT (${holds(column.cell, type, column.notation)})`,
  reason: (text) => whyNot(text, { type, what, notation: column.notation }),
});

/** Sets rows aside for the first check that they do not pass; gives the condition that finds them. */
async function rejectRows(
  session: Session,
  { positions, relation, rejects }: Table,
  checks: readonly Check[],
): Promise<string | undefined> {
  if (!positions || checks.length === 0) return undefined;
  const first = (of: (check: Check, index: number) => string | number) =>
    `CASE ${checks.map((check, index) => `WHEN ${check.misses} THEN ${of(check, index)}`).join(" ")} END`;
  const any = checks.map(({ misses }) => `(${misses})`).join(" OR ");
  const rows = await session.run(
    `SELECT ${positions.line} AS line, ${positions.byte} AS byte, ${first((_, index) => index)} AS which,
      ${first(({ column }) => `left(${column.cell}, ${shownCharacters})`)} AS text FROM ${relation} WHERE ${any} LIMIT ${misfitsMax}`,
  );
  for (const row of rows) {
    const found = checks[Number(row.which)];
    const byte = Number(row.byte);
    await rejects.add({
      line: Number(row.line),
      byte,
      column: found?.column.name ?? null,
      reason: found?.reason(String(row.text)) ?? "",
      text: await positions.textAt(byte),
    });
  }
  return rows.length === 0 ? undefined : any;
}

/** Writes the runs that are not written yet, and accounts for every row. */
async function writeRuns(
  session: Session,
  table: Table,
  plan: Plan,
  { newTarget, writers, speculative }: Pick<LoadOptions, "newTarget" | "writers" | "speculative">,
): Promise<Loaded> {
  const meaning = (error: unknown) => {
    throw meaningOf(error, table, plan);
  };
  const onAllCores = (run: Run) => writeRun(session, run, plan, newTarget);
  const last = table.runs.length - 1;
  // The last run is written on all cores as soon as the others leave some, so that none is idle at the end.
  const lastRun = (run: Run) => (last === 0 ? onAllCores(run) : writers.after(() => onAllCores(run)));
  const beside = table.runs.map(
    (run, index) => speculative?.piece(index) ?? (index < last ? writers.begin(run, plan) : undefined),
  );
  const ended = await Promise.allSettled(table.runs.map((run, index) => beside[index] ?? lastRun(run)));
  const pieces: Piece[] = [];
  for (const [index, run] of table.runs.entries()) {
    const piece = ended[index];
    if (piece?.status === "fulfilled") pieces.push(piece.value);
    else if (beside[index] && isExhausted(piece?.reason)) pieces.push(await onAllCores(run).catch(meaning));
    else meaning(piece?.reason);
  }
  const rejects = await table.rejects.relation();
  const rowsRejected = table.rejects.count();
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  // Three counts must agree: DuckDB's, that of the rejects, and that of the scan or reader that divided the file.
  if (rows + rowsRejected !== table.rowsIn) {
    throw new ReadingFailed(`of ${table.rowsIn} rows ${rows} were loaded and ${rowsRejected} rejected`);
  }
  return {
    pieces,
    rows,
    rowsIn: table.rowsIn,
    rowsRejected,
    ...(rejects !== undefined && { rejects: { relation: rejects, digest: table.rejects.digest() } }),
    warnings: table.warnings,
  };
}

/** What a failure to write says about the file. */
function meaningOf(error: unknown, table: Table, { columns }: Plan): unknown {
  if (!(error instanceof EngineError)) return error;
  const violated = columns[violatedColumn(error.message) ?? -1]?.column;
  if (violated) return new Violation(violated);
  return table.explain ? table.explain(error) : new ReadingFailed(error.message);
}
