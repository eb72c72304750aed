/** What a row of a CSV is, as `row-reader.ts` reads it: its fields by their bounds, its texts, and what is wrong with it. */
import { firstInvalidByte } from "../receiving/receiving.ts";
import type { Dialect } from "../tables/tables.ts";

export interface Row {
  /** Offset of the row in the buffer, and of what follows it. */
  start: number;
  next: number;
  /** Line ends inside the row and at its end. */
  lines: number;
  /** Raw bounds of the fields, without quotes. */
  fields: Field[];
  /** A line that is no row. */
  isComment?: true;
  /** Set when a field is not as it should be. */
  problem?: Problem;
}

export interface Field {
  start: number;
  end: number;
  quoted: boolean;
  /** Holds doubled quotes, which stand for one. */
  doubled: boolean;
}

interface Problem {
  /** Index of the field. */
  field: number;
  /** Offset in the buffer. */
  at: number;
  reason: string;
}

/** U+FEFF in UTF-8. */
export const byteOrderMark = Buffer.from("\ufeff");

/** A dialect with its characters as bytes. */
export interface Marks {
  delimiter: Buffer;
  /** -1 when no character quotes. */
  quote: number;
  /** -1 when it is the quote itself, or none. */
  escape: number;
  /** -1 when there are no comments. */
  comment: number;
  /** Several delimiters in a row count as one, and those at the ends of a line as none: columns aligned by spaces. */
  runs: boolean;
}

export const marksOf = ({
  delimiter,
  quote,
  escape: escaping = "",
  comment = "",
}: Omit<Dialect, "nulls">): Marks => ({
  delimiter: Buffer.from(delimiter),
  quote: codeOf(quote),
  escape: escaping === quote ? -1 : codeOf(escaping),
  comment: codeOf(comment),
  runs: delimiter === " ",
});

const codeOf = (character: string): number => (character === "" ? -1 : character.charCodeAt(0));

/** True for dialects that DuckDB reads as they are; others are read by `readRow` alone. */
export const isPlain = ({ delimiter, escape: escaping, comment, runs }: Marks): boolean =>
  delimiter.length === 1 && (delimiter[0] ?? 0) < 128 && escaping < 0 && comment < 0 && !runs;

/** Fields of a row that are kept, more than any file may have columns: a row of delimiters alone has millions. */
export const fieldsKept = 32_768;

export function startsWith(buffer: Buffer, at: number, mark: Buffer): boolean {
  if (buffer[at] !== mark[0]) return false;
  return mark.length === 1 || buffer.subarray(at, at + mark.length).equals(mark);
}

/** True for a line without any character. */
export const isBlank = ({ fields: [only, second] }: Row): boolean =>
  second === undefined && only !== undefined && !only.quoted && only.start === only.end;

/** What is wrong with a row that should have so many columns: its own problem first, then its bytes, then its width. */
export function problemOf(buffer: Buffer, row: Row, columns: number): Problem | undefined {
  if (row.problem) return row.problem;
  const bytes = buffer.subarray(row.start, row.next);
  if (startsWith(buffer, row.start, byteOrderMark)) {
    const reason = "a byte order mark inside the file, as where two files were joined: remove it";
    return { field: 0, at: row.start, reason };
  }
  const invalid = firstInvalidByte(bytes);
  if (invalid >= 0) return inField(row, row.start + invalid, "not valid UTF-8");
  const zero = bytes.indexOf(0);
  if (zero >= 0) return inField(row, row.start + zero, "a NUL byte");
  if (row.fields.length === columns) return undefined;
  const count = `${row.fields.length}${row.fields.length === fieldsKept ? " or more" : ""}`;
  const found = `expected ${columns} fields, found ${count}`;
  return { field: Math.min(row.fields.length, columns) - 1, at: row.start, reason: found };
}

function inField(row: Row, at: number, reason: string): Problem {
  const field = row.fields.findIndex(({ end }) => at <= end);
  return { field: field < 0 ? row.fields.length - 1 : field, at, reason };
}

/** The text of a field; null where it means NULL. */
export function textOf(
  buffer: Buffer,
  field: Field,
  { quote, escape: escaping = quote, nulls }: Dialect,
): string | null {
  if (field.doubled) return withoutEscapes(buffer, field, codeOf(quote), codeOf(escaping || quote));
  const text = buffer.toString("utf8", field.start, field.end);
  return !field.quoted && (text === "" || nulls.includes(text)) ? null : text;
}

/** An escape that stands before neither quote nor itself is a character as any other: C:\temp. */
function withoutEscapes(buffer: Buffer, { start, end }: Field, quote: number, escaping: number): string {
  const plain = Buffer.allocUnsafe(end - start);
  let length = 0;
  for (let at = start; at < end; at++) {
    const next = at + 1 < end ? buffer[at + 1] : -1;
    const pair =
      (buffer[at] === escaping && (next === quote || next === escaping)) ||
      (buffer[at] === quote && next === quote);
    if (pair) at += 1;
    plain[length++] = buffer[at] as number;
  }
  return plain.toString("utf8", 0, length);
}
