/** One run of rows into one Parquet file, by a plan of columns and types. */

import { type KnownFields, quoteName } from "../../../runtime/sql/sql.ts";
import type { Described, Session } from "../engine/engine.ts";
import { formOf, sqlType } from "../inference/inference.ts";
import type { Column, Run, Table } from "../tables/tables.ts";
import { type Match, valueAs } from "../typing/typing.ts";
import type { StagedObject } from "./staging.ts";
import { type Target, type Written, writeQuery } from "./write-parquet.ts";

interface Planned {
  name: string;
  /** Undefined where the file lacks the column: NULL in every row. */
  column: Column | undefined;
  type: string;
}

export interface Plan {
  columns: Planned[];
  /** SQL that is true for rows to leave out; they are in the rejects. */
  leaveOut?: string;
  /** The fields of the registered dataset. */
  known?: KnownFields | undefined;
  /** The columns as DuckDB has them, once one of the runs has asked: they are the same for all. */
  described?: Promise<Described[]> | undefined;
}

/** The columns as they are to be written: those of the registered dataset, else those of the file. */
export function planOf(table: Table, match: Match | undefined, types: readonly string[]): Plan {
  const columns = match?.columns ?? table.columns.map((column) => ({ name: column.name, column }));
  return {
    columns: columns.map(({ name, column }, index) => ({ name, column, type: types[index] ?? "VARCHAR" })),
    known: match?.known,
  };
}

/** A place for one more file. */
export type NewTarget = () => Promise<Target & Pick<StagedObject, "seal" | "commit">>;

/** A file that was written. */
export interface Piece extends Written, Pick<StagedObject, "seal" | "commit"> {
  /** Where it lies until it is committed. */
  path: string;
}

/** Rejects as the session does. */
export async function writeRun(session: Session, run: Run, plan: Plan, newTarget: NewTarget): Promise<Piece> {
  const target = await newTarget();
  const { rows, rowBytes, partRows } = run;
  const query = selectOf(run, plan);
  plan.described ??= session.describe(query).catch((error) => {
    plan.described = undefined;
    throw error;
  });
  const extent = { rows, rowBytes, partRows, known: plan.known };
  const written = await writeQuery(session, query, { ...target, ...extent }, plan.described);
  // Meanwhile other runs are written; `commit` rejects with a failure.
  target.seal().catch(() => undefined);
  const columns = written.columns.map((column, index) => withForm(column, plan.columns[index]));
  return { ...written, columns, path: target.path, seal: target.seal, commit: target.commit };
}

/** The form of a column's texts; what came as no text has one only where it joins such a column. */
function withForm(
  written: Written["columns"][number],
  planned: Planned | undefined,
): Written["columns"][number] {
  const form = planned && formOf(planned.type);
  const column = planned?.column;
  const isText = column === undefined || column.among.length > 0 || column.forced;
  return form === undefined || (form === "fixed" && !isText) ? written : { ...written, form };
}

function selectOf({ relation }: Run, { columns, leaveOut }: Plan): string {
  const list = columns.map(({ name, column, type }, index) => {
    const value = column === undefined ? `NULL::${sqlType(type)}` : valueAs(column, type, index);
    if (value === undefined) throw new Error(`column '${name}' cannot be had as ${type}`);
    return `${value} AS ${quoteName(name)}`;
  });
  return `SELECT ${list.join(", ")} FROM ${relation}${leaveOut === undefined ? "" : ` WHERE NOT (${leaveOut})`}`;
}
