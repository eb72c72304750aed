/** One run of rows into one Parquet file, by a plan of columns and types. */

import type { Session } from "./engine.ts";
import type { Column, Run, Table } from "./format.ts";
import type { Draft } from "./objects.ts";
import { identifier } from "./sql-text.ts";
import type { Match } from "./typing.ts";
import { type Target, type Written, writeQuery } from "./write-parquet.ts";

export interface Planned {
  name: string;
  /** Undefined where the file lacks the column: NULL in every row. */
  column: Column | undefined;
  type: string;
}

export interface Plan {
  columns: Planned[];
  /** SQL that is true for rows to leave out; they are in the rejects. */
  leaveOut?: string;
}

/** The columns as they are to be written: those of the registered dataset, else those of the file. */
export function planOf(table: Table, match: Match | undefined, types: readonly string[]): Plan {
  const columns = match?.columns ?? table.columns.map((column) => ({ name: column.name, column }));
  return {
    columns: columns.map(({ name, column }, index) => ({ name, column, type: types[index] ?? "VARCHAR" })),
  };
}

/** A place for one more file. */
export type NewTarget = () => Promise<Target & Pick<Draft, "seal" | "commit">>;

/** A file that was written. */
export interface Piece extends Written, Pick<Draft, "seal" | "commit"> {}

/** Rejects as the session does. */
export async function writeRun(session: Session, run: Run, plan: Plan, newTarget: NewTarget): Promise<Piece> {
  const target = await newTarget();
  const { rows, rowBytes, partRows } = run;
  const written = await writeQuery(session, selectOf(run, plan), { ...target, rows, rowBytes, partRows });
  // Meanwhile other runs are written; a failure is told by `commit`.
  target.seal().catch(() => undefined);
  return { ...written, seal: target.seal, commit: target.commit };
}

function selectOf({ relation }: Run, { columns, leaveOut }: Plan): string {
  const list = columns.map(({ name, column, type }, index) => {
    const value = column === undefined ? `NULL::${type}` : column.as(type, index);
    if (value === undefined) throw new Error(`column '${name}' cannot be had as ${type}`);
    return `${value} AS ${identifier(name)}`;
  });
  return `SELECT ${list.join(", ")} FROM ${relation}${leaveOut === undefined ? "" : ` WHERE NOT (${leaveOut})`}`;
}
