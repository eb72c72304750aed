/** What the first rows of a CSV tell: its dialect, its columns, and where the data begins. */
import { fail } from "../../runtime/errors.ts";
import { type Dialect, marksOf, problemOf, type Row, textOf } from "./csv-rows.ts";
import { firstRows, guessDelimiter, looksLikeData, nameColumns, numberColumns } from "./dialect.ts";
import type { Column, Place, Reading } from "./format.ts";
import { allNarrow, checkedCast, forcedCast } from "./inference.ts";

/** What the first rows tell. */
export interface Layout {
  dialect: Dialect;
  names: string[];
  /** Bytes of the UTF-8 text, and lines, before the first row of data. */
  headerBytes: number;
  headerLines: number;
  /** What is added to an offset in the data to have the offset in the file. */
  byteBase: number;
  warnings: string[];
}

/** A column of text, to be inferred unless the client asked for a type. */
export function textColumn(name: string, cellSql: string, { types }: Reading): Column {
  const forced = types.get(name);
  if (forced === undefined) {
    const as = (type: string, index: number) => checkedCast(cellSql, type, index);
    return { name, cell: cellSql, among: allNarrow, type: "VARCHAR", forced: false, as };
  }
  const as = (type: string, index: number) =>
    type === forced ? forcedCast(cellSql, forced, index) : undefined;
  return { name, cell: cellSql, among: [], type: forced, forced: true, as };
}

/** Delimiter, names and where the data begins, from the first bytes. */
export function layoutOf(
  { head, whole, markBytes }: { head: Buffer; whole: boolean; markBytes: number },
  { reading, columnsMax }: Pick<Place, "reading" | "columnsMax">,
): Layout {
  const quote = reading.quote ?? '"';
  const guess =
    reading.delimiter === undefined ? guessDelimiter(head, whole, quote) : { delimiter: reading.delimiter };
  const dialect: Dialect = { delimiter: guess.delimiter, quote, nulls: reading.nulls };
  const [first] = firstRows(head, whole, marksOf(dialect), 1);
  if (first === undefined) throw noFirstRow(head, whole);
  const doubt =
    "doubt" in guess && guess.doubt
      ? [`the rows divide as evenly by '${guess.doubt}' as by '${guess.delimiter}', which was taken`]
      : [];
  const count = first.fields.length;
  if (count > columnsMax)
    throw fail("unprocessable", `the file has ${count} columns; at most ${columnsMax} are taken`);
  if (reading.header === false) {
    return {
      dialect,
      names: checkTypes(numberColumns(count), reading),
      headerBytes: 0,
      headerLines: 0,
      byteBase: markBytes,
      warnings: doubt,
    };
  }
  const { names, warnings } = headerOf(head, first, dialect);
  return {
    dialect,
    names: checkTypes(names, reading),
    headerBytes: first.next,
    byteBase: markBytes + first.next,
    headerLines: first.lines + linesBefore(head, first.start),
    warnings: [...doubt, ...warnings],
  };
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
  const unknown = [...types.keys()].find((name) => !names.includes(name));
  if (unknown === undefined) return names;
  const known = names.slice(0, 20).join(", ");
  throw fail(
    "invalid_field",
    `types: the file has no column '${unknown}'; it has ${known}${names.length > 20 ? ", …" : ""}`,
  );
}

function linesBefore(head: Buffer, end: number): number {
  const text = head.toString("latin1", 0, end);
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}
