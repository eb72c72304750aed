/**
 * CSV row by row, exactly: RFC 4180 with any delimiter and quote, any of the three line ends, and a reason for every
 * row that breaks a rule. Slower than DuckDB's reader, whose rules it settles: it reads files that are not clean.
 */
import { firstInvalidByte } from "./encoding.ts";

/** How a text file is divided into fields. `quote` is empty when no character quotes. */
export interface Dialect {
  delimiter: string;
  quote: string;
  /** Unquoted texts that mean NULL, beside the empty field. */
  nulls: readonly string[];
}

export interface Row {
  /** Offset of the row in the buffer, and of what follows it. */
  start: number;
  next: number;
  /** Line ends inside the row and at its end. */
  lines: number;
  /** Raw bounds of the fields, without quotes. */
  fields: Field[];
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

export interface Problem {
  /** Index of the field. */
  field: number;
  /** Offset in the buffer. */
  at: number;
  reason: string;
}

const lineFeed = 10;
const carriageReturn = 13;
const backslash = 92;

/** A dialect with its characters as bytes. */
export interface Marks {
  delimiter: Buffer;
  /** -1 when no character quotes. */
  quote: number;
}

export const marksOf = ({ delimiter, quote }: Pick<Dialect, "delimiter" | "quote">): Marks => ({
  delimiter: Buffer.from(delimiter),
  quote: quote === "" ? -1 : quote.charCodeAt(0),
});

/**
 * Parses the row at `start`. Returns undefined when the buffer ends before the row does and `last` is false: the
 * caller then brings more. A row with a problem reaches to the next line end after it; nothing of it is made a row
 * of its own.
 */
export function parseRow(buffer: Buffer, start: number, last: boolean, marks: Marks): Row | undefined {
  const row: Row = { start, next: start, lines: 0, fields: [] };
  let at = start;
  for (;;) {
    const field =
      buffer[at] === marks.quote ? quotedField(buffer, at, last, row, marks) : bareField(buffer, at, marks);
    if (field === undefined) return undefined;
    row.fields.push(field.field);
    at = field.next;
    if (at >= buffer.length) return last ? { ...row, next: buffer.length } : undefined;
    if (startsWith(buffer, at, marks.delimiter)) at += marks.delimiter.length;
    else return endRow(buffer, at, last, row);
  }
}

/** Consumes the line end at `at`. A carriage return at the very end of the buffer may have a line feed to come. */
function endRow(buffer: Buffer, at: number, last: boolean, row: Row): Row | undefined {
  if (buffer[at] === carriageReturn && at + 1 >= buffer.length && !last) return undefined;
  const pair = buffer[at] === carriageReturn && buffer[at + 1] === lineFeed;
  return { ...row, next: at + (pair ? 2 : 1), lines: row.lines + 1 };
}

interface Parsed {
  field: Field;
  /** Where the delimiter, line end or end of the buffer stands. */
  next: number;
}

function bareField(buffer: Buffer, start: number, marks: Marks): Parsed {
  const first = marks.delimiter[0];
  let at = start;
  for (; at < buffer.length; at++) {
    const byte = buffer[at];
    if (byte === lineFeed || byte === carriageReturn) break;
    if (byte === first && startsWith(buffer, at, marks.delimiter)) break;
  }
  return { field: { start, end: at, quoted: false, doubled: false }, next: at };
}

function quotedField(
  buffer: Buffer,
  open: number,
  last: boolean,
  row: Row,
  marks: Marks,
): Parsed | undefined {
  let doubled = false;
  let from = open + 1;
  for (;;) {
    const close = buffer.indexOf(marks.quote, from);
    if (close < 0) return last ? unclosed(buffer, open, row) : undefined;
    row.lines += lineEnds(buffer, from, close);
    if (buffer[close + 1] === marks.quote) {
      doubled = true;
      from = close + 2;
      continue;
    }
    if (close + 1 >= buffer.length && !last) return undefined;
    const field = { start: open + 1, end: close, quoted: true, doubled };
    if (isFieldEnd(buffer, close + 1, marks)) return { field, next: close + 1 };
    row.problem ??= { field: row.fields.length, at: close + 1, reason: afterQuote(buffer, close) };
    return { field, next: lineEndAt(buffer, close + 1) };
  }
}

/** JavaScript, MySQL and others write \\" for a quote inside quotes; RFC 4180 knows "" alone. */
const afterQuote = (buffer: Buffer, close: number): string =>
  buffer[close - 1] === backslash
    ? "text after the closing quote, which a backslash precedes: send escape=\\ if it escapes quotes here"
    : "text after the closing quote";

function unclosed(buffer: Buffer, open: number, row: Row): Parsed {
  row.problem ??= { field: row.fields.length, at: open, reason: "the quote that opens here is never closed" };
  row.lines += lineEnds(buffer, open + 1, buffer.length);
  const field = { start: open + 1, end: buffer.length, quoted: true, doubled: false };
  return { field, next: buffer.length };
}

const isFieldEnd = (buffer: Buffer, at: number, { delimiter }: Marks): boolean =>
  at >= buffer.length ||
  buffer[at] === lineFeed ||
  buffer[at] === carriageReturn ||
  startsWith(buffer, at, delimiter);

function startsWith(buffer: Buffer, at: number, mark: Buffer): boolean {
  if (buffer[at] !== mark[0]) return false;
  return mark.length === 1 || buffer.subarray(at, at + mark.length).equals(mark);
}

function lineEndAt(buffer: Buffer, from: number): number {
  for (let at = from; at < buffer.length; at++) {
    if (buffer[at] === lineFeed || buffer[at] === carriageReturn) return at;
  }
  return buffer.length;
}

/** Line ends in a range: CRLF, LF and CR each count as one. */
function lineEnds(buffer: Buffer, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at++) {
    if (buffer[at] === lineFeed || (buffer[at] === carriageReturn && buffer[at + 1] !== lineFeed)) count++;
  }
  return count;
}

/** True for a line without any character. */
export const isBlank = ({ fields: [only, second] }: Row): boolean =>
  second === undefined && only !== undefined && !only.quoted && only.start === only.end;

/** What is wrong with a row that should have so many columns: its own problem first, then its bytes, then its width. */
export function problemOf(buffer: Buffer, row: Row, columns: number): Problem | undefined {
  if (row.problem) return row.problem;
  const bytes = buffer.subarray(row.start, row.next);
  const invalid = firstInvalidByte(bytes);
  if (invalid >= 0) return inField(row, row.start + invalid, "not valid UTF-8");
  const zero = bytes.indexOf(0);
  if (zero >= 0) return inField(row, row.start + zero, "a NUL byte");
  if (row.fields.length === columns) return undefined;
  const found = `expected ${columns} fields, found ${row.fields.length}`;
  return { field: Math.min(row.fields.length, columns) - 1, at: row.start, reason: found };
}

function inField(row: Row, at: number, reason: string): Problem {
  const field = row.fields.findIndex(({ end }) => at <= end);
  return { field: field < 0 ? row.fields.length - 1 : field, at, reason };
}

/** The text of a field; null where it means NULL. */
export function textOf(buffer: Buffer, field: Field, { quote, nulls }: Dialect): string | null {
  const text = buffer.toString("utf8", field.start, field.end);
  if (field.doubled) return text.replaceAll(quote + quote, quote);
  return !field.quoted && (text === "" || nulls.includes(text)) ? null : text;
}
