/** The files of a request, stored to be read as one table. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { csv } from "../csv/csv.ts";
import type { Extraction, Taken, Taking } from "../extraction/extraction.ts";
import { joinLines, ndjson } from "../ndjson/ndjson.ts";
import { parquet } from "../parquet/parquet.ts";
import {
  type FormatName,
  formatOf,
  openFile,
  peek,
  type Upload,
  type UploadRules,
} from "../receiving/receiving.ts";
import {
  type FileContext,
  type Format,
  type KnownColumn,
  refusedFiles,
  type Stored,
  uniteFiles,
} from "../tables/tables.ts";
import { type Asked, checkMeaning } from "./meaning.ts";

export const formats: Record<FormatName, Format> = { csv, ndjson, parquet };
/** Bytes looked at to find format and dialect; a header row must end within them. */
export const headBytes = 1024 * 1024;

/** Files of one request, those of archives among them. */
const filesMax = 1000;
/** Lines of JSON, of which keys are most, beside the bytes of the files that they are of. */
const linesShare = 8;

export interface Place {
  asked: Asked;
  context: FileContext;
  extraction: Pick<Extraction, "take" | "unpack">;
  bytesMax: number;
  deadline: UploadRules["deadline"];
}

export interface SourceFiles {
  stored: Stored;
  /** Of the only file. */
  filename: string | undefined;
  files: string[];
  format: string;
  found: Taken["found"];
  warnings: string[];
}

interface One {
  file: string;
  /** False where `file` is its place among others, as a body has no name. */
  isNamed: boolean;
  format: string;
  stored: Stored;
  known?: readonly KnownColumn[];
  found: Taken["found"];
  warnings: string[];
}

/** Stores all of them. Throws what is wrong with the request, or one error that names every file at fault. */
export async function storeFiles(uploads: AsyncIterable<Upload>, place: Place): Promise<SourceFiles> {
  const all: One[] = [];
  const failures: { file: string; cause: unknown }[] = [];
  let count = 0;
  const isSeveral = () => count > 1;
  const takeAll = async (files: AsyncIterable<Upload>, archive?: string) => {
    for await (const upload of files) {
      const called = upload.filename ?? `file ${count + 1}`;
      const file = archive === undefined ? called : `${archive}: ${called}`;
      if (count >= filesMax)
        throw fail("too_large", `more than ${filesMax} files, which one request may bring`);
      count += 1;
      const own = await ownPlace(place, { at: count - 1, file, isSeveral, archive });
      try {
        const stored = await storeOne(upload, file, own, archive !== undefined);
        if ("stored" in stored) all.push({ ...stored, file, isNamed: upload.filename !== undefined });
        else {
          count -= 1;
          await takeAll(stored.files, file);
        }
      } catch (cause) {
        if (!isOfFile(cause, place.context.signal)) throw cause;
        failures.push({ file, cause });
      }
    }
  };
  await takeAll(uploads);
  if (failures.length > 0) throw refusedFiles(failures, Math.max(count, failures.length));
  return united(all, place);
}

const isOfFile = (cause: unknown, signal: AbortSignal): boolean => {
  const own = ["unprocessable", "unsupported_media_type", "invalid_field"];
  return !signal.aborted && cause instanceof ServiceError && own.includes(cause.type);
};

/** The first file may be the only one: it is written while it is received. Others have a folder each. */
async function ownPlace(
  place: Place,
  {
    at,
    file,
    isSeveral,
    archive,
  }: { at: number; file: string; isSeveral: () => boolean; archive: string | undefined },
): Promise<Place> {
  const { context, asked } = place;
  const fileOf = () => (isSeveral() ? file : undefined);
  const reading = asked.union_by_name ? { ...context.reading, isOfSeveral: true as const } : context.reading;
  if (at === 0 && archive === undefined) return { ...place, context: { ...context, fileOf, reading } };
  const { onRun: _, ...rest } = context;
  const directory = join(context.directory, `file-${at}`);
  await mkdir(directory, { recursive: true });
  return { ...place, context: { ...rest, directory, fileOf, reading } };
}

type Opened = Omit<One, "file" | "isNamed"> | { files: AsyncIterable<Upload> };

async function storeOne(upload: Upload, file: string, place: Place, isInArchive: boolean): Promise<Opened> {
  const { asked, context } = place;
  const { head, whole, all } = await peek(upload.chunks, headBytes);
  try {
    const { filename, mediaType } = upload;
    const kind = formatOf({
      head,
      asked: asked.format,
      filename,
      mediaType,
      hasPath: asked.path !== undefined,
    });
    if (kind === "csv" || kind === "ndjson" || kind === "parquet") {
      checkMeaning(kind, asked);
      const stored = await formats[kind].store({ head, whole, chunks: all }, context);
      return { stored, format: kind, found: [], warnings: [] };
    }
    const path = join(context.directory, "source");
    await keep(all, path);
    const files =
      kind === "zip" || kind === "tar" ? await unpacked(path, file, place, isInArchive) : undefined;
    if (files) return { files };
    return await taken(kind === "zip" ? "workbook" : (kind as TakenKind), path, place);
  } catch (cause) {
    // The next part of a form comes when this one has been read.
    if (upload.isPart && isOfFile(cause, context.signal)) for await (const _ of all);
    throw cause;
  } finally {
    await all.return(undefined);
  }
}

async function keep(chunks: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const sink = Bun.file(path).writer();
  for await (const chunk of chunks) {
    sink.write(chunk);
    await sink.flush();
  }
  await sink.end();
}

/** The files of an archive; undefined for what is none. */
async function unpacked(
  path: string,
  name: string,
  { context, extraction, bytesMax, deadline }: Place,
  isInArchive: boolean,
): Promise<AsyncIterable<Upload> | undefined> {
  const folder = join(context.directory, "archive");
  await mkdir(folder, { recursive: true });
  const found = await extraction.unpack(
    { path, name: `${name}.tar`, mediaType: "" },
    { folder, filesMax, bytesMax, fileBytesMax: bytesMax },
    context.signal,
  );
  if (found === null) return undefined;
  if (isInArchive) throw fail("unprocessable", "an archive in an archive: expected files; unpack it first");
  if (found.files.length === 0) throw fail("unprocessable", "the archive has no files in it");
  return (async function* () {
    for (const { name: entry, path: own, error } of found.files) {
      const filename = entry.toWellFormed();
      if (own === undefined)
        yield { filename, mediaType: "", chunks: failing(error?.message ?? "cannot be read") };
      else yield await openFile(own, filename, { bytesMax, deadline });
    }
  })();
}

// biome-ignore lint/correctness/useYield: it fails before its first piece.
async function* failing(message: string): AsyncGenerator<Uint8Array> {
  throw fail("unprocessable", message);
}

type TakenKind = Taking["kind"];

/** The rows of a file that is read in a child process, as lines. */
async function taken(kind: TakenKind, path: string, place: Place): Promise<Opened> {
  const { asked, context, extraction, bytesMax, deadline } = place;
  checkMeaning(kind, asked);
  const into = join(context.directory, "rows");
  const { reading, columnsMax, rowBytesMax, signal } = context;
  context.phase("taking the rows out of the file");
  const { columns, found, warnings, format } = await extraction.take(
    {
      ...{ kind, path, into, columnsMax, rowBytesMax, bytesMax: bytesMax * linesShare },
      ...{ nulls: [...reading.nulls], skip: reading.skip ?? 0 },
      ...(asked.path !== undefined && { pointer: asked.path }),
      ...(asked.table !== undefined && { table: asked.table }),
      ...(asked.sheet !== undefined && { sheet: asked.sheet }),
      ...(asked.range !== undefined && { range: asked.range }),
      ...(asked.header !== undefined && { header: asked.header }),
    },
    signal,
  );
  const file = Bun.file(into);
  deadline.more(file.size);
  const { encoding: _, ...plain } = reading;
  const known = columns.length > 0 ? (columns as readonly KnownColumn[]) : undefined;
  const head = Buffer.from(await file.slice(0, headBytes).arrayBuffer());
  const source = { head, whole: file.size <= headBytes, chunks: file.stream() as AsyncIterable<Uint8Array> };
  const stored = await ndjson.store(source, { ...context, reading: plain, known: known ?? [] });
  return { stored, format, found, warnings, ...(known && { known }) };
}

/** Several files as one: lines behind each other, tables by their columns. */
function united(all: readonly One[], { asked, context }: Place): SourceFiles {
  const [first] = all;
  if (!first) throw fail("bad_request", "the request has no file");
  const names = all.map(({ file }) => file);
  const facts = {
    files: names,
    format: [...new Set(all.map(({ format }) => format))].join(", "),
    found: all.flatMap(({ file, found }) =>
      all.length === 1 ? found : found.map((each) => ({ ...each, name: `${file}: ${each.name}` })),
    ),
    warnings: all.flatMap(({ file, warnings }) =>
      all.length === 1 ? warnings : warnings.map((each) => `${file}: ${each}`),
    ),
  };
  if (all.length === 1)
    return { ...facts, stored: first.stored, filename: first.isNamed ? first.file : undefined };
  const byName = asked.union_by_name === true;
  const areLines = new Set(all.map(({ stored }) => stored.lines !== undefined));
  if (areLines.size > 1)
    throw fail(
      "unprocessable",
      `the files are of kinds that do not go together: ${all
        .slice(0, 10)
        .map(({ file, format }) => `${file} is ${format}`)
        .join(", ")}; send them in requests of their own; nothing was registered`,
    );
  if (!areLines.has(true))
    return { ...facts, filename: undefined, stored: uniteFiles(all, { byName, reading: context.reading }) };
  const lines = all.flatMap(({ file, stored }) => (stored.lines ? [{ file, lines: stored.lines }] : []));
  const known = knownTogether(all, byName);
  const stored = joinLines(lines, { ...context, ...(known && { known }) });
  return { ...facts, filename: undefined, stored };
}

/** Columns of all; a type where all say the same. Throws where files differ and may not. */
function knownTogether(all: readonly One[], byName: boolean): readonly KnownColumn[] | undefined {
  if (all.every(({ known }) => known === undefined)) return undefined;
  const [first] = all;
  const columns = new Map<string, KnownColumn>();
  for (const { file, known = [] } of all) {
    const own = new Set(known.map(({ name }) => name));
    const lacks = (first?.known ?? []).filter(({ name }) => !own.has(name)).map(({ name }) => name);
    const has = known
      .filter(({ name }) => !first?.known?.some((each) => each.name === name))
      .map(({ name }) => name);
    if (!byName && lacks.length + has.length > 0)
      throw fail(
        "unprocessable",
        `the files have different columns: ${file} ${lacks.length > 0 ? `lacks '${lacks[0]}'` : `has '${has[0]}'`}, beside ${first?.file}; send union_by_name=true, by which what a file lacks is NULL; nothing was registered`,
      );
    for (const column of known) {
      const before = columns.get(column.name);
      const isSame = before === undefined || before.type === column.type;
      columns.set(column.name, isSame ? column : { name: column.name });
    }
  }
  return [...columns.values()];
}
