/**
 * One JSON document: the items of an array in it, or one object, as lines. It is read as a stream: what is outside the rows
 * is only followed by its brackets and strings, and each row is looked at by the reader of NDJSON.
 */
import { isUtf8 } from "node:buffer";
import { fail } from "../../../runtime/errors/errors.ts";
import { JsonScan, type Level } from "./json-scan.ts";
import type { Asked, TableReader } from "./taking.ts";
import { openRowWriter } from "./taking.ts";

const [curly, square, lineFeed, carriageReturn, space] = [123, 91, 10, 13, 32];
/** Arrays that an error names, and how deep they may be. */
const namedMax = 20;
const namedDepthMax = 3;

/** The keys of a JSON Pointer (RFC 6901): none for the document itself. Throws `invalid_field`. */
export function keysOf(pointer: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer))
    throw fail(
      "invalid_field",
      `path: expected a JSON Pointer, as /data/items, got '${pointer.slice(0, 100)}'`,
    );
  return pointer
    .slice(1)
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

const pathOf = (levels: readonly Level[]): string[] =>
  levels.map(({ bracket, key, index }) => (bracket === square ? String(index) : key));
const pointerOf = (levels: readonly Level[]): string =>
  pathOf(levels)
    .map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");

export const readJsonDocument: TableReader = async (asked) => {
  const writer = openRowWriter(asked.into, asked.bytesMax);
  const cutter = openCutter(keysOf(asked.pointer ?? ""), asked, writer.line);
  let isFirst = true;
  for await (const chunk of Bun.file(asked.path).stream()) {
    const hasMark = isFirst && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf;
    isFirst = false;
    cutter.push(hasMark ? chunk.subarray(3) : chunk);
    await writer.flush();
  }
  cutter.finish();
  await writer.end();
  return { columns: [], found: [], warnings: [] };
};

type Found = "array" | "object" | "value";

/** Cuts the rows out of a document. */
function openCutter(keys: readonly string[], { pointer, rowBytesMax }: Asked, line: (text: string) => void) {
  /** Arrays of objects that are not the rows. */
  const arrays: string[] = [];
  let found: Found | undefined;
  /** How many brackets are open where rows begin; -1 where there are none. */
  let rowDepth = -1;
  let piece: Uint8Array = new Uint8Array();
  /** Of the row that is being read: pieces that are over, and where it begins in the present one. */
  let pieces: Uint8Array[] | undefined;
  let from = 0;
  let bytes = 0;
  let rows = 0;
  const start = (at: number) => {
    pieces = [];
    from = at;
    bytes = 0;
  };
  const scan = new JsonScan({
    begin: (at, byte, levels) => {
      const isTarget = found === undefined && levels.length === keys.length && isAt(levels, keys);
      if (isTarget) {
        found = byte === square ? "array" : byte === curly ? "object" : "value";
        rowDepth = found === "array" ? levels.length + 1 : levels.length;
        if (found === "object") start(at);
      } else if (levels.length === rowDepth && found === "array" && pieces === undefined) start(at);
      const isInRows = found === "array" && rowDepth >= 0 && levels.length >= rowDepth;
      if (byte === curly && !isInRows && arrays.length < namedMax && isFirstItem(levels))
        arrays.push(pointerOf(levels.slice(0, -1)));
    },
    end: (at, levels) => {
      if (pieces && levels.length === rowDepth) {
        rows += 1;
        line(rowText(Buffer.concat([...pieces, piece.subarray(from, at)]), rows));
        pieces = undefined;
      }
      // What comes behind the array is of another one.
      if (levels.length < rowDepth) rowDepth = -1;
    },
  });
  return {
    push: (next: Uint8Array) => {
      piece = next;
      from = 0;
      scan.push(next);
      if (!pieces) return;
      pieces.push(next.slice(from));
      bytes += next.length - from;
      if (bytes > rowBytesMax) throw tooLong(rowBytesMax);
    },
    finish: () => {
      scan.finish();
      checkFound({ found, pointer, arrays, rows });
    },
  };
}

const isAt = (levels: readonly Level[], keys: readonly string[]): boolean =>
  pathOf(levels).every((key, index) => key === keys[index]);

/** Of an array that is not too deep to be named. */
function isFirstItem(levels: readonly Level[]): boolean {
  const top = levels.at(-1);
  return top?.bracket === square && top.index === 0 && levels.length <= namedDepthMax + 1;
}

const tooLong = (bytesMax: number) =>
  fail("unprocessable", `a row is longer than ${bytesMax} bytes, which ingestd.max_row_bytes sets`);

/** Line ends between values are space; within strings there are none. */
function rowText(row: Buffer, number: number): string {
  if (!isUtf8(row)) throw fail("unprocessable", `row ${number} is not valid UTF-8, which JSON is written in`);
  for (let index = 0; index < row.length; index++)
    if (row[index] === lineFeed || row[index] === carriageReturn) row[index] = space;
  return row.toString("utf8");
}

/** Throws for a document that has no rows where they were to be. */
function checkFound({
  found,
  pointer,
  arrays,
  rows,
}: {
  found: Found | undefined;
  pointer: string | undefined;
  arrays: readonly string[];
  rows: number;
}): void {
  const where = pointer === undefined || pointer === "" ? "" : ` at ${pointer}`;
  const hint = arrays.length > 0 ? `; there are arrays of objects at ${arrays.join(", ")}` : "";
  const refuse = (what: string): never => {
    throw fail("unprocessable", what);
  };
  if (found === undefined) refuse(`path: the document has nothing at '${pointer}'${hint}`);
  if (found === "value")
    refuse(`expected an array of objects or an object${where}, found a single value${hint}`);
  if (found === "object" && pointer === undefined && arrays.length > 0)
    refuse(
      `the document is one object${hint}: send path=${arrays[0]} for its items as rows, or path= with nothing for the object as one row`,
    );
  if (rows === 0) refuse(`the array${where} is empty: without rows there are no columns`);
}
