/**
 * CSV row by row, exactly: RFC 4180 with any delimiter and quote, any of the three line ends, and a reason for every
 * row that breaks a rule. Slower than DuckDB's reader, whose rules it settles: it reads files that are not clean.
 */
import { firstInvalidByte } from "./encoding.ts";

/** How a text file is divided into fields. `quote` is empty when no character quotes. */
export interface Dialect {
  delimiter: string;
  quote: string;
  /** Stands before a quote or itself inside quotes; a doubled quote stands for one in any case. */
  escape?: string;
  /** Lines that begin with it are no rows. */
  comment?: string;
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

export interface Problem {
  /** Index of the field. */
  field: number;
  /** Offset in the buffer. */
  at: number;
  reason: string;
}

const lineFeed = 10;
const carriageReturn = 13;
const backslash = 0x5c;
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
  /** Several delimiters in a row are one, and those at the ends of a line none: columns lined up by spaces. */
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

/** True for what DuckDB reads as it is: the rest is read by `parseRow` alone. */
export const isPlain = ({ delimiter, escape: escaping, comment, runs }: Marks): boolean =>
  delimiter.length === 1 && (delimiter[0] ?? 0) < 128 && escaping < 0 && comment < 0 && !runs;

/** Fields of a row that are kept, more than any file may have columns: a row of delimiters alone has millions. */
const fieldsKept = 32_768;

/**
 * Parses the row at `start`. Returns undefined when the buffer ends before the row does and `last` is false: the
 * caller then brings more. A row with a problem reaches to the next line end after it; nothing of it is made a row
 * of its own.
 */
export function parseRow(buffer: Buffer, start: number, last: boolean, marks: Marks): Row | undefined {
  const row: Row = { start, next: start, lines: 0, fields: [] };
  if (buffer[start] === marks.comment) return comment(buffer, last, row);
  let at = afterRun(buffer, start, marks);
  for (;;) {
    const field =
      buffer[at] === marks.quote ? quotedField(buffer, at, last, row, marks) : bareField(buffer, at, marks);
    if (field === undefined) return undefined;
    if (row.fields.length < fieldsKept) row.fields.push(field.field);
    at = afterRun(buffer, field.next, marks);
    if (at >= buffer.length) return last ? ended(row, buffer.length) : undefined;
    if (marks.runs && !isLineEnd(buffer[at])) continue;
    if (startsWith(buffer, at, marks.delimiter)) at += marks.delimiter.length;
    else return endRow(buffer, at, last, row);
  }
}

const isLineEnd = (byte: number | undefined): boolean => byte === lineFeed || byte === carriageReturn;

function afterRun(buffer: Buffer, start: number, { runs, delimiter }: Marks): number {
  let at = start;
  while (runs && buffer[at] === delimiter[0]) at += 1;
  return at;
}

function comment(buffer: Buffer, last: boolean, row: Row): Row | undefined {
  const end = lineEndAt(buffer, row.start);
  if (end === buffer.length) return last ? { ...row, next: end, isComment: true } : undefined;
  const ended = endRow(buffer, end, last, row);
  return ended && { ...ended, isComment: true };
}

/** Consumes the line end at `at`. A carriage return at the very end of the buffer may have a line feed to come. */
function endRow(buffer: Buffer, at: number, last: boolean, row: Row): Row | undefined {
  if (buffer[at] === carriageReturn && at + 1 >= buffer.length && !last) return undefined;
  const pair = buffer[at] === carriageReturn && buffer[at + 1] === lineFeed;
  row.lines += 1;
  return ended(row, at + (pair ? 2 : 1));
}

/** The row, which is the caller's own. */
function ended(row: Row, next: number): Row {
  row.next = next;
  return row;
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
    if (marks.escape >= 0) {
      const escaping = buffer.indexOf(marks.escape, from);
      if (escaping >= 0 && (close < 0 || escaping < close)) {
        if (escaping + 1 >= buffer.length && !last) return undefined;
        const next = buffer[escaping + 1];
        const escapes = next === marks.quote || next === marks.escape;
        doubled ||= escapes;
        row.lines += lineEnds(buffer, from, escaping);
        from = escaping + (escapes ? 2 : 1);
        continue;
      }
    }
    if (close < 0) return last ? unclosed(buffer, open, row, marks) : undefined;
    row.lines += lineEnds(buffer, from, close);
    if (buffer[close + 1] === marks.quote) {
      doubled = true;
      from = close + 2;
      continue;
    }
    if (close + 1 >= buffer.length && !last) return undefined;
    const field = { start: open + 1, end: close, quoted: true, doubled };
    if (isFieldEnd(buffer, close + 1, marks)) return { field, next: close + 1 };
    const advice = escapeAdvice(buffer, open, close + 1, marks);
    const reason = `text after the closing quote${advice}`;
    row.problem ??= { field: row.fields.length, at: close + 1, reason };
    return { field, next: lineEndAt(buffer, close + 1) };
  }
}

/** JavaScript, MySQL and others write \\" for a quote inside quotes; RFC 4180 knows "" alone. */
function escapeAdvice(buffer: Buffer, open: number, end: number, { quote, escape: escaping }: Marks): string {
  const text = buffer.subarray(open + 1, end);
  if (escaping >= 0 || !text.includes(Buffer.from([backslash, quote]))) return "";
  return ", which a backslash precedes: send escape=\\ if it escapes quotes here";
}

function unclosed(buffer: Buffer, open: number, row: Row, marks: Marks): Parsed {
  const advice = escapeAdvice(buffer, open, buffer.length, marks);
  const reason = `the quote that opens here is never closed${advice.replace("which", "and a quote that")}`;
  row.problem ??= { field: row.fields.length, at: open, reason };
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
  { quote, escape: escaping = "", nulls }: Dialect,
): string | null {
  const text = buffer.toString("utf8", field.start, field.end);
  if (field.doubled && escaping !== "" && escaping !== quote) return withoutEscapes(text, quote, escaping);
  if (field.doubled) return text.replaceAll(quote + quote, quote);
  return !field.quoted && (text === "" || nulls.includes(text)) ? null : text;
}

/** An escape that stands before neither quote nor itself is a character as any other: C:\temp. */
function withoutEscapes(text: string, quote: string, escaping: string): string {
  let plain = "";
  for (let at = 0; at < text.length; at++) {
    const next = text[at + 1];
    const pair =
      (text[at] === escaping && (next === quote || next === escaping)) ||
      (text[at] === quote && next === quote);
    if (pair) at += 1;
    plain += text[at];
  }
  return plain;
}
