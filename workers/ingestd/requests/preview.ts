/** A look at a file: how it would be read, and why. Stores nothing. */
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import { jsonResponse } from "../../../runtime/bodies/bodies.ts";
import type { HttpRequest, InputOf, RawContext } from "../../../runtime/contract/contract.ts";
import { storageError } from "../../../runtime/durable/durable.ts";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { createSlices } from "../../../runtime/scheduling/scheduling.ts";
import type { ingestd, Previewed } from "../contract.ts";
import { createRowReader, type Layout, layoutOf, rowSteps } from "../csv/csv.ts";
import type { Session } from "../engine/engine.ts";
import { formOf, holds, type Notation, type Seen, sqlType, whyText } from "../inference/inference.ts";
import { createDeadline, type Deadline, type IngestParts } from "../jobs/jobs.ts";
import { planOf, rejectMisfits } from "../loading/loading.ts";
import { asUtf8, type FormatName, formatOf, openUpload, peek } from "../receiving/receiving.ts";
import {
  type Column,
  createScratch,
  type FileContext,
  cell as rejectCell,
  type Source,
  type Table,
} from "../tables/tables.ts";
import { finalType, inferFromAll, textWarnings } from "../typing/typing.ts";
import { formats, headBytes } from "./ingest.ts";
import { checkMeaning, readingOf } from "./parameters.ts";

type PreviewInput = InputOf<(typeof ingestd.endpoints)["preview"]>;
type Answer = Static<typeof Previewed>;

/** How much of a text file is looked at, in bytes: enough for sound types, little enough to be quick. */
const lookBytes = 16 * 1024 * 1024;
const rowsDefault = 20;
/** Values looked at for reasons, of all columns together, and bad rows shown. */
const reasonValues = 200_000;
const problemsMax = 20;

/** Answers POST /ingest/preview. Waits for a free slot as an ingest does. */
export async function preview(
  input: PreviewInput,
  context: RawContext,
  parts: IngestParts,
): Promise<Response> {
  const { deps, limiter, workDirectory, engines } = parts;
  const limits = deps.config.ingestd;
  const stopping = new AbortController();
  const stop = (why: ServiceError) => stopping.abort(why);
  const deadline = createDeadline({ limits, askedMs: input.timeout_ms, clock: deps.clock, stop });
  const signal = AbortSignal.any([context.signal, stopping.signal]);
  const scratch = createScratch(join(workDirectory, deps.newId()));
  const fileContext: FileContext = {
    ...scratch,
    reading: readingOf(input),
    rejectRules: { allowed: true, max: Number.POSITIVE_INFINITY },
    columnsMax: limits.max_columns,
    rowBytesMax: limits.max_row_bytes,
    signal,
    slices: createSlices(signal),
    phase: deadline.phase,
  };
  const releaseSlot = await limiter.take(signal);
  try {
    await scratch.enter();
    const look = await beginning(input, context.request, { ...parts, fileContext, deadline });
    deadline.phase("reading the file");
    const session = await engines.open(signal);
    try {
      return jsonResponse(await describeFile(session, look, fileContext, input.rows ?? rowsDefault));
    } finally {
      session.close();
    }
  } catch (error) {
    throw stopping.signal.aborted ? stopping.signal.reason : storageError(error, "look at the file");
  } finally {
    deadline.end();
    await scratch.leave();
    releaseSlot();
  }
}

interface Look {
  format: FormatName;
  source: Source;
  layout?: Layout;
  bytes: number;
  whole: boolean;
}

/** The file's beginning, up to where a row ends; all of it for Parquet, whose description stands at the end. */
async function beginning(
  input: PreviewInput,
  request: HttpRequest,
  {
    deps,
    fileContext,
    deadline,
  }: Pick<IngestParts, "deps"> & { fileContext: FileContext; deadline: Deadline },
): Promise<Look> {
  const { max_ingest_bytes: bytesMax, idle_timeout_ms: idleTimeoutMs } = deps.config.ingestd;
  const upload = await openUpload(request, {
    bytesMax,
    idleTimeoutMs,
    signal: fileContext.signal,
    clock: deps.clock,
    onBytes: () => undefined,
    deadline,
  });
  const { head, whole, all } = await peek(upload.chunks, lookBytes);
  const format = formatOf({
    head,
    asked: input.format,
    filename: upload.filename,
    mediaType: upload.mediaType,
  });
  checkMeaning(format, input);
  if (format === "parquet")
    return { format, source: { head, whole, chunks: all }, bytes: head.length, whole: true };
  await all.return(undefined);
  return { format, ...(await wholeRows(head, whole, format, fileContext)), bytes: head.length, whole };
}

/** Cuts off the last, incomplete row. What is left is UTF-8, with its mark where offsets count it. */
async function wholeRows(
  head: Buffer,
  whole: boolean,
  format: FormatName,
  fileContext: FileContext,
): Promise<{ source: Source; layout?: Layout }> {
  const { head: text, markBytes } = await asUtf8({ head, whole, chunks: [] }, fileContext.reading.encoding);
  const { encoding: _, ...reading } = fileContext.reading;
  fileContext.reading = reading;
  const sourceOf = (end: number): Source => {
    const kept = Buffer.concat([head.subarray(0, markBytes), text.subarray(0, end)]);
    return { head: kept.subarray(0, headBytes), whole: kept.length <= headBytes, chunks: [kept] };
  };
  if (format === "ndjson") return { source: sourceOf(whole ? text.length : text.lastIndexOf(10) + 1) };
  const layout = layoutOf(
    { head: text.subarray(0, headBytes), whole: whole && text.length <= headBytes, markBytes },
    fileContext,
  );
  let end = layout.headerBytes;
  const reader = createRowReader(layout, fileContext);
  while (end < text.length) {
    const reading = reader.read({ buffer: text, isWhole: whole }, end);
    const row = reading instanceof Promise ? await reading : reading;
    if (row === undefined) break;
    const pause = fileContext.slices(row.next - end + rowSteps);
    if (pause) await pause;
    end = row.next;
  }
  if (end === 0)
    throw fail(
      "unprocessable",
      `the first row does not end within ${text.length} bytes: is this a CSV file?`,
    );
  return { source: sourceOf(end), layout };
}

async function describeFile(
  session: Session,
  { format, source, layout, bytes, whole }: Look,
  fileContext: FileContext,
  rows: number,
): Promise<Answer> {
  const stored = await formats[format].store(source, fileContext);
  // The last reader is the exact one, which knows lines.
  const table = await stored.tables.at(-1)?.(session);
  if (table === undefined) throw new Error(`${format} has no exact way of reading`);
  await rejectMisfits(session, table);
  const inferred = await inferFromAll(session, table);
  const types = inferred.map(finalType);
  const plan = planOf(table, undefined, inferred);
  const whyOf = await reasonsOf(session, table, types);
  const columns = table.columns.map((column, index) => {
    const type = types[index] ?? "VARCHAR";
    const form = formOf(type);
    return {
      name: column.name,
      type: sqlType(type),
      ...(form === "shortest" && { form }),
      why: whyOf(column, type),
    };
  });
  const list = table.columns.map(({ cell }, index) => `CAST(${cell} AS VARCHAR) AS v${index}`).join(", ");
  const found = await session.run(`SELECT ${list} FROM ${table.relation} LIMIT ${rows}`);
  return {
    format,
    ...(layout && {
      dialect: {
        delimiter: layout.dialect.delimiter,
        quote: layout.dialect.quote,
        header: fileContext.reading.header !== false,
        ...(layout.dialect.escape && { escape: layout.dialect.escape }),
        ...(layout.dialect.comment && { comment: layout.dialect.comment }),
        ...(layout.skip > 0 && { skip: layout.skip }),
        ...(layout.sepLine !== undefined && { sep_line: layout.sepLine }),
      },
    }),
    columns,
    rows: found.map((row) => Object.values(row).map((value) => (value === null ? null : String(value)))),
    rows_seen: table.rowsIn,
    bytes_seen: bytes,
    whole_file: whole,
    bad_rows: table.rejects.count(),
    problems: await problemsOf(session, table),
    warnings: [
      ...table.warnings,
      ...(await textWarnings(session, { table, plan, loaded: { pieces: [] }, isNew: true })),
    ],
  };
}

/**
 * Why each column has its type. For those that stay text their values are looked at: of all of them in a few statements,
 * since a file may have thousands.
 */
async function reasonsOf(
  session: Session,
  { columns, positions, relation }: Table,
  types: readonly string[],
): Promise<(column: Column, type: string) => string> {
  const isRead = ({ forced, among }: Column, index: number) =>
    !forced && among.length > 0 && (types[index] ?? "VARCHAR") === "VARCHAR";
  const read = positions === undefined ? [] : columns.filter(isRead);
  const texts = new Map<string, Seen[]>(read.map(({ cell }) => [cell, []]));
  const line = `${positions?.line} AS line`;
  for (const among of new Set(read.map((column) => column.among))) {
    const alike = read.filter((column) => column.among === among);
    const cells = alike.map(({ cell }) => cell);
    const values = `(SELECT ${line}, ${cells.join(", ")} FROM ${relation}) UNPIVOT (text FOR name IN (${cells.join(", ")}))`;
    // The one value that is of no such type may come late.
    const promising = among
      .filter((narrow) => !narrow.startsWith("DECIMAL"))
      .map((narrow) => holds("text", narrow, alike[0]?.notation))
      .join(" OR ");
    const firsts = await session.run(
      `SELECT name, min(line) FILTER (NOT (${promising})) AS line, arg_min(text, line) FILTER (NOT (${promising})) AS text,
        min(line) AS any_line, arg_min(text, line) AS any_text FROM ${values} GROUP BY name`,
    );
    for (const { name, line, text, any_line, any_text } of firsts)
      for (const seen of [
        { line, text },
        { line: any_line, text: any_text },
      ])
        if (seen.text !== null) texts.get(String(name))?.push(seenOf(seen));
    const rows = await session.run(
      `SELECT ${line}, ${cells.join(", ")} FROM ${relation} LIMIT ${Math.ceil(reasonValues / cells.length)}`,
    );
    for (const [index, { cell }] of alike.entries())
      for (const row of rows) {
        const text = Object.values(row)[index + 1];
        if (text !== null) texts.get(cell)?.push(seenOf({ line: row.line, text }));
      }
  }
  return ({ cell, forced, among, notation }, type) => {
    if (positions === undefined) return "as in the file";
    if (forced) return "asked for by types";
    if (among.length === 0) return "by the kind of its JSON values";
    if (type !== "VARCHAR") return whyTyped(notation, type);
    const seen = texts.get(cell) ?? [];
    return seen.length === 0 ? "no values: text until there are some" : whyText(seen);
  };
}

const whyTyped = (notation: Notation | undefined, type: string): string => {
  if (notation?.mode === "values") return "every value is one by infer=values";
  return `every value reads back to the same ${type.startsWith("TIMESTAMP WITH") ? "instant" : "text"}`;
};

const seenOf = ({ line, text }: Record<string, unknown>): Seen => ({
  line: Number(line),
  text: String(text),
});

async function problemsOf(session: Session, { rejects }: Table): Promise<Answer["problems"]> {
  const relation = await rejects.relation();
  if (relation === undefined) return [];
  const rows = await session.run(`FROM ${relation} LIMIT ${problemsMax}`);
  return rows.map((row) => {
    const text = (index: number) => row[rejectCell(index)];
    const column = text(2);
    return {
      line: Number(text(0)),
      byte: Number(text(1)),
      column: column === null || column === undefined ? null : String(column),
      reason: String(text(3)),
      text: String(text(4)).slice(0, 500),
    };
  });
}
