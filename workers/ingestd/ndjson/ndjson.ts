/** NDJSON: one object a line. All lines are read for the shape of each column before any is written for DuckDB. */
import { fail } from "../../../runtime/errors/errors.ts";
import { inOneGo, inSlices } from "../../../runtime/scheduling/scheduling.ts";
import { columnProblem, fold, parseSqlType, type SqlType, sqlOf } from "../../../runtime/sql/sql.ts";
import { sqlType } from "../inference/inference.ts";
import { asUtf8, firstInvalidByte } from "../receiving/receiving.ts";
import {
  checkTypes,
  createPartWriter,
  createRejects,
  type FileContext,
  type Format,
  type Lines,
  nameColumns,
  openPositionedText,
  type PositionedText,
  type Rejects,
  type Source,
  type Stored,
  type Table,
} from "../tables/tables.ts";
import { columnOf, type Planned, plan, warningOf } from "./columns.ts";
import { fits, valueFits } from "./fit.ts";
import { JsonError, type JsonValue, plainText, readJson } from "./json-value.ts";
import { lineAt, lineBatches } from "./lines.ts";
import { adding, emptyShape, type JsonShape } from "./shape.ts";

export { JsonError, type JsonValue, parseJson, plainText } from "./json-value.ts";

export const ndjson: Format = {
  store: async (source, context) => {
    const lines = await storeLines(source, context);
    return { lines, tables: [() => tableOf(lines, context)] };
  },
};

async function storeLines(source: Source, context: FileContext): Promise<Lines> {
  const { head, chunks, markBytes } = await asUtf8(source, context.reading.encoding);
  if (context.known === undefined) refuseDocuments(head);
  const writer = createPartWriter(context, "lines");
  let last = lineFeed;
  for await (const chunk of chunks) {
    context.signal.throwIfAborted();
    // Read by us alone: one file.
    await writer.write(chunk);
    last = chunk.at(-1) ?? last;
  }
  // So that the lines of another file may follow.
  if (last !== lineFeed) await writer.write(Uint8Array.of(lineFeed));
  return { parts: await writer.end(), byteBase: markBytes };
}

const lineFeed = 10;

/** The lines of several files as one table. `context` knows their columns, and which byte is of which file. */
export function joinLines(files: readonly { file: string; lines: Lines }[], context: FileContext): Stored {
  const origins: NonNullable<Lines["origins"]>[number][] = [];
  let from = 0;
  for (const { file, lines } of files) {
    origins.push({ file, from });
    from += lines.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  const lines = { parts: files.flatMap((each) => each.lines.parts), byteBase: 0, origins };
  const fileOf = (byte: number) => origins.findLast((origin) => origin.from <= byte)?.file;
  return { lines, tables: [() => tableOf(lines, { ...context, fileOf })] };
}

/** One JSON document over many lines is what people send instead. */
function refuseDocuments(head: Buffer): void {
  const start = head.toString("utf8", 0, 4096).trimStart();
  const expected = (found: string) =>
    fail(
      "unprocessable",
      `expected one object a line, found ${found}: send format=json for one JSON document, with path= where its rows are`,
    );
  if (start.startsWith("[")) throw expected("a JSON array");
  if (/^\{\s*[\r\n]/.test(start)) throw expected("JSON over several lines");
  if (start === "") throw fail("unprocessable", "the file is empty: expected one object a line");
}

/**
 * The lines as a table. The first reading writes them by the columns of the first lines; when later lines showed
 * more, they are written once more by what all lines showed.
 */
async function tableOf(lines: Lines, context: FileContext): Promise<Table> {
  const began = shapeOf(context);
  context.phase("reading lines of JSON");
  await eachLine(lines, context, undefined, ({ value }) => adding(began, value), planLines);
  const planned = plan(began, context);
  const first = await write(lines, context, { shape: began, columns: planned, stem: "first" });
  const strict = await strictTypes(began, context);
  const shape = strict.size === 0 ? began : shapeOf(context);
  function* shapeOnly({ value }: Line) {
    if (misfitOf(value, strict) === undefined) yield* adding(shape, value);
  }
  if (strict.size > 0) await eachLine(lines, context, undefined, shapeOnly);
  const final = plan(shape, context);
  const settled =
    strict.size === 0 &&
    JSON.stringify(final.map(({ key, as }) => [key, as])) ===
      JSON.stringify(planned.map(({ key, as }) => [key, as]));
  const written = settled
    ? first
    : await write(lines, context, { shape, columns: final, stem: "final", strict });
  // Bad lines say more than that there is no good one.
  if (final.length === 0) await written.rejects.relation();
  if (final.length === 0)
    throw fail("unprocessable", "no line holds a key: there are no columns to register");
  const { names, warnings } = nameColumns(final.map(({ key }) => key));
  checkTypes(names, context.reading);
  const wrong = columnProblem(final.map(({ type }, index) => ({ name: names[index] ?? "", type })));
  if (wrong) throw fail("unprocessable", wrong.problem, { details: { field: wrong.field } });
  const { good, rejects, rowsIn, blankLines } = written;
  const table = await good.end((byte) => lineAt(lines.parts, byte - lines.byteBase));
  return {
    ...table,
    columns: final.map((column, index) =>
      columnOf(column, names[index] ?? column.key, good.cell(index), context),
    ),
    rowsIn,
    rejects,
    mayLack: true,
    warnings: [
      ...warnings,
      ...final.flatMap(warningOf),
      ...(blankLines > 0 && context.known === undefined ? [`${blankLines} blank lines were skipped`] : []),
    ],
  };
}

/** With the columns that are known before any line is read, in their order. */
function shapeOf({ known = [] }: FileContext): JsonShape {
  const shape = emptyShape();
  for (const { name } of known) shape.fields.set(name, emptyShape());
  return shape;
}

/** Columns with values that the registered type does not hold, where such lines may be rejected: by key. */
async function strictTypes(
  { fields }: JsonShape,
  { rejectRules, registered, reading, known = [] }: FileContext,
): Promise<Map<string, SqlType>> {
  const strict = new Map<string, SqlType>();
  if (!rejectRules.allowed) return strict;
  for (const { name, type } of (await registered?.())?.columns ?? []) {
    if (known.some((column) => column.name === name && column.type !== undefined)) continue;
    const shape = fields.get(name);
    const wanted = parseSqlType(sqlType(type));
    if (shape && !reading.types.has(fold(name)) && !fits(shape, wanted)) strict.set(name, wanted);
  }
  return strict;
}

/** The column whose registered type does not hold the line's value. */
function misfitOf({ fields }: JsonValue, strict: ReadonlyMap<string, SqlType>): string | undefined {
  for (const [key, type] of strict) {
    const value = fields?.get(key);
    if (value && !valueFits(value, type)) return key;
  }
  return undefined;
}

/** Lines that the first plan is made from. */
const planLines = 1000;

interface Written {
  good: PositionedText;
  rejects: Rejects;
  rowsIn: number;
  blankLines: number;
}

async function write(
  lines: Lines,
  context: FileContext,
  to: { shape: JsonShape; columns: Planned[]; stem: string; strict?: ReadonlyMap<string, SqlType> },
): Promise<Written> {
  const { shape, columns, stem, strict = new Map() } = to;
  const good = openPositionedText(context, stem, Math.max(1, columns.length));
  const rejects = createRejects(context, `${stem}-rejects`, context.rejectRules);
  const counts = await eachLine(lines, context, { rejects, good }, function* ({ value, line, byte }) {
    const column = misfitOf(value, strict);
    if (column !== undefined) {
      const reason = `not a value of the registered type ${sqlOf(strict.get(column))}`;
      return rejects.add({ line, byte, column, reason, text: value.text });
    }
    // Of a line of millions of keys nothing more need be known.
    if ((value.fields?.size ?? 0) <= context.columnsMax) yield* adding(shape, value);
    if ((value.fields?.size ?? 0) > context.columnsMax || shape.fields.size > context.columnsMax) {
      throw fail(
        "unprocessable",
        `by line ${line} the objects have over ${context.columnsMax} keys, the most that are taken`,
      );
    }
    good.add(
      line,
      byte,
      columns.map(({ key, as }) => cellText(value.fields?.get(key), as)),
    );
    return undefined;
  });
  return { good, rejects, ...counts };
}

function cellText(value: JsonValue | undefined, as: "plain" | "json"): string | null {
  if (value === undefined || value.kind === "null") return null;
  return as === "plain" && value.kind === "string" ? plainText(value.text) : value.text;
}

interface Line {
  value: JsonValue;
  line: number;
  byte: number;
}

/** Steps that a line takes beside those for its bytes, as `Slices` counts them. */
const lineSteps = 100;
/** Lines up to this length are read in one go. */
const shortBytes = 64 * 1024;

/** Calls for each good line, at most so many; bad ones go to the rejects. */
async function eachLine(
  { parts, byteBase, origins = [] }: Lines,
  context: FileContext,
  sinks: { rejects: Rejects; good: PositionedText } | undefined,
  take: (line: Line) => Generator<number, unknown>,
  most = Number.POSITIVE_INFINITY,
): Promise<{ rowsIn: number; blankLines: number }> {
  let number = 0;
  let blankLines = 0;
  /** Lines of the files before the one that is read. */
  let before = 0;
  let next = 1;
  for await (const { lines, offsets } of lineBatches(parts, context)) {
    for (const [index, bytes] of lines.entries()) {
      // A long line counts its steps itself.
      const isLong = bytes.length > shortBytes;
      const rest = context.slices(isLong ? lineSteps : bytes.length + lineSteps);
      if (rest) await rest;
      const finish = <T>(work: Generator<number, T>) =>
        isLong ? inSlices(work, context.slices) : inOneGo(work);
      if (number >= most) return { rowsIn: number - blankLines, blankLines };
      const byte = byteBase + (offsets[index] ?? 0);
      for (let origin = origins[next]; origin && origin.from <= byte; origin = origins[next]) {
        before = number;
        next += 1;
      }
      number += 1;
      const line = number - before;
      const reading = finish(parseLine(bytes));
      const parsed = reading instanceof Promise ? await reading : reading;
      if (parsed === undefined) blankLines += 1;
      else if (typeof parsed !== "string") {
        const taken = finish(take({ value: parsed, line, byte }));
        if (taken instanceof Promise) await taken;
      } else
        await sinks?.rejects.add({
          line,
          byte,
          column: null,
          reason: parsed,
          text: bytes.toString("utf8"),
        });
    }
    await sinks?.good.flush();
  }
  return { rowsIn: number - blankLines, blankLines };
}

/** The object, a reason why it is none, or undefined for a blank line. */
function* parseLine(bytes: Buffer): Generator<number, JsonValue | string | undefined> {
  const invalid = firstInvalidByte(bytes);
  if (invalid >= 0) return `not valid UTF-8 (byte ${invalid + 1} of the line)`;
  const text = bytes.toString("utf8");
  if (text.trim() === "") return undefined;
  try {
    const value = yield* readJson(text);
    return value.kind === "object"
      ? value
      : `expected an object, found ${value.kind === "int" ? "number" : value.kind}`;
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    throw error;
  }
}
