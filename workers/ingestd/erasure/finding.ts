/** Where a subject is named in datasets: the statements that find it, by the same expression as in every other service. */
import type { Subject } from "../../../runtime/contract/contract.ts";
import { cellSql, isNamed, wordsPattern } from "../../../runtime/erasure/erasure.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import { askRows, type Reading } from "../changes/changes.ts";
import type { DatasetManifest } from "../jobs/jobs.ts";

/** A control character is no letter, digit or space: no value's end makes a name of the next one's beginning. */
const betweenValues = "chr(31)";

/**
 * SQL that is true for a row of which any value, as text, names the subject, or a cell is the one meant. One expression for all columns: DuckDB makes
 * each of them anew, which takes 45 ms for one that knows all letters, and a dataset may have thousands of columns.
 */
export const mentions = (
  { columns }: { columns: readonly { name: string; type: string }[] },
  { pattern, cells }: Pick<Subject, "pattern" | "cells">,
): string => {
  const found = cells.flatMap((cell) =>
    columns.filter(({ name }) => isNamed(name, cell)).map((column) => cellSql(column, cell.equals)),
  );
  if (pattern !== undefined && columns.length > 0) found.push(named(columns, pattern));
  return found.length === 0 ? "false" : found.join(" OR ");
};

/** SQL that is true for a rejected row, text as it was written, in which the value of such a cell stands. */
export const saysCell = (cells: Subject["cells"]): string =>
  cells.map((cell) => `regexp_matches(nfc_normalize("text"), ${quoteText(wordsPattern(cell))})`).join(" OR ");

const named = (columns: readonly { name: string }[], pattern: string): string => {
  const texts = columns.map(({ name }) => `CAST(${quoteName(name)} AS VARCHAR)`);
  const row = `concat_ws(${[betweenValues, ...texts].join(", ")})`;
  return `regexp_matches(nfc_normalize(${row}), ${quoteText(pattern)}, 'i')`;
};

const versionOf = ({ name, version }: DatasetManifest): string =>
  [...name.split(".").slice(0, -1), `${name.split(".").at(-1)}@${version}`].map(quoteName).join(".");

/** What an open table is refused with that is damaged, or written in a way that is not read here. */
const notRead = new Set(["corrupt", "unsupported_table", "unprocessable"]);
export const isNotRead = (cause: unknown): cause is ServiceError =>
  cause instanceof ServiceError && notRead.has(cause.type);

/** Rows of this version of which the condition is true. */
export async function countOf(manifest: DatasetManifest, where: string, reading: Reading): Promise<number> {
  const [row] = await askRows(reading, `SELECT count(*) AS n FROM ${versionOf(manifest)} WHERE ${where}`);
  return Number(row?.n);
}

/** Rows of this version that name the subject; why, for a version that cannot be read. */
export async function rowsOf(
  manifest: DatasetManifest,
  subject: Subject,
  reading: Reading,
): Promise<number | string> {
  if (manifest.row_count === 0 && manifest.metadata_location === undefined) return 0;
  try {
    return await countOf(manifest, mentions(manifest, subject), reading);
  } catch (cause) {
    if (isNotRead(cause)) return cause.message;
    throw cause;
  }
}

/** The documents that name the subject, in a dataset of documents. */
export async function documentsOf(
  manifest: DatasetManifest,
  subject: Subject,
  reading: Reading,
): Promise<string[]> {
  const sql = `SELECT DISTINCT document FROM ${versionOf(manifest)} WHERE ${mentions(manifest, subject)}`;
  return (await askRows(reading, sql)).map(({ document }) => String(document));
}
