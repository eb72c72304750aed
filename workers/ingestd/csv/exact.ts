/**
 * The exact reading of a CSV: row by row, with a reason, line and byte for every bad row. The good rows are written
 * anew, in one dialect and with their source positions, for DuckDB to read.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import {
  createRejects,
  csvField,
  type Dialect,
  type FileContext,
  openPositionedText,
  type Part,
  type PositionedText,
  type Rejects,
  readParts,
  type Table,
  textColumn,
} from "../tables/tables.ts";
import type { Layout } from "./layout.ts";
import { beginRow, type Input, type RowReading, readRow, type Stop } from "./row-reader.ts";
import { type Field, isBlank, marksOf, problemOf, type Row, textOf } from "./rows.ts";

/** Reads the stored data rows of a CSV into a table with source positions. Throws `rejected_rows` where more are bad than may be. */
export async function exactTable(
  parts: readonly Part[],
  layout: Layout,
  context: FileContext,
): Promise<Table> {
  const { names } = layout;
  const rejects = createRejects(context, "exact-rejects", context.rejectRules);
  const good = openPositionedText(context, "exact", names.length);
  const reader: Reader = { layout, context, rejects, good, rows: 0, blankLines: 0, comments: 0, spans: [] };
  context.phase("reading row by row");
  for await (const batch of rowBatches(parts, layout, context)) await takeRows(batch, reader);
  const table = await good.end((byte) => rowTextAt(parts, byte - layout.byteBase, layout, context));
  const skipped = [
    ...(reader.blankLines > 0 ? [`${reader.blankLines} blank lines were skipped`] : []),
    ...(reader.comments > 0
      ? [`${reader.comments} lines that begin with the comment '${layout.dialect.comment}' were skipped`]
      : []),
  ];
  return {
    ...table,
    columns: names.map((name, index) => textColumn(name, good.cell(index), context.reading)),
    rowsIn: reader.rows - reader.blankLines - reader.comments,
    rejects,
    mayLack: false,
    warnings: [...layout.warnings, ...skipped, ...reader.spans.slice(0, spansTold).map(spanWarning)],
  };
}

/** A bad row of more lines is reported as such: texts with line ends inside have this many. */
const linesUntold = 10;
const spansTold = 20;

const spanWarning = ({ line, lines }: { line: number; lines: number }): string =>
  `the rejected row that begins on line ${line} spans ${lines} lines: a quote that is opened by mistake swallows the rows after it`;

/** Bytes that are read again for the line of a row. */
const lineSearchBytes = 16 * 1024 * 1024;

/** The line of the row at this index among those that are loaded; undefined where it lies far into the file. */
export async function lineOfRow(
  parts: readonly Part[],
  layout: Layout,
  context: FileContext,
  index: number,
): Promise<number | undefined> {
  let left = index;
  for await (const { rows, line: first, offset } of rowBatches(parts, layout, context)) {
    let line = first;
    for (const row of rows) {
      const isLoaded = layout.names.length === 1 || !isBlank(row);
      if (isLoaded && left === 0) return line;
      if (isLoaded) left -= 1;
      line += row.lines;
    }
    if (offset > lineSearchBytes) return undefined;
  }
  return undefined;
}

interface Batch {
  buffer: Buffer;
  rows: Row[];
  /** Offset of the buffer in the data, and the line its first row begins on. */
  offset: number;
  line: number;
}

interface Reader {
  layout: Layout;
  context: FileContext;
  rejects: Rejects;
  good: PositionedText;
  rows: number;
  blankLines: number;
  comments: number;
  /** Bad rows of many lines: where each begins, and how many. */
  spans: { line: number; lines: number }[];
}

async function takeRows({ buffer, rows, offset, line: firstLine }: Batch, reader: Reader): Promise<void> {
  const { layout, rejects, good, context } = reader;
  const { names, dialect } = layout;
  const { spans } = reader;
  let line = firstLine;
  for (const row of rows) {
    const byte = layout.byteBase + offset + row.start;
    const problem = row.isComment ? undefined : problemOf(buffer, row, names.length);
    if (row.isComment) reader.comments += 1;
    else if (names.length > 1 && isBlank(row)) reader.blankLines += 1;
    else if (problem) {
      const column = names[problem.field] ?? null;
      const far = row.lines > linesUntold ? `; it spans ${row.lines} lines` : "";
      const detail = `${problem.reason} (byte ${layout.byteBase + offset + problem.at})${far}`;
      if (far !== "") spans.push({ line, lines: row.lines });
      await rejects.add({ line, byte, column, reason: detail, text: rawText(buffer, row) });
    } else {
      const cells = row.fields.map((field) => writtenCell(buffer, field, dialect));
      good.addCells(line, byte, cells);
    }
    if (row.fields.length > fieldsAtOnce) {
      const pause = context.slices(row.fields.length * fieldSteps);
      if (pause) await pause;
    }
    line += row.lines;
  }
  await good.flush();
  reader.rows += rows.length;
}

/** A field as it is written for DuckDB. One that is quoted as we quote is copied without being decoded. */
function writtenCell(buffer: Buffer, field: Field, dialect: Dialect): string {
  const { quote, escape: escaping = quote } = dialect;
  if (field.quoted && quote === '"' && (escaping === "" || escaping === quote))
    return buffer.toString("utf8", field.start - 1, field.end + 1);
  return csvField(textOf(buffer, field, dialect));
}

/** The row without its line end. */
function rawText(buffer: Buffer, { start, next }: Row): string {
  const pair = buffer[next - 2] === 13 && buffer[next - 1] === 10 && next - 2 >= start;
  const isEnded = buffer[next - 1] === 10 || buffer[next - 1] === 13;
  return buffer.toString("utf8", start, next - (pair ? 2 : isEnded ? 1 : 0));
}

/** Rows and bytes that are read in one go; steps that a row and a field take beside their bytes, as `Slices` counts them. */
const rowsAtOnce = 4096;
const bytesAtOnce = 64 * 1024;
export const rowSteps = 200;
/** A row of more fields counts them. */
const fieldsAtOnce = 100;
const fieldSteps = 20;

/** Rows as they become complete, with the buffer they lie in. */
async function* rowBatches(
  parts: readonly Part[],
  layout: Layout,
  context: FileContext,
): AsyncGenerator<Batch> {
  const reader = createRowReader(layout, context);
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  let line = layout.headerLines + 1;
  async function* take(buffer: Buffer, isWhole: boolean): AsyncGenerator<Batch> {
    let from = 0;
    for (let more = true; more; ) {
      const rows: Row[] = [];
      let end = from;
      while (end < buffer.length && rows.length < rowsAtOnce && end - from < bytesAtOnce) {
        const reading = reader.read({ buffer, isWhole }, end);
        const row = reading instanceof Promise ? await reading : reading;
        more = row !== undefined;
        if (row === undefined) break;
        rows.push(row);
        end = row.next;
      }
      more &&= end < buffer.length;
      const pause = context.slices(Math.min(end - from, bytesAtOnce) + rows.length * rowSteps);
      if (pause) await pause;
      const batch = { buffer, rows, offset, line };
      line += rows.reduce((sum, row) => sum + row.lines, 0);
      checkLengths(batch, context);
      yield batch;
      from = end;
    }
    offset += from;
    rest = buffer.subarray(from);
    if (rest.length > context.rowBytesMax) throw rowTooLong(line, context.rowBytesMax);
  }
  let more: Buffer[] = [];
  let moreBytes = 0;
  const all = (): Buffer => {
    const buffer = Buffer.concat([rest, ...more]);
    more = [];
    moreBytes = 0;
    return buffer;
  };
  for await (const chunk of readParts(parts)) {
    context.signal.throwIfAborted();
    more.push(chunk);
    moreBytes += chunk.length;
    // Copied only when the buffer has doubled, so that a long row costs linear time.
    if (moreBytes >= rest.length) yield* take(all(), false);
  }
  yield* take(all(), true);
}

/** Reads rows in slices. A row that is incomplete at the end of a buffer is resumed when the next buffer begins with it. */
export function createRowReader(
  { dialect }: Pick<Layout, "dialect">,
  { slices }: Pick<FileContext, "slices">,
) {
  const marks = marksOf(dialect);
  let begun: RowReading | undefined;
  const ended = (reading: RowReading, stop: Stop): Row | undefined => {
    if (stop === "more" && reading.row.start === 0) begun = reading;
    return stop === "ended" ? reading.row : undefined;
  };
  const rested = async (reading: RowReading, input: Input, pause: Promise<void>) => {
    await pause;
    return goOn(reading, input);
  };
  const goOn = (reading: RowReading, input: Input): Row | undefined | Promise<Row | undefined> => {
    for (;;) {
      const from = reading.at;
      const stop = readRow(reading, input, marks, bytesAtOnce);
      if (stop !== "paused") return ended(reading, stop);
      const pause = slices(reading.at - from);
      if (pause) return rested(reading, input, pause);
    }
  };
  return {
    /** Undefined when the row goes on behind the buffer; a promise when it is long. */
    read: (input: Input, start: number): Row | undefined | Promise<Row | undefined> => {
      const reading = start === 0 && begun !== undefined ? begun : beginRow(start);
      begun = undefined;
      return goOn(reading, input);
    },
  };
}

function checkLengths(batch: Batch, { rowBytesMax }: FileContext): void {
  let line = batch.line;
  for (const row of batch.rows) {
    if (row.next - row.start > rowBytesMax) throw rowTooLong(line, rowBytesMax);
    line += row.lines;
  }
}

const rowTooLong = (line: number, rowBytesMax: number) => {
  const advice = "a quote that is never closed does that; else raise ingestd.max_row_bytes";
  return fail(
    "unprocessable",
    `the row that begins on line ${line} is longer than ${rowBytesMax} bytes: ${advice}`,
    {
      details: { line },
    },
  );
};

/** The row that begins at this offset of the data. */
async function rowTextAt(
  parts: readonly Part[],
  byte: number,
  layout: Layout,
  context: FileContext,
): Promise<string> {
  const reader = createRowReader(layout, context);
  let buffer: Buffer = Buffer.alloc(0);
  let more: Buffer[] = [];
  let moreBytes = 0;
  for await (const chunk of readParts(parts, byte)) {
    more.push(chunk);
    moreBytes += chunk.length;
    // Copied only when the buffer has doubled, so that a long row costs linear time.
    if (moreBytes < buffer.length) continue;
    buffer = Buffer.concat([buffer, ...more]);
    more = [];
    moreBytes = 0;
    const row = await reader.read({ buffer, isWhole: false }, 0);
    if (row) return rawText(buffer, row);
  }
  buffer = Buffer.concat([buffer, ...more]);
  const row = await reader.read({ buffer, isWhole: true }, 0);
  return row ? rawText(buffer, row) : "";
}
