/** What the first rows of a CSV show: its dialect, its columns, and where the data begins. */
import { fail } from "../../../runtime/errors/errors.ts";
import { looksLikeJson } from "../receiving/receiving.ts";
import {
  checkTypes,
  type Dialect,
  type FileContext,
  nameColumns,
  numberColumns,
  type Reading,
} from "../tables/tables.ts";
import { firstRows, type Guess, guessDelimiter, linesBefore, looksLikeData, titleLines } from "./dialect.ts";
import { checkDialect } from "./dialect-rules.ts";
import { marksOf, problemOf, type Row, textOf } from "./rows.ts";

/** What the first rows show. */
export interface Layout {
  dialect: Dialect;
  names: string[];
  /** Bytes of the UTF-8 text, and lines, before the first row of data. */
  headerBytes: number;
  headerLines: number;
  /** Lines that the client had left out, and Excel's line with the delimiter. */
  skip: number;
  sepLine?: string;
  /** Added to an offset in the data, gives the offset in the file. */
  byteBase: number;
  warnings: string[];
}

/** Delimiter, names and where the data begins, from the first bytes. */
export function layoutOf(
  { head, whole, markBytes }: { head: Buffer; whole: boolean; markBytes: number },
  { reading, columnsMax }: Pick<FileContext, "reading" | "columnsMax">,
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

/** The limit of the catalog. */
const nameCharactersMax = 1024;

function noFirstRow(head: Buffer, whole: boolean) {
  const blank = head.every((byte) => byte === 10 || byte === 13);
  if (whole && blank) return fail("unprocessable", "the file is empty: expected at least a header row");
  return fail("unprocessable", `the first row does not end within ${head.length} bytes: is this a CSV file?`);
}
