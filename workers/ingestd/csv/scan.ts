/**
 * A fast look at the structure of a CSV while it is received: are the quotes regular, do all rows have the same
 * number of fields, one kind of line end, valid UTF-8? A clean file is read by DuckDB as it is, and the number of
 * rows counted here must be the number that DuckDB loads. Anything else is left to the exact reader (exact.ts).
 */

import { createUtf8Check } from "../receiving/receiving.ts";
import { createPartSplitter, type PartSplitter } from "../tables/tables.ts";
import { byteOrderMark, isPlain, type Marks } from "./rows.ts";

export interface Scan {
  /** False means: let the exact reader decide. */
  clean: boolean;
  rows: number;
  /** Lines without any character; in a file of several columns they are no rows. */
  blankLines: number;
  longestRowBytes: number;
  lineEnd: "\n" | "\r\n";
  /** Rows in each part but the last, where they are equal. */
  partRows: number | undefined;
}

export interface Cut {
  /** Offset in the chunk. */
  at: number;
  /** Rows and bytes before it, from the beginning of the data. */
  rows: number;
  bytes: number;
}

interface CsvScan {
  /** Returns where parts end in the chunk, by the part splitter. */
  push: (chunk: Uint8Array) => Cut[];
  /** What is known so far. */
  soFar: () => Pick<Scan, "longestRowBytes" | "lineEnd" | "partRows">;
  end: () => Scan;
}

const lineFeed = 10;
const carriageReturn = 13;

/** States of the scan. */
const outside = 0;
const inQuotes = 1;
/** Behind a quote inside a quoted field: the next byte shows whether it was the closing one. */
const afterQuote = 2;

export function createCsvScan(marks: Marks, columns: number): CsvScan {
  const utf8 = createUtf8Check();
  const hasMark = createMarkCheck();
  const at: Position = {
    clean: isPlain(marks),
    state: outside,
    last: lineFeed,
    fields: 1,
    rows: 0,
    blankLines: 0,
    pairs: 0,
    offset: 0,
    rowStart: 0,
    longestRowBytes: 0,
    rule: createPartSplitter(),
    cuts: [],
  };
  return {
    push: (chunk) => {
      if (!at.clean) return [];
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const begun = at.offset;
      // A carriage return that ended the chunk before must have its line feed now.
      const torn =
        at.state === outside && at.last === carriageReturn && bytes.length > 0 && bytes[0] !== lineFeed;
      at.clean = utf8.push(bytes) && !bytes.includes(0) && !hasMark(bytes) && !torn;
      scan(bytes, at, marks, columns);
      return at.cuts.splice(0).map((cut) => ({ ...cut, at: cut.at - begun }));
    },
    soFar: () => ({
      longestRowBytes: at.longestRowBytes,
      lineEnd: lineEndOf(at),
      partRows: at.rule.partRows(),
    }),
    end: () => {
      const mixed = at.pairs !== 0 && at.pairs !== at.rows + at.blankLines;
      const lone = at.last === carriageReturn && at.state === outside;
      at.clean &&= at.state !== inQuotes && utf8.end() && !mixed && !lone;
      if (at.offset > at.rowStart) endRow(at, at.offset, at.last, columns);
      const { clean, rows, blankLines, longestRowBytes } = at;
      return {
        clean,
        rows,
        blankLines,
        longestRowBytes,
        lineEnd: lineEndOf(at),
        partRows: at.rule.partRows(),
      };
    },
  };
}

/** Finds byte order marks, also those that lie across two chunks. */
function createMarkCheck(): (bytes: Buffer) => boolean {
  const { length } = byteOrderMark;
  let tail: Buffer = Buffer.alloc(0);
  return (bytes) => {
    const seam = Buffer.concat([tail, bytes.subarray(0, length - 1)]);
    tail = Buffer.concat([tail, bytes.subarray(-length + 1)]).subarray(-length + 1);
    return bytes.includes(byteOrderMark) || seam.includes(byteOrderMark);
  };
}

interface Position {
  clean: boolean;
  state: typeof outside | typeof inQuotes | typeof afterQuote;
  /** The last byte of the chunk before. */
  last: number;
  fields: number;
  rows: number;
  blankLines: number;
  /** Rows that ended with CRLF. */
  pairs: number;
  /** Of the chunk, and of the row under way. */
  offset: number;
  rowStart: number;
  longestRowBytes: number;
  rule: PartSplitter;
  /** Ends of parts in the chunk. */
  cuts: Cut[];
}

const lineEndOf = ({ pairs }: Position): Scan["lineEnd"] => (pairs > 0 ? "\r\n" : "\n");

/** Ends the row before the line feed, or the end of the file, at this offset. */
function endRow(at: Position, end: number, before: number, columns: number): void {
  const length = end - at.rowStart - (before === carriageReturn ? 1 : 0);
  if (length === 0 && at.fields === 1) at.blankLines += 1;
  else if (at.fields !== columns) at.clean = false;
  else at.rows += 1;
  if (length > at.longestRowBytes) at.longestRowBytes = length;
  at.rowStart = end + 1;
  at.fields = 1;
  const blank = length === 0 && columns > 1;
  if (!blank && at.rule.endRow(at.rowStart)) {
    at.cuts.push({
      at: at.rowStart,
      rows: at.rows + (columns === 1 ? at.blankLines : 0),
      bytes: at.rowStart,
    });
  }
}

function scan(
  bytes: Buffer,
  at: Position,
  { quote, delimiter: [delimiter = 0] }: Marks,
  columns: number,
): void {
  const { length } = bytes;
  // Most bytes are above all delimiters and quotes and cost one comparison each, which is what makes this fast.
  const highest = Math.max(delimiter, quote, carriageReturn);
  let index = 0;
  while (index < length && at.clean) {
    if (at.state !== outside) {
      index = scanQuoted(bytes, index, at, quote, delimiter);
      continue;
    }
    let byte = bytes[index] as number;
    // Nothing else is looked at on the way: three bytes in four end here.
    while (byte > highest && ++index < length) byte = bytes[index] as number;
    if (index === length) break;
    const before = index === 0 ? at.last : (bytes[index - 1] as number);
    if (byte === delimiter) at.fields += 1;
    else if (byte === lineFeed) {
      if (before === carriageReturn) at.pairs += 1;
      endRow(at, at.offset + index, before, columns);
    } else if (byte === quote) {
      if (before === delimiter || before === lineFeed) at.state = inQuotes;
      else at.clean = false;
    } else if (byte === carriageReturn && index + 1 < length && bytes[index + 1] !== lineFeed)
      at.clean = false;
    index += 1;
  }
  at.offset += length;
  at.last = bytes[length - 1] ?? at.last;
}

/** Goes on inside a quoted field, or behind its closing quote; returns where to go on. */
function scanQuoted(bytes: Buffer, index: number, at: Position, quote: number, delimiter: number): number {
  if (at.state === inQuotes) {
    const close = bytes.indexOf(quote, index);
    if (close < 0) return bytes.length;
    at.state = afterQuote;
    return close + 1;
  }
  const byte = bytes[index];
  at.state = byte === quote ? inQuotes : outside;
  if (byte === quote) return index + 1;
  if (byte !== delimiter && byte !== lineFeed && byte !== carriageReturn) at.clean = false;
  return index;
}
