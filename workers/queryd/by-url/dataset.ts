/** A dataset that is asked for by its URL: what that means in SQL. */
import type { Static } from "@sinclair/typebox";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import type { DatasetQuery } from "../contract.ts";

/** Formats by the ending of a name, and by `format=`. */
export const formatsByName = {
  csv: "text/csv",
  json: "application/json",
  ndjson: "application/x-ndjson",
  arrow: "application/vnd.apache.arrow.stream",
  parquet: "application/vnd.apache.parquet",
} as const;

export type FormatName = keyof typeof formatsByName;
const formatNames = Object.keys(formatsByName).join(", ");

/** `jobs.csv` as the name and the format. Throws `not_found` for another ending. */
export function fileOf(file: string, what = "a dataset's name"): { name: string; format: FormatName } {
  const [, name = "", format = ""] = /^(.+)\.(\w+)$/.exec(file) ?? [];
  if (Object.hasOwn(formatsByName, format)) return { name, format: format as FormatName };
  throw fail(
    "not_found",
    `expected ${what} and a format, as jobs.csv, got '${file.slice(0, 200)}'; formats are ${formatNames}`,
  );
}

/** The statement; `where` was checked to be one expression before, and stands in parentheses. */
export function datasetSql(
  table: string,
  { columns, where, order, limit }: Static<typeof DatasetQuery>,
): string {
  const chosen = columns === undefined ? "*" : listOf("columns", columns).map(quoteName).join(", ");
  const filter = where === undefined ? "" : ` WHERE (${where}\n)`;
  const sorted = order === undefined ? "" : ` ORDER BY ${listOf("order", order).map(orderOf).join(", ")}`;
  return `SELECT ${chosen} FROM ${table}${filter}${sorted}${limit === undefined ? "" : ` LIMIT ${limit}`}`;
}

/** Names with commas between them; for names that hold commas there is `/sql`. */
function listOf(field: string, text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  if (!items.includes("")) return items;
  throw invalidField(
    field,
    `expected names of columns with commas between them, got '${text.slice(0, 200)}'`,
  );
}

/** `rate desc` as SQL. */
function orderOf(item: string): string {
  const [, name = "", direction = "asc"] = /^(.+?)(?:\s+(asc|desc))?$/i.exec(item) ?? [];
  return `${quoteName(name)} ${direction}`;
}

/** The table that a dataset's version is in SQL. */
export function versionName(name: string, version: number): string {
  const parts = name.split(".");
  const last = parts.pop() ?? "";
  return [...parts, `${last}@${version}`].map(quoteName).join(".");
}

/** Of a version and what is asked of it. An expression may ask for the time, or read other datasets: then there is none. */
export function datasetEtag(
  { name, version, created_at }: { name: string; version: number; created_at: string },
  question: Static<typeof DatasetQuery> & { format: FormatName },
): string | undefined {
  if (question.where !== undefined) return undefined;
  const text = JSON.stringify([name, version, created_at, Object.entries(question).sort()]);
  return `"${Bun.SHA256.hash(text, "hex").slice(0, 32)}"`;
}
