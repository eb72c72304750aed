/**
 * What DESCRIBE, SHOW TABLES and information_schema see: one view a dataset, and a view of somebody's, with its columns and no rows behind it.
 * Queries never read these views (see `prelude` in statement.ts); one that did would fail, not answer wrongly.
 */

import { fail } from "../../../runtime/errors/errors.ts";
import type { SchemaNode } from "../../../runtime/parquet/parquet.ts";
import { columnProblem, fold, parseSqlType, quoteName, quoteText, sqlOf } from "../../../runtime/sql/sql.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { AppliedViews, Session } from "../engine/engine.ts";
import { EngineError } from "../errors/errors.ts";
import { hasSchema, openQuery, schemaViews } from "./open-tables.ts";
import type { Manifest, Snapshot, View } from "./snapshots.ts";
import { systemColumnsSql, systemViewStatements, viewComment } from "./system-views.ts";

interface Plan {
  statements: string[];
  after: AppliedViews;
  /** Datasets that cannot be shown, with the reason. */
  refused: Map<string, string>;
}

/** The statements that bring the views to the snapshot: only what changed. */
function planViews(before: AppliedViews, snapshot: Snapshot): Plan {
  const after = new Map<string, string>();
  const refused = new Map<string, string>();
  const statements: string[] = [];
  for (const manifest of snapshot.datasets.values()) {
    const reason = after.has(fold(manifest.name))
      ? "another dataset's name differs in letter case alone"
      : badType(manifest);
    if (reason !== undefined) {
      refused.set(manifest.name, reason);
      continue;
    }
    const statement = shapeStatement(manifest);
    if (before.get(fold(manifest.name)) !== statement) statements.push(...schemaOf(manifest), statement);
    after.set(fold(manifest.name), statement);
  }
  for (const [folded, view] of snapshot.views) {
    if (after.has(folded)) continue;
    const statement = shapeStatement(view);
    if (before.get(folded) !== statement)
      statements.push(statement, `COMMENT ON VIEW ${viewOf(view.name)} IS ${quoteText(viewComment)}`);
    after.set(folded, statement);
  }
  const gone = [...before.keys()].filter((name) => !after.has(name));
  return {
    statements: [...gone.map((name) => `DROP VIEW IF EXISTS ${viewOf(name)}`), ...statements],
    after,
    refused,
  };
}

export interface Views {
  /** Makes the system views once, and brings those of datasets to the snapshot. A dataset that cannot be shown is left out and logged. */
  sync: (session: Session, snapshot: Snapshot) => Promise<void>;
  /** Makes the tables with a schema that a statement reads what it reads: their rows in place of their columns alone. */
  showing: (session: Session, sources: readonly { name: string; relation: string }[]) => Promise<void>;
}

export function createViews(log: Log): Views {
  return {
    showing: async ({ known, execute }, sources) => {
      const statements = schemaViews(sources);
      if (statements.length === 0) return;
      // The next statement that lists tables makes the views of columns again, and drops those of versions.
      const { etag, applied } = known.views;
      const shown = sources
        .filter(({ name }) => hasSchema(name))
        .map(({ name }) => [fold(name), ""] as const);
      known.views = { etag: etag && "", applied: new Map([...applied, ...shown]) };
      await execute(statements);
    },
    sync: async ({ known, execute, rows }, snapshot) => {
      if (known.views.etag === snapshot.etag) return;
      if (known.views.etag === undefined) await execute(systemViewStatements(await rows(systemColumnsSql)));
      const plan = planViews(known.views.applied, snapshot);
      for (const [dataset, reason] of plan.refused)
        log.warn("a dataset cannot be shown", { dataset, reason });
      if (plan.statements.length > 0) {
        try {
          await execute(["BEGIN TRANSACTION", ...plan.statements, "COMMIT"]);
        } catch (cause) {
          if (!(cause instanceof EngineError)) throw cause;
          await execute(["ROLLBACK"]).catch(() => {});
          for (const statement of plan.statements)
            await execute([statement]).catch((error) =>
              log.warn("a dataset cannot be shown", describe(error)),
            );
        }
      }
      known.views = { etag: snapshot.etag, applied: plan.after };
    },
  };
}

/** Where a dataset is shown: in `main`, or a table in the schema of its namespace. */
function viewOf(name: string): string {
  const at = name.indexOf(".");
  return at < 0
    ? `main.${quoteName(name)}`
    : `${quoteName(name.slice(0, at))}.${quoteName(name.slice(at + 1))}`;
}
const schemaOf = ({ name }: Manifest): string[] =>
  hasSchema(name) ? [`CREATE SCHEMA IF NOT EXISTS ${quoteName(name.slice(0, name.indexOf(".")))}`] : [];

const shapeStatement = (manifest: Pick<Manifest, "name" | "columns"> | View): string =>
  `CREATE OR REPLACE VIEW ${viewOf(manifest.name)} AS SELECT ${nullColumns(manifest)} WHERE error('this view has no rows') IS NULL`;

const nullColumns = ({ columns }: { columns: readonly { name: string; type: string }[] }): string =>
  columns.map(({ name, type }) => `CAST(NULL AS ${typeSql(type)}) AS ${quoteName(name)}`).join(", ");

/** A dataset's columns with their types, and no rows. */
export const emptyRows = (manifest: Manifest): string => `SELECT ${nullColumns(manifest)} WHERE false`;

/** A macro that reads one version of a dataset from its objects, with the columns and types of its manifest. */
export const readStatement = (macro: string, manifest: Manifest, files: readonly PlacedFile[]): string =>
  `CREATE OR REPLACE MACRO ${macro}() AS TABLE ${readQuery(manifest, files)}`;

/** The file of an object, by its place in the version. */
export interface PlacedFile {
  at: number;
  path: string;
  /** Of a file of an open table: its columns. */
  schema?: readonly SchemaNode[];
}

/** The rows in some objects of a version. */
export function readQuery(manifest: Manifest, files: readonly PlacedFile[]): string {
  if (files.length === 0) return emptyRows(manifest);
  if (manifest.open) return openQuery(manifest, manifest.open, files);
  // A folder named like a=b above an object must not become a partition column.
  const parts = readsOf(manifest, files).map(
    ({ list, files }) => `SELECT ${list} FROM read_parquet([${files.join(", ")}], hive_partitioning = false)`,
  );
  return parts.join(" UNION ALL ");
}

interface Read {
  list: string;
  files: string[];
}

/**
 * The files by what is selected from them: an object has the names and types of the schema under which it was written, and
 * the dataset's columns are those with the same field ids. Files that have no ids are read like all others. Files of other
 * types are read apart: of several DuckDB takes the types of the first.
 */
function readsOf(manifest: Manifest, files: readonly PlacedFile[]): Read[] {
  const bySchema = new Map<number, Read>();
  const reads = new Map<string, Read>();
  for (const { at, path } of files) {
    const id = manifest.objects[at]?.schema_id ?? 0;
    let read = bySchema.get(id);
    if (!read) {
      const { list, types } = selectionOf(manifest, id);
      const key = JSON.stringify([list, types]);
      read = reads.get(key) ?? { list, files: [] };
      reads.set(key, read);
      bySchema.set(id, read);
    }
    read.files.push(quoteText(path));
  }
  return [...reads.values()];
}

/** The columns that objects of a schema were written with. */
export function columnsOfSchema({ columns, schemas, schema_id = 0, name: dataset }: Manifest, id: number) {
  const own = id === schema_id ? columns : schemas?.find((schema) => schema.schema_id === id)?.columns;
  if (!own) throw fail("corrupt", `dataset '${dataset}' does not say what the columns of schema ${id} are`);
  return own;
}

function selectionOf(manifest: Manifest, id: number) {
  const { columns } = manifest;
  const inFile = new Map(
    columnsOfSchema(manifest, id).map((column) => [column.field_id ?? column.name, column]),
  );
  const found = columns.map(({ name, field_id }) => inFile.get(field_id ?? name));
  const list = columns.map(({ name, type }, at) => {
    const from = found[at];
    return `CAST(${from ? quoteName(from.name) : "NULL"} AS ${typeSql(type)}) AS ${quoteName(name)}`;
  });
  return { list: list.join(", "), types: found.map((column) => column?.type) };
}

/** Types come from whoever registered the dataset: what becomes part of a statement is written anew from the parsed type. */
const typeSql = (type: string): string => sqlOf(parseSqlType(type));

/** Why the columns cannot be read by any query; undefined when they can. */
export const badType = ({ columns }: Manifest): string | undefined => columnProblem(columns)?.problem;
