/** What the first rows of a CSV tell: its dialect, its columns, and where the data begins. */
import { fail } from "../../runtime/errors.ts";
import { nearNames } from "../../runtime/nearest.ts";
import { fold } from "../../runtime/sql-name.ts";
import { type Dialect, marksOf, problemOf, type Row, textOf } from "./csv-rows.ts";
import {
  firstRows,
  type Guess,
  guessDelimiter,
  linesBefore,
  looksLikeData,
  nameColumns,
  numberColumns,
  titleLines,
} from "./dialect.ts";
import { checkDialect } from "./dialect-rules.ts";
import type { Column, Place, Reading } from "./format.ts";
import { looksLikeJson } from "./format-of.ts";
import { checkedCast, type Narrow, narrowOf } from "./inference.ts";
import type { Notation } from "./notation.ts";

/** What the first rows tell. */
export interface Layout {
  dialect: Dialect;
  names: string[];
  /** Bytes of the UTF-8 text, and lines, before the first row of data. */
  headerBytes: number;
  headerLines: number;
  /** Lines that the client had left out, and Excel's line with the delimiter. */
  skip: number;
  sepLine?: string;
  /** What is added to an offset in the data to have the offset in the file. */
  byteBase: number;
  warnings: string[];
}

/** How the texts of a file stand for values. */
const notationOf = (
  { byValue, dateFormat, timestampFormat, decimalComma }: Reading,
  forced: boolean,
): Notation => ({
  mode: byValue ? "values" : forced ? "asked" : "exact",
  ...(dateFormat !== undefined && { dateFormat }),
  ...(timestampFormat !== undefined && { timestampFormat }),
  ...(decimalComma && { decimalComma }),
});

/** A column of text, to be inferred among these types unless the client asked for one. */
export function textColumn(name: string, cell: string, reading: Reading, among?: readonly Narrow[]): Column {
  const forced = reading.types.get(fold(name))?.type;
  const notation = notationOf(reading, forced !== undefined);
  const as = (type: string, index: number) =>
    forced === undefined || type === forced ? checkedCast(cell, type, index, notation) : undefined;
  const base = { name, cell, notation, as };
  return forced === undefined
    ? { ...base, among: among ?? narrowOf(notation), type: "VARCHAR", forced: false }
    : { ...base, among: [], type: forced, forced: true };
}

/** Delimiter, names and where the data begins, from the first bytes. */
export function layoutOf(
  { head, whole, markBytes }: { head: Buffer; whole: boolean; markBytes: number },
  { reading, columnsMax }: Pick<Place, "reading" | "columnsMax">,
): Layout {
  const skipped = afterLines(head, reading.skip ?? 0, whole);
  const sep = sepLine(head, skipped);
  const from = sep?.end ?? skipped;
  const table = head.subarray(from);
  const { dialect, warnings: doubts } = dialectOf(table, whole, reading, sep);
  const rows = firstRows(table, whole, marksOf(dialect), titleRows);
  const [first] = rows;
  if (first === undefined) throw noFirstRow(table, whole);
  const count = first.fields.length;
  if (count > columnsMax)
    throw fail("unprocessable", `the file has ${count} columns; at most ${columnsMax} are taken`);
  const before = {
    dialect,
    skip: linesBefore(head, skipped),
    ...(sep && { sepLine: sep.text }),
  };
  const warnings = [
    ...doubts,
    ...(sep ? [`the first line, '${sep.text}', is not data but says the delimiter, as Excel writes it`] : []),
    ...(looksLikeJson(table)
      ? ["the table begins as JSON does, and was read as CSV: format=ndjson reads one object a line"]
      : []),
  ];
  if (reading.header === false) {
    return {
      ...before,
      names: checkTypes(numberColumns(count), reading),
      headerBytes: from,
      headerLines: linesBefore(head, from),
      byteBase: markBytes + from,
      warnings,
    };
  }
  const header = headerOf(table, first, dialect);
  const title = titleLines(table, rows);
  const headerBytes = from + first.next;
  return {
    ...before,
    names: checkTypes(header.names, reading),
    headerBytes,
    byteBase: markBytes + headerBytes,
    headerLines: first.lines + linesBefore(head, from + first.start),
    warnings: [
      ...warnings,
      ...(title === undefined
        ? []
        : [
            `one cell of ${count} is filled in the first line: if it is a title above the table, send skip=${(reading.skip ?? 0) + title}`,
          ]),
      ...header.warnings,
    ],
  };
}

/** Rows looked at for a title above the table. */
const titleRows = 20;

/** Offset behind so many lines. */
function afterLines(head: Buffer, lines: number, whole: boolean): number {
  let at = 0;
  for (let line = 0; line < lines; line++) {
    const end = [head.indexOf(10, at), head.indexOf(13, at)].filter((found) => found >= 0);
    if (end.length === 0) {
      const found = whole
        ? `the file has ${line + (at < head.length ? 1 : 0)} lines`
        : "they do not end within its first bytes";
      throw fail(
        "invalid_field",
        `skip: expected at most the lines before the table, got ${lines}; ${found}`,
      );
    }
    at = Math.min(...end);
    at += head[at] === 13 && head[at + 1] === 10 ? 2 : 1;
  }
  return at;
}

interface SepLine {
  text: string;
  delimiter: string;
  end: number;
}

/** The line that tells Excel the delimiter. */
function sepLine(head: Buffer, at: number): SepLine | undefined {
  const found = /^("?)sep=([^\r\n"])\1(\r\n|\r|\n|$)/i.exec(head.toString("latin1", at, at + 16));
  if (found === null) return undefined;
  return { text: found[0].trimEnd(), delimiter: found[2] ?? "", end: at + found[0].length };
}

function dialectOf(
  table: Buffer,
  whole: boolean,
  reading: Reading,
  sep: SepLine | undefined,
): { dialect: Dialect; warnings: string[] } {
  const { quote = '"', escape: escaping, comment, nulls } = reading;
  const undivided = { quote, ...(escaping && { escape: escaping }), ...(comment && { comment }) };
  const given = reading.delimiter ?? sep?.delimiter;
  const guess: Guess = given === undefined ? guessDelimiter(table, whole, undivided) : { delimiter: given };
  const dialect = { ...undivided, delimiter: guess.delimiter, nulls };
  checkDialect(dialect, {
    delimiter: reading.delimiter !== undefined,
    quote: reading.quote !== undefined,
  });
  const warnings = guess.doubt
    ? [`the rows divide as evenly by '${guess.doubt}' as by '${guess.delimiter}', which was taken`]
    : [];
  return { dialect, warnings };
}

function headerOf(head: Buffer, row: Row, dialect: Dialect): { names: string[]; warnings: string[] } {
  const problem = problemOf(head, row, row.fields.length);
  if (problem) throw fail("unprocessable", `the header, in field ${problem.field + 1}: ${problem.reason}`);
  const cells = row.fields.map((field) => textOf(head, field, { ...dialect, nulls: [] }));
  const { names, warnings } = nameColumns(cells);
  const long = names.find((name) => name.length > nameCharactersMax);
  if (long !== undefined)
    throw fail(
      "unprocessable",
      `a column name is over ${nameCharactersMax} characters: '${long.slice(0, 80)}…'`,
    );
  if (cells.every(looksLikeData))
    warnings.push("the header looks like data: send header=false when the file has none");
  return { names, warnings };
}

/** What the catalog takes. */
const nameCharactersMax = 1024;

function noFirstRow(head: Buffer, whole: boolean) {
  const blank = head.every((byte) => byte === 10 || byte === 13);
  if (whole && blank) return fail("unprocessable", "the file is empty: expected at least a header row");
  return fail("unprocessable", `the first row does not end within ${head.length} bytes: is this a CSV file?`);
}

/** Refuses `types` of columns that the file does not have. */
export function checkTypes(names: string[], { types }: Reading): string[] {
  const known = new Set(names.map(fold));
  const unknown = [...types].find(([folded]) => !known.has(folded))?.[1].name;
  if (unknown === undefined) return names;
  const near = nearNames(unknown, names);
  const hint = near.length > 0 ? `; did you mean ${near.map((name) => `'${name}'`).join(" or ")}?` : "";
  const shown = names.slice(0, 20).join(", ");
  throw fail(
    "invalid_field",
    `types: the file has no column '${unknown}'${hint || ";"} it has ${shown}${names.length > 20 ? ", …" : ""}`,
  );
}
