/** How a CSV is divided: its delimiter, and the names in its header. Pure: from the first bytes alone. */
import { isBlank, type Marks, marksOf, parseRow, type Row } from "./csv-rows.ts";

/** In the order of preference when two fit equally well. */
const delimiters = [",", "\t", ";", "|"] as const;
/** Rows looked at; a delimiter that fits these fits a file, and the whole file is checked later anyway. */
const rowsMax = 500;

/** The rows that are whole within the first bytes, blank lines left out. */
export function firstRows(head: Buffer, whole: boolean, marks: Marks, most = rowsMax): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < head.length && rows.length < most; ) {
    const row = parseRow(head, at, whole, marks);
    if (row === undefined) break;
    if (!isBlank(row)) rows.push(row);
    at = row.next;
  }
  return rows;
}

export interface Guess {
  delimiter: string;
  /** Set when another delimiter divides the rows as evenly. */
  doubt?: string;
}

/**
 * The delimiter that gives the most rows the width of the first one, and that width above one; a comma when none
 * divides anything. `whole` says that `head` is the whole file.
 */
export function guessDelimiter(head: Buffer, whole: boolean, quote: string): Guess {
  const scored = delimiters
    .map((delimiter) => ({ delimiter, ...score(firstRows(head, whole, marksOf({ delimiter, quote }))) }))
    .filter(({ width }) => width > 1)
    .sort((a, b) => b.even - a.even || b.width - a.width);
  const [best, second] = scored;
  if (best === undefined) return { delimiter: "," };
  if (second === undefined || second.even < best.even) return { delimiter: best.delimiter };
  return { delimiter: best.delimiter, doubt: second.delimiter };
}

/** The share of rows that are as wide as the first and have no problem. */
function score(rows: readonly Row[]): { even: number; width: number } {
  const width = rows[0]?.fields.length ?? 0;
  const even = rows.filter((row) => row.problem === undefined && row.fields.length === width).length;
  return { even: rows.length === 0 ? 0 : even / rows.length, width };
}

export interface Names {
  names: string[];
  warnings: string[];
}

/**
 * Column names from a header: each stays as it is written, an empty one becomes `column<position>`, and one that was
 * there before (SQL does not tell `A` from `a`) gets `_2`, `_3`, … Each change is a warning.
 */
export function nameColumns(header: readonly (string | null)[]): Names {
  const taken = new Set<string>();
  const written = new Set(header.filter((name) => name !== null).map((name) => name.toLowerCase()));
  const warnings: string[] = [];
  const names = header.map((name, index) => {
    const empty = name === null || name === "";
    const wanted = empty ? `column${index + 1}` : name;
    let unique = wanted;
    for (
      let count = 2;
      taken.has(unique.toLowerCase()) || (unique !== name && written.has(unique.toLowerCase()));
      count++
    ) {
      unique = `${wanted}_${count}`;
    }
    taken.add(unique.toLowerCase());
    if (empty) warnings.push(`column ${index + 1} has no name in the header: it is called '${unique}'`);
    else if (unique !== name)
      warnings.push(`column ${index + 1} repeats the name '${name}': it is called '${unique}'`);
    return unique;
  });
  return { names, warnings };
}

/** Names for a file without a header. */
export const numberColumns = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `column${index + 1}`);

/** A header cell that is a number or a date, as data would be. */
export const looksLikeData = (cell: string | null): boolean =>
  cell !== null && /^[-+]?\d[\d.,:/ -]*$/.test(cell);
