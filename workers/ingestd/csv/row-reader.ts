/**
 * CSV row by row, exactly: RFC 4180 with any delimiter and quote, any of the three line ends, and a reason for every
 * row that breaks a rule. It is slower than DuckDB's reader, and reads the files that are not clean. A row may be longer
 * than the buffer, and than what the thread should read at once: reading can stop anywhere and be resumed.
 */
import { fieldsKept, type Marks, type Row, startsWith } from "./rows.ts";

/** The part of a text that has been received. */
export interface Input {
  buffer: Buffer;
  /** It is the end of the text. */
  isWhole: boolean;
}

/** The state of reading one row. It is resumed with a buffer that begins with the same bytes and may be longer. */
export interface RowReading {
  row: Row;
  at: number;
  within: "begin" | "field" | "bare" | "quotes" | "behind" | "rest";
  /** Where the field under way begins. */
  open: number;
  doubled: boolean;
}

/** Why reading stopped: the row ended, the buffer did, or the slice did. */
export type Stop = "ended" | "more" | "paused";

export const beginRow = (start: number): RowReading => ({
  row: { start, next: start, lines: 0, fields: [] },
  at: start,
  within: "begin",
  open: start,
  doubled: false,
});

/**
 * Reads on for about so many bytes. A row with a problem reaches to the next line end after it; nothing of it is made a
 * row of its own.
 */
export function readRow(reading: RowReading, input: Input, marks: Marks, bytesMax: number): Stop {
  const limit = Math.min(input.buffer.length, reading.at + bytesMax);
  for (;;) {
    const stop = steps[reading.within](reading, input, marks, limit);
    if (stop !== undefined) return stop;
    if (reading.at >= limit && limit < input.buffer.length) return "paused";
  }
}

/** The row at `start` in one go; undefined when it goes on behind the buffer: the caller then brings more. */
export function parseRow(buffer: Buffer, start: number, isWhole: boolean, marks: Marks): Row | undefined {
  const reading = beginRow(start);
  const stop = readRow(reading, { buffer, isWhole }, marks, Number.POSITIVE_INFINITY);
  return stop === "ended" ? reading.row : undefined;
}

type Step = (reading: RowReading, input: Input, marks: Marks, limit: number) => Stop | undefined;

const steps: Record<RowReading["within"], Step> = {
  begin: (reading, input, marks, limit) => {
    const { row } = reading;
    if (reading.at === row.start && input.buffer[row.start] === marks.comment) {
      row.isComment = true;
      reading.within = "rest";
      return undefined;
    }
    reading.at = afterRun(input.buffer, reading.at, marks, limit);
    if (reading.at < limit || limit === input.buffer.length) reading.within = "field";
    return undefined;
  },
  field: (reading, { buffer, isWhole }, { quote }) => {
    if (reading.at >= buffer.length && !isWhole) return "more";
    const isQuoted = buffer[reading.at] === quote;
    reading.open = reading.at;
    reading.doubled = false;
    reading.within = isQuoted ? "quotes" : "bare";
    if (isQuoted) reading.at += 1;
    return undefined;
  },
  bare,
  quotes,
  behind: (reading, input, marks, limit) => {
    const { buffer, isWhole } = input;
    reading.at = afterRun(buffer, reading.at, marks, limit);
    if (reading.at >= buffer.length) return isWhole ? ended(reading, buffer.length) : "more";
    if (reading.at >= limit) return "paused";
    if (isLineEnd(buffer[reading.at])) return endRow(reading, input);
    if (!marks.runs) reading.at += marks.delimiter.length;
    reading.within = "field";
    return undefined;
  },
  rest: (reading, { buffer, isWhole }, _, limit) => {
    while (reading.at < limit && !isLineEnd(buffer[reading.at])) reading.at += 1;
    if (reading.at === limit && limit < buffer.length) return "paused";
    if (reading.at >= buffer.length && !isWhole) return "more";
    reading.within = "behind";
    return undefined;
  },
};

const lineFeed = 10;
const carriageReturn = 13;
const backslash = 0x5c;

const isLineEnd = (byte: number | undefined): boolean => byte === lineFeed || byte === carriageReturn;

function afterRun(buffer: Buffer, start: number, { runs, delimiter }: Marks, limit: number): number {
  let at = start;
  while (runs && at < limit && buffer[at] === delimiter[0]) at += 1;
  return at;
}

/** Bare fields, one after the other. */
function bare(reading: RowReading, input: Input, marks: Marks, limit: number): Stop | undefined {
  const { buffer, isWhole } = input;
  for (;;) {
    const end = bareEnd(input, reading.at, limit, marks);
    reading.at = end;
    if (end === limit && limit < buffer.length) return "paused";
    if (!isWhole && (end === buffer.length || isCut(buffer, end, marks))) return "more";
    keep(reading, reading.open, end, false);
    reading.within = "behind";
    if (marks.runs || end >= limit || isLineEnd(buffer[end])) return undefined;
    reading.at = end + marks.delimiter.length;
    reading.within = "field";
    if (reading.at >= limit || buffer[reading.at] === marks.quote) return undefined;
    reading.open = reading.at;
    reading.within = "bare";
  }
}

/** Where a delimiter or a line end stands, or may stand when more has come; else the limit. */
function bareEnd({ buffer, isWhole }: Input, start: number, limit: number, marks: Marks): number {
  const { delimiter } = marks;
  const [first] = delimiter;
  for (let at = start; at < limit; at++) {
    const byte = buffer[at];
    if (byte === lineFeed || byte === carriageReturn) return at;
    if (byte === first && (startsWith(buffer, at, delimiter) || (!isWhole && isCut(buffer, at, marks))))
      return at;
  }
  return limit;
}

/** True where a delimiter of several bytes may go on behind the buffer. */
const isCut = (buffer: Buffer, at: number, { delimiter }: Marks): boolean =>
  buffer[at] === delimiter[0] && at + delimiter.length > buffer.length;

function keep({ row, doubled }: RowReading, start: number, end: number, quoted: boolean): void {
  if (row.fields.length < fieldsKept) row.fields.push({ start, end, quoted, doubled });
}

/** Within quotes, to the closing one or the limit. */
function quotes(reading: RowReading, input: Input, marks: Marks, limit: number): Stop | undefined {
  const { buffer, isWhole } = input;
  const { quote, escape: escaping } = marks;
  const highest = Math.max(quote, escaping, carriageReturn);
  let { at } = reading;
  for (; at < limit; at++) {
    const byte = buffer[at] as number;
    if (byte > highest) continue;
    if (byte === lineFeed) reading.row.lines += 1;
    if (byte !== carriageReturn && byte !== quote && byte !== escaping) continue;
    // What they mean is known by the byte behind them.
    if (at + 1 >= buffer.length && !isWhole) break;
    const next = at + 1 < buffer.length ? buffer[at + 1] : -1;
    if (byte === carriageReturn) {
      if (next !== lineFeed) reading.row.lines += 1;
    } else if (next === quote || (byte === escaping && next === escaping)) {
      reading.doubled = true;
      at += 1;
    } else if (byte === quote) {
      reading.at = at;
      return closed(reading, input, marks);
    }
  }
  reading.at = at;
  if (at >= limit && limit < buffer.length) return "paused";
  return isWhole ? unclosed(reading, buffer, marks) : "more";
}

/** At a closing quote. */
function closed(reading: RowReading, { buffer, isWhole }: Input, marks: Marks): Stop | undefined {
  const { row, open, at: close } = reading;
  const next = close + 1;
  const isEnd = next >= buffer.length || isLineEnd(buffer[next]) || startsWith(buffer, next, marks.delimiter);
  if (!isEnd && !isWhole && isCut(buffer, next, marks)) return "more";
  if (!isEnd) {
    const reason = `text after the closing quote${escapeAdvice(buffer, open, next, marks)}`;
    row.problem ??= { field: row.fields.length, at: next, reason };
  }
  keep(reading, open + 1, close, true);
  reading.at = next;
  reading.within = isEnd ? "behind" : "rest";
  return undefined;
}

/** JavaScript, MySQL and others write \\" for a quote inside quotes; RFC 4180 knows "" alone. */
function escapeAdvice(buffer: Buffer, open: number, end: number, { quote, escape: escaping }: Marks): string {
  const text = buffer.subarray(open + 1, end);
  if (escaping >= 0 || !text.includes(Buffer.from([backslash, quote]))) return "";
  return ", which a backslash precedes: send escape=\\ if it escapes quotes here";
}

function unclosed(reading: RowReading, buffer: Buffer, marks: Marks): Stop {
  const { row, open } = reading;
  const advice = escapeAdvice(buffer, open, buffer.length, marks);
  const reason = `the quote that opens here is never closed${advice.replace("which", "and a quote that")}`;
  row.problem ??= { field: row.fields.length, at: open, reason };
  reading.doubled = false;
  keep(reading, open + 1, buffer.length, true);
  return ended(reading, buffer.length);
}

/** Consumes the line end. A carriage return at the very end of the buffer may have a line feed to come. */
function endRow(reading: RowReading, { buffer, isWhole }: Input): Stop {
  const { row, at } = reading;
  if (buffer[at] === carriageReturn && at + 1 >= buffer.length && !isWhole) return "more";
  const pair = buffer[at] === carriageReturn && buffer[at + 1] === lineFeed;
  row.lines += 1;
  return ended(reading, at + (pair ? 2 : 1));
}

function ended({ row }: RowReading, next: number): Stop {
  row.next = next;
  return "ended";
}
