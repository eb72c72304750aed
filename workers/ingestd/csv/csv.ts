/** CSV: stored while it is scanned; read by DuckDB as it is when clean, else row by row. */

import { asUtf8 } from "../receiving/receiving.ts";
import {
  cell,
  createPartWriter,
  createRejects,
  type FileContext,
  type Format,
  type Part,
  type Run,
  readText,
  type Stored,
  type Table,
  textColumn,
} from "../tables/tables.ts";
import { exactTable, lineOfRow } from "./exact.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { marksOf } from "./rows.ts";
import { createRuns, type RunOfParts, type Runs } from "./runs.ts";
import { createCsvScan, type Scan } from "./scan.ts";

export { checkDialect } from "./dialect-rules.ts";
export { createRowReader, rowSteps } from "./exact.ts";
export { type Layout, layoutOf } from "./layout.ts";

/** Steps of a byte, as `Slices` counts them, in a file of nothing but line ends. */
const scanSteps = 4;

export const csv: Format = {
  store: async (source, context) => {
    const { head, chunks, markBytes } = await asUtf8(source, context.reading.encoding);
    const layout = layoutOf({ head, whole: source.whole, markBytes }, context);
    const scan = createCsvScan(marksOf(layout.dialect), layout.names.length);
    const writer = createPartWriter(context, "rows");
    const runs = createRuns();
    let skip = layout.headerBytes;
    for await (const chunk of chunks) {
      context.signal.throwIfAborted();
      const bytes = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - bytes.length;
      const rest = context.slices(bytes.length * scanSteps);
      if (rest) await rest;
      const cuts = scan.push(bytes);
      const parts = await writer.write(
        bytes,
        cuts.map(({ at }) => at),
      );
      for (const run of cuts.flatMap(runs.endPart)) {
        const known = { parts, rows: run.rows, blankLines: 0, ...scan.soFar() };
        const table = scannedTable(known, [run], layout, context);
        if (table.speculative) context.onRun?.(table, table.runs[0] as Run);
      }
    }
    return stored(await writer.end(), { scan: scan.end(), runs }, layout, context);
  },
};

function stored(
  parts: Part[],
  { scan, runs }: { scan: Scan; runs: Runs },
  layout: Layout,
  context: FileContext,
): Stored {
  const exact = () => exactTable(parts, layout, context);
  if (!scan.clean || scan.longestRowBytes > context.rowBytesMax) return { tables: [exact] };
  const rows = scan.rows + (layout.names.length === 1 ? scan.blankLines : 0);
  const scanned = async () =>
    scannedTable({ ...scan, parts, rows }, runs.end(parts.length, rows), layout, context);
  return { tables: [scanned, exact] };
}

interface Known extends Pick<Scan, "blankLines" | "longestRowBytes" | "lineEnd" | "partRows"> {
  parts: readonly Part[];
  rows: number;
}

function scannedTable(
  known: Known,
  runs: readonly RunOfParts[],
  layout: Layout,
  context: FileContext,
): Table {
  const { parts, longestRowBytes, lineEnd, blankLines, rows, partRows } = known;
  const { names, dialect } = layout;
  const width = names.length;
  const read = (some: readonly Part[]) => readText({ parts: some, dialect, width, longestRowBytes, lineEnd });
  return {
    relation: read(parts),
    sample: read(parts.slice(0, 1)),
    columns: names.map((name, index) => textColumn(name, cell(index), context.reading)),
    rowsIn: rows,
    rejects: createRejects(context, "scanned-rejects", context.rejectRules),
    runs: runs.map(({ from, to, rows: count }) => {
      const some = parts.slice(from, to);
      const bytes = some.reduce((sum, part) => sum + part.bytes, 0);
      return { relation: read(some), rows: count, rowBytes: count === 0 ? 1 : bytes / count, partRows };
    }),
    // With infer=values all rows are read before any is written.
    speculative: context.reading.byValue !== true,
    lineOf: (index) => lineOfRow(parts, layout, context, index),
    mayLack: false,
    warnings: [
      ...layout.warnings,
      ...(width > 1 && blankLines > 0 ? [`${blankLines} blank lines were skipped`] : []),
    ],
  };
}
