/**
 * A fast look at the structure of a CSV while it is received: are the quotes regular, do all rows have the same
 * number of fields, one kind of line end, valid UTF-8? A clean file is read by DuckDB as it is, and the number of
 * rows counted here must be the number that DuckDB loads. Anything else is left to the exact reader (csv-rows.ts).
 */

import type { Marks } from "./csv-rows.ts";
import { createUtf8Check } from "./encoding.ts";

export interface Scan {
  /** False means: let the exact reader decide. */
  clean: boolean;
  rows: number;
  /** Lines without any character; in a file of several columns they are no rows. */
  blankLines: number;
  longestRowBytes: number;
  lineEnd: "\n" | "\r\n";
}

export interface CsvScan {
  /** Returns how many bytes of the chunk reach to the last row that ended in it; 0 when none did, or the file is not clean. */
  push: (chunk: Uint8Array) => number;
  end: () => Scan;
}

const lineFeed = 10;
const carriageReturn = 13;

/** Where the scan stands in the grammar. */
const outside = 0;
const inQuotes = 1;
/** Behind a quote inside a quoted field: the next byte tells whether it was the closing one. */
const afterQuote = 2;

export function createCsvScan(marks: Marks, columns: number): CsvScan {
  const { quote } = marks;
  const delimiter = marks.delimiter[0] ?? 0;
  const utf8 = createUtf8Check();
  // Most bytes are above the marks and are passed over by one comparison.
  const highest = Math.max(delimiter, quote, carriageReturn);
  let clean = marks.delimiter.length === 1 && delimiter < 128;
  let state = outside;
  let before = lineFeed;
  let fields = 1;
  let rows = 0;
  let blankLines = 0;
  let rowStart = 0;
  let offset = 0;
  let longestRowBytes = 0;
  let pairs = 0;

  /** Ends the row before the line feed, or the end of the file, at this offset. */
  const endRow = (at: number) => {
    const length = at - rowStart - (before === carriageReturn ? 1 : 0);
    if (length === 0 && fields === 1) blankLines += 1;
    else if (fields !== columns) clean = false;
    else rows += 1;
    if (length > longestRowBytes) longestRowBytes = length;
    rowStart = at + 1;
    fields = 1;
  };

  const opensField = () => before === delimiter || before === lineFeed;

  const scan = (bytes: Buffer) => {
    const { length } = bytes;
    let at = 0;
    while (at < length && clean) {
      if (state === inQuotes) {
        const close = bytes.indexOf(quote, at);
        if (close < 0) break;
        state = afterQuote;
        at = close + 1;
        continue;
      }
      const byte = bytes[at] ?? 0;
      if (state === afterQuote) {
        state = byte === quote ? inQuotes : outside;
        if (state === inQuotes) {
          at += 1;
          continue;
        }
        before = quote;
        if (byte !== delimiter && byte !== lineFeed && byte !== carriageReturn) clean = false;
      }
      if (byte <= highest) {
        if (before === carriageReturn && byte !== lineFeed) clean = false;
        if (byte === delimiter) fields += 1;
        else if (byte === quote) {
          if (opensField()) state = inQuotes;
          else clean = false;
        } else if (byte === lineFeed) {
          if (before === carriageReturn) pairs += 1;
          endRow(offset + at);
        }
      } else if (before === carriageReturn) clean = false;
      before = byte;
      at += 1;
    }
    offset += length;
  };

  return {
    push: (chunk) => {
      if (!clean) return 0;
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const before = offset;
      clean = utf8.push(bytes) && !bytes.includes(0);
      scan(bytes);
      return clean ? Math.max(0, rowStart - before) : 0;
    },
    end: () => {
      const lineFeeds = rows + blankLines;
      const mixed = pairs !== 0 && pairs !== lineFeeds;
      const lone = before === carriageReturn && state === outside;
      clean &&= state !== inQuotes && utf8.end() && !mixed && !lone;
      if (offset > rowStart) endRow(offset);
      return { clean, rows, blankLines, longestRowBytes, lineEnd: pairs > 0 ? "\r\n" : "\n" };
    },
  };
}
