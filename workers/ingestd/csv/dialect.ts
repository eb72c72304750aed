/** How a CSV is divided: its delimiter, and where its table begins, by the first bytes. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Dialect } from "../tables/tables.ts";
import { parseRow } from "./row-reader.ts";
import { isBlank, type Marks, marksOf, type Row } from "./rows.ts";

/** In the order of preference when two fit equally well. */
const delimiters = [",", "\t", ";", "|"] as const;
/** Rows looked at; a delimiter that fits these fits a file, and the whole file is checked later anyway. */
const rowsMax = 500;

/** The rows that are whole within the first bytes, blank lines and comments left out. */
export function firstRows(head: Buffer, whole: boolean, marks: Marks, most = rowsMax): Row[] {
  const rows: Row[] = [];
  let others = 0;
  let at = firstLine(head, marks);
  while (at < head.length && rows.length < most && others < othersMax) {
    const row = parseRow(head, at, whole, marks);
    if (row === undefined) break;
    if (!isBlank(row) && !row.isComment) rows.push(row);
    else if (rows.length > 0) others += 1;
    at = row.next;
  }
  return rows;
}

/** Blank lines and comments that are skipped below the first row: a file may hold nothing else, which is refused later. */
const othersMax = 10_000;
const lineFeed = 10;
const carriageReturn = 13;

/** Where the first line begins that is neither blank nor a comment: found byte by byte, since a head may be full of them. */
function firstLine(head: Buffer, { comment }: Marks): number {
  let inComment = false;
  for (let at = 0; at < head.length; at++) {
    const byte = head[at];
    if (byte === lineFeed || byte === carriageReturn) inComment = false;
    else if (byte === comment && !inComment) inComment = true;
    else if (!inComment) return at;
  }
  return head.length;
}

export interface Guess {
  delimiter: string;
  /** Set when another delimiter divides the rows as evenly. */
  doubt?: string;
}

/** How a delimiter divides the first rows. */
interface Division extends Guess {
  rows: Row[];
  /** Fields of the first row. */
  width: number;
  /** The share of rows that are as wide as the first and have no problem. */
  even: number;
}

/** The dialect as far as it is known before the delimiter is. */
type Undivided = Omit<Dialect, "delimiter" | "nulls">;

/**
 * The delimiter that gives the most rows the width of the first one, and that width above one; a comma when none
 * divides anything. `whole` says that `head` is the whole file.
 */
export function guessDelimiter(head: Buffer, whole: boolean, dialect: Undivided): Guess {
  const divisions = delimiters.map((delimiter) => divide(head, whole, { ...dialect, delimiter }));
  const [best, second] = divisions
    .filter(({ width }) => width > 1)
    .sort((a, b) => b.even - a.even || b.width - a.width);
  refuseTitle(head, best === undefined ? divisions : [best]);
  if (best === undefined) {
    for (const delimiter of unusual) refuseUnusual(divide(head, whole, { ...dialect, delimiter }), head);
    return { delimiter: "," };
  }
  if (second === undefined || second.even < best.even) return { delimiter: best.delimiter };
  return { delimiter: best.delimiter, doubt: second.delimiter };
}

function divide(head: Buffer, whole: boolean, dialect: Undivided & { delimiter: string }): Division {
  // A quote that is the delimiter itself is refused when the delimiter is settled.
  const quote = dialect.quote === dialect.delimiter ? "" : dialect.quote;
  const rows = firstRows(head, whole, marksOf({ ...dialect, quote }));
  const width = rows[0]?.fields.length ?? 0;
  return { delimiter: dialect.delimiter, rows, width, even: shareOf(rows, width) };
}

const shareOf = (rows: readonly Row[], width: number): number =>
  rows.length === 0
    ? 0
    : rows.filter((row) => row.problem === undefined && row.fields.length === width).length / rows.length;

/** A table below other lines: nearly all rows from one on have a width that none before has. */
const titleLinesMax = 20;
const tableShare = 0.9;
const tableRowsMin = 2;

/** Throws `unprocessable` for lines above the table, where they are divided otherwise than the table. */
function refuseTitle(head: Buffer, divisions: readonly Division[]): void {
  for (const { delimiter, rows, width } of divisions) {
    const from = rows.findIndex(({ fields }) => fields.length > 1 && fields.length !== width);
    const header = rows[from];
    const below = rows.slice(from);
    if (header === undefined || from > titleLinesMax || below.length < tableRowsMin) continue;
    const count = header.fields.length;
    if (shareOf(below, count) < tableShare || count < width || !looksLikeHeader(head, header)) continue;
    const lines = linesBefore(head, header.start);
    const advice = `when the table begins there send skip=${lines}, else delimiter=`;
    throw fail(
      "unprocessable",
      `line 1 has ${width} ${width === 1 ? "cell" : "cells"} and the rows from line ${lines + 1} on have ${count}, divided by '${shownDelimiter(delimiter)}': ${advice}`,
    );
  }
}

const cellsOf = (head: Buffer, { fields }: Row): string[] =>
  fields.map(({ start, end }) => head.toString("utf8", start, end).trim());

/** Every cell is filled, and none is a number or a date. */
const looksLikeHeader = (head: Buffer, row: Row): boolean =>
  cellsOf(head, row).every((cell) => cell !== "" && !looksLikeData(cell));

/**
 * For a title above the table, a line with as many fields of which one is filled: the number of lines before the header.
 * Where there are two fields, an empty first one may be the nameless index column of a header.
 */
export function titleLines(head: Buffer, rows: readonly Row[]): number | undefined {
  const filled = rows.map((row) => cellsOf(head, row).filter((cell) => cell !== "").length);
  const [first] = rows;
  if (
    first === undefined ||
    first.fields.length < 2 ||
    filled[0] !== 1 ||
    (first.fields.length === 2 && first.fields[0]?.start === first.fields[0]?.end)
  )
    return undefined;
  const header = rows.find(
    (row, index) => (filled[index] ?? 0) > 1 && row.fields.length === first.fields.length,
  );
  return header && looksLikeHeader(head, header) ? linesBefore(head, header.start) : undefined;
}

/** Characters that divide the rows of some files and stand in the texts of others: they must be given, and are never guessed. */
const unusual = [" ", ":", "^", "~", "\u0001", "\u001f"] as const;

/**
 * Throws `unprocessable` when the rows of a file of one column divide evenly by such a character, and are more than
 * texts of as many words: three and more columns, or a column of numbers. Times without a header are no rows.
 */
function refuseUnusual({ delimiter, rows, width, even }: Division, head: Buffer): void {
  const [first] = rows;
  if (first === undefined || rows.length < 2 || width < 2 || even < 1) return;
  if (delimiter !== " " && !looksLikeHeader(head, first)) return;
  const columns = rows.slice(1).map((row) => cellsOf(head, row));
  const numbers = Array.from({ length: width }, (_, index) =>
    columns.every((cells) => looksLikeData(cells[index] ?? "")),
  ).some((all) => all);
  if (width < 3 && !numbers) return;
  throw fail(
    "unprocessable",
    `no comma, tab, semicolon or bar divides the rows, and ${delimiter === " " ? "spaces divide" : `'${shownDelimiter(delimiter)}' divides`} each into ${width}: send delimiter=${shownDelimiter(delimiter)}, or delimiter=, for one column`,
  );
}

/** As it is sent in a URL, but for visible characters. */
const shownDelimiter = (delimiter: string): string =>
  delimiter === "\t"
    ? "tab"
    : delimiter === " "
      ? "space"
      : delimiter < " "
        ? encodeURIComponent(delimiter)
        : delimiter;

export function linesBefore(head: Buffer, end: number): number {
  const text = head.toString("latin1", 0, end);
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}

/** A header cell that is a number or a date, as data would be. */
export const looksLikeData = (cell: string | null): boolean =>
  cell !== null && /^[-+]?\d[\d.,:/ -]*$/.test(cell);
