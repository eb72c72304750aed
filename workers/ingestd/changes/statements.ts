/** A change of rows as the statements that find, keep and rewrite them. Names and types are the catalog's; expressions are the caller's. */
import { fail, invalidField, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { columnProblem, plainType, quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { DatasetManifest } from "../jobs/jobs.ts";

type Column = DatasetManifest["columns"][number];

export interface Change {
  operation: "delete" | "update" | "retype";
  /** Expressions of the caller, each checked to be one. */
  expressions: readonly string[];
  /** The columns that the dataset has after it. */
  columns: Column[];
  /** One row: `matched`, and what stands in the way. */
  count: string;
  /** Throws for what a count shows. */
  check: (counted: Readonly<Record<string, unknown>>) => void;
  /** The rows of an object of which some match, as they are after it; with `rowIds`, in a table whose rows have ids. */
  rest: (rowIds: boolean) => string;
  /** Whether rows that match go. */
  removes: boolean;
  /** The rows of an object that are set aside: with text in the order of the columns of rejected rows. */
  rejected?: string;
  /** Files that are written anew whatever their rows are, and no others. */
  only?: ReadonlySet<string>;
}

/** What becomes of values that do not hold in another type. */
export type Misfits = "fail" | "null" | "reject";

/** How a version of a dataset is named in a statement: its columns may be named with the dataset's name. */
export const versionName = ({ name, version }: Pick<DatasetManifest, "name" | "version">): string =>
  `${name}@${version}`;

/** The name as SQL has it: a table of a namespace goes by both. */
export const quotedVersion = (version: Pick<DatasetManifest, "name" | "version">): string => {
  const name = versionName(version);
  const at = version.name.indexOf(".");
  return at < 0 ? quoteName(name) : `${quoteName(name.slice(0, at))}.${quoteName(name.slice(at + 1))}`;
};

/** Line ends close a comment at the end of an expression. */
const inBrackets = (expression: string): string => `(\n${expression}\n)`;
const from = (base: DatasetManifest): string =>
  `FROM ${quotedVersion(base)} AS ${quoteName(base.name.slice(base.name.indexOf(".") + 1))}`;

export function deletion(base: DatasetManifest, where: string): Change {
  const matches = inBrackets(where);
  return {
    operation: "delete",
    expressions: [where],
    columns: base.columns,
    count: `SELECT count(*) AS matched ${from(base)} WHERE ${matches} IS TRUE`,
    check: () => {},
    // What is not known to match stays, as in SQL.
    rest: () => `SELECT * ${from(base)} WHERE ${matches} IS NOT TRUE`,
    removes: true,
  };
}

export function update(
  base: DatasetManifest,
  { set, where = "true" }: { set: Readonly<Record<string, string>>; where?: string },
): Change {
  const entries = Object.entries(set);
  if (entries.length === 0)
    throw invalidField("set", "expected at least one column with its new value as SQL");
  for (const [name] of entries) columnOf(base, name, `set.${name}`);
  const matches = `${inBrackets(where)} IS TRUE`;
  const values = new Map(entries.map(([name, value]) => [name, inBrackets(value)]));
  const lossy = base.columns.flatMap(({ name, type }) => {
    const value = values.get(name);
    return value === undefined ? [] : [`${value} IS DISTINCT FROM CAST(${value} AS ${type})`];
  });
  const columns = base.columns.map(({ name, type }) => {
    const value = values.get(name);
    const own = quoteName(name);
    return value === undefined
      ? own
      : `CASE WHEN ${matches} THEN CAST(${value} AS ${type}) ELSE ${own} END AS ${own}`;
  });
  return {
    operation: "update",
    expressions: [where, ...entries.map(([, value]) => value)],
    columns: base.columns,
    count: `SELECT count(*) AS matched, ${lossy.map((each, at) => `count(*) FILTER (WHERE ${each}) AS lossy${at}`).join(", ")} ${from(base)} WHERE ${matches}`,
    check: (counted) => {
      const set_ = base.columns.filter(({ name }) => values.has(name));
      for (const [at, { name, type }] of set_.entries()) {
        const count = Number(counted[`lossy${at}`]);
        if (count > 0)
          throw fail(
            "unprocessable",
            `set.${name}: ${count} values would be other ones as ${type}; round or cast them in the expression`,
            { details: { field: `set.${name}`, count } },
          );
      }
    },
    rest: (rowIds) => {
      // A row that changes is as of the snapshot that is made.
      const updated = `CASE WHEN ${matches} THEN NULL ELSE _last_updated_sequence_number END AS _last_updated_sequence_number`;
      return `SELECT ${[...columns, ...(rowIds ? ["_row_id", updated] : [])].join(", ")} ${from(base)}`;
    },
    removes: false,
  };
}

/** The files of these keys with the rows that a query shows, and nothing else that they held. */
export function rewriting(base: DatasetManifest, only: ReadonlySet<string>): Change {
  return {
    operation: "update",
    expressions: [],
    columns: base.columns,
    count: `SELECT count(*) AS matched ${from(base)}`,
    check: () => {},
    rest: () => `SELECT * ${from(base)}`,
    removes: false,
    only,
  };
}

/** Every value of a column as another type; of those that do not hold in it NULL, or their rows are set aside, as `onError` says. */
export function retyping(
  base: DatasetManifest,
  { column: name, type: asked, onError }: { column: string; type: string; onError: Misfits },
): Change {
  const { type: before } = columnOf(base, name, "column");
  const wrong = columnProblem([{ name, type: asked }]);
  if (wrong) throw fail("unprocessable", `type: ${wrong.problem}`, { details: { field: "type" } });
  const type = plainType(asked);
  const own = quoteName(name);
  const value = `TRY_CAST(${own} AS ${type})`;
  const fails = `${own} IS NOT NULL AND (${holds(own, { before, type })}) IS NOT TRUE`;
  const columns = base.columns.map((column) =>
    column.name === name
      ? `CASE WHEN ${fails} THEN NULL ELSE ${value} END AS ${own}`
      : quoteName(column.name),
  );
  return {
    operation: "retype",
    expressions: [],
    columns: base.columns.map((column) =>
      column.name === name ? retyped(column, { type, onError }) : column,
    ),
    count: `SELECT count(*) AS matched, count(*) FILTER (WHERE ${fails}) AS misfits, left(min(CAST(${own} AS VARCHAR)) FILTER (WHERE ${fails}), 100) AS example ${from(base)}`,
    check: ({ misfits, example }) => {
      if (onError !== "fail" || Number(misfits) === 0) return;
      throw fail(
        "unprocessable",
        `column '${name}': ${misfits} values of an object do not hold in ${type}, such as '${example}'; on_error=null makes them NULL, on_error=reject sets their rows aside`,
        { details: { column: name, type, misfits: Number(misfits), example } },
      );
    },
    rest: (rowIds) => {
      const ids = rowIds ? ["_row_id", "CAST(NULL AS BIGINT) AS _last_updated_sequence_number"] : [];
      const kept = onError === "reject" ? ` WHERE (${fails}) IS NOT TRUE` : "";
      return `SELECT ${[...columns, ...ids].join(", ")} ${from(base)}${kept}`;
    },
    removes: false,
    ...(onError === "reject" && { rejected: rejectedRows(base, { name, type, fails }) }),
  };
}

/** DuckDB gives NaN and infinities as JSON that is none: they are texts, and so is what is nested and may hold them. */
function asJson({ name, type }: Column): string {
  const own = quoteName(name);
  if (!/\b(DOUBLE|FLOAT)\b/.test(type)) return `to_json(${own})`;
  const text = `to_json(CAST(${own} AS VARCHAR))`;
  if (type !== "DOUBLE" && type !== "FLOAT") return text;
  return `CASE WHEN isfinite(${own}) THEN to_json(${own}) ELSE ${text} END`;
}

/** Columns `c0`, `c1`, … as a file's rejected rows have them; a row has no line here, and is JSON. */
function rejectedRows(
  base: DatasetManifest,
  { name, type, fails }: { name: string; type: string; fails: string },
): string {
  const fields = base.columns.map((column) => `${quoteText(column.name)}: ${asJson(column)}`);
  const value = `left(CAST(${quoteName(name)} AS VARCHAR), 100)`;
  const reason = `${quoteText("'")} || ${value} || ${quoteText(`' does not hold in ${type}`)}`;
  const cells = ["NULL", "NULL", quoteText(name), reason, `to_json({${fields.join(", ")}})`, "NULL"];
  const list = cells.map((cell, at) => `CAST(${cell} AS VARCHAR) AS c${at}`);
  return `SELECT ${list.join(", ")} ${from(base)} WHERE ${fails}`;
}

function retyped(
  { name, nullable, comment }: Column,
  { type, onError }: { type: string; onError: Misfits },
): Column {
  return { name, type, nullable: nullable || onError === "null", ...(comment !== undefined && { comment }) };
}

const numeric = /^(DECIMAL|DOUBLE|FLOAT|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$)/;
/** Digits that a DOUBLE has for certain. */
const doubleDigits = 15;

/**
 * SQL that is true for values that are the same ones as the type: those that come back as they were, and texts in another
 * notation of the same value, such as 007 or 1e3 for a number.
 */
function holds(value: string, { before, type }: { before: string; type: string }): string {
  const cast = `TRY_CAST(${value} AS ${type})`;
  const back = `TRY_CAST(${cast} AS ${before}) = ${value}`;
  if (before !== "VARCHAR") return back;
  if (type === "BOOLEAN") return `${cast} IS NOT NULL`;
  if (type === "DATE") return `${back} OR TRY_CAST(${value} AS TIMESTAMP) = CAST(${cast} AS TIMESTAMP)`;
  if (!numeric.test(type)) return back;
  return `${back} OR (length(${value}) <= ${doubleDigits} AND TRY_CAST(${value} AS DOUBLE) = CAST(${cast} AS DOUBLE))`;
}

function columnOf({ name: dataset, columns }: DatasetManifest, name: string, field: string): Column {
  const found = columns.find((column) => column.name === name);
  if (found) return found;
  const near = suggestionsFor(
    name,
    columns.map((column) => column.name),
  );
  const hint = near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "";
  throw fail("unprocessable", `${field}: '${dataset}' has no column '${name.slice(0, 200)}'${hint}`, {
    details: { field },
  });
}
