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
import { formOf, sqlType } from "../inference/inference.ts";
import { createDeadline, type Deadline, type IngestParts } from "../jobs/jobs.ts";
import { planOf, rejectMisfits } from "../loading/loading.ts";
import { asUtf8, type FormatName, formatOf, openUploads, peek, type Upload } from "../receiving/receiving.ts";
import { checkMeaning, formats, headBytes, type SourceFiles, storeFiles } from "../sources/sources.ts";
import {
  createScratch,
  type FileContext,
  cell as rejectCell,
  type Source,
  type Stored,
  type Table,
} from "../tables/tables.ts";
import { finalType, inferFromAll, textWarnings } from "../typing/typing.ts";
import { fetchedFile } from "./bodies.ts";
import { readingOf } from "./parameters.ts";
import { reasonsOf } from "./reasons.ts";

type PreviewInput = InputOf<(typeof ingestd.endpoints)["preview"]>;
type Answer = Static<typeof Previewed>;

/** How much of a text file is looked at, in bytes: enough for sound types, little enough to be quick. */
const lookBytes = 16 * 1024 * 1024;
const rowsDefault = 20;
/** Bad rows that are shown. */
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
  format: string;
  stored: Stored;
  layout?: Layout;
  bytes: number;
  whole: boolean;
  /** Of what was read as a whole. */
  files?: Pick<SourceFiles, "files" | "found" | "warnings">;
}

/** A text's beginning, up to where a row ends; all of what has its description elsewhere, and of several files. */
async function beginning(
  input: PreviewInput,
  request: HttpRequest,
  {
    deps,
    extraction,
    fileContext,
    deadline,
  }: Pick<IngestParts, "deps" | "extraction"> & { fileContext: FileContext; deadline: Deadline },
): Promise<Look> {
  const { config, clock, peers } = deps;
  const { max_ingest_bytes: bytesMax, idle_timeout_ms: idleTimeoutMs } = config.ingestd;
  const { signal } = fileContext;
  let bytes = 0;
  const fetched = await fetchedFile(input.url, request, { config, clock, peers, signal });
  const uploads = openUploads(fetched?.request ?? request, {
    ...{ bytesMax, idleTimeoutMs, signal, clock, deadline },
    ...(fetched?.filename !== undefined && { filename: fetched.filename }),
    onBytes: (more) => {
      bytes += more;
    },
  });
  const place = { asked: input, context: fileContext, extraction, bytesMax, deadline };
  const all = async (files: AsyncIterable<Upload>): Promise<Look> => {
    const { stored, format, ...more } = await storeFiles(files, place);
    return { stored, format, bytes, whole: true, files: more };
  };
  const { value: first } = await uploads.next();
  if (!first) throw fail("bad_request", "the request has no file");
  const { head, whole, all: chunks } = await peek(first.chunks, lookBytes);
  const { filename, mediaType } = first;
  const hints = { head, asked: input.format, filename, mediaType, hasPath: input.path !== undefined };
  const upload = { ...first, chunks };
  // Of a form nothing says how many files it has: behind a long one none is looked for.
  const { value: second } = whole && first.isPart ? await uploads.next() : { value: undefined };
  const format = second ? undefined : formatOf(hints);
  if (format !== "csv" && format !== "ndjson")
    return all(behind(second ? [upload, second] : [upload], uploads));
  checkMeaning(format, input);
  await chunks.return(undefined);
  await uploads.return(undefined);
  const { source, layout } = await wholeRows(head, whole, format, fileContext);
  const stored = await formats[format].store(source, fileContext);
  return { format, stored, ...(layout && { layout }), bytes: head.length, whole };
}

async function* behind(first: readonly Upload[], rest: AsyncIterable<Upload>): AsyncGenerator<Upload> {
  yield* first;
  yield* rest;
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
  { format, stored, layout, bytes, whole, files }: Look,
  fileContext: FileContext,
  rows: number,
): Promise<Answer> {
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
    ...(files && files.files.length > 1 && { files: files.files }),
    ...(files && files.found.length > 0 && { tables: files.found }),
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
      ...(files?.warnings ?? []),
      ...table.warnings,
      ...(await textWarnings(session, { table, plan, loaded: { pieces: [] }, isNew: true })),
    ],
  };
}

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
