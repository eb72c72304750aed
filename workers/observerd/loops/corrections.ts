/**
 * Follows a file of JSON lines that an overseer writes: each whole line becomes one operation, once, across restarts
 * and when the file is replaced. The place in the file is in the log, in the same line as the operation.
 */

import { type FileHandle, open } from "node:fs/promises";
import type { Config } from "../../../runtime/config/config.ts";
import { check } from "../../../runtime/contract/contract.ts";
import { unlessAbsent } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { parseJson } from "../../../runtime/json/json.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { observerd } from "../contract.ts";
import {
  type EventInput,
  type FileMark,
  type MarkedEvent,
  type OperationsStore,
  operationOf,
} from "../operations/operations.ts";

/** Bytes by which a file is known again. */
const headBytesMax = 256;
/** Bytes read in one run, at most; a line may be as long as the largest operation. */
const readBytesMin = 1024 * 1024;

const { body: eventSchema } = observerd.endpoints.event;
const fields = new Set(Object.keys(eventSchema.properties));
const begin: FileMark = { offset: 0, headBytes: 0, headCrc32: 0, skipped: 0 };

/**
 * A line as an operation: its known fields, and all others as attributes. Without them, `endpoint` is
 * `overseer_correction`, `success` true and `duration_ms` 0. Throws for what is no JSON object or has a wrong field.
 */
export function correctionOf(line: string): EventInput {
  const value: unknown = parseJson(line);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("not a JSON object");
  const entries = Object.entries(value);
  const others = Object.fromEntries(entries.filter(([name]) => !fields.has(name)));
  const { attributes = {}, ...known } = Object.fromEntries(entries.filter(([name]) => fields.has(name)));
  if (typeof attributes !== "object") throw new Error("attributes is no object");
  const source = "overseer_correction";
  const event = { endpoint: source, success: true, duration_ms: 0, ...known, source };
  return check(eventSchema, { ...event, attributes: { ...others, ...attributes } }, "the line");
}

/** The loop's work: takes some whole lines from where the last run ended. */
export function overseerCorrections({
  store,
  log,
  section,
  nowMs,
}: {
  store: OperationsStore;
  log: Log;
  section: Config["observerd"];
  nowMs: () => number;
}): () => Promise<string> {
  const { overseer_corrections_path: path, overseer_corrections_max_lines: linesMax } = section;
  const bytesMax = section.max_event_bytes;

  const eventIn = (line: Buffer, mark: FileMark, at: FileMark): MarkedEvent => {
    if (line.toString().trim() === "") return { marks: { corrections: mark } };
    try {
      const event = correctionOf(line.toString());
      // What could not be recorded must not stop the lines after it.
      operationOf(event, { id: crypto.randomUUID(), nowMs: nowMs(), bytesMax });
      return { event, marks: { corrections: mark } };
    } catch (cause) {
      if (!(cause instanceof Error)) throw cause;
      const why =
        cause instanceof ServiceError || cause instanceof SyntaxError ? cause.message : String(cause);
      log.warn("an overseer's line was skipped", { offset: at.offset, why });
      return { marks: { corrections: { ...mark, skipped: mark.skipped + 1 } } };
    }
  };

  return async () => {
    if (path === "") return "no file is named (observerd.overseer_corrections_path)";
    const file = await open(path, "r").catch(unlessAbsent);
    if (!file) return "the file is not there yet";
    try {
      const { mark: from, note } = await place(file, store.state.marks().corrections ?? begin);
      const read = await readLines(file, from.offset, {
        linesMax,
        bytesMax: Math.max(readBytesMin, 2 * bytesMax),
      });
      const events: MarkedEvent[] = [];
      let at = from;
      for (const { line, end } of read) {
        const head = at.headBytes === 0 ? await headOf(file, end) : {};
        const one = eventIn(line, { ...at, ...head, offset: end }, at);
        events.push(one);
        at = one.marks.corrections ?? at;
      }
      if (events.length > 0) await store.recordMarked(events);
      else if (note !== "") await store.recordMarked([{ marks: { corrections: from } }]);
      const skipped = at.skipped - from.skipped;
      const recorded = events.filter(({ event }) => event).length;
      return `${note}${recorded} recorded, ${skipped} skipped, at byte ${at.offset}`;
    } finally {
      await file.close();
    }
  };
}

/** CRC-32 of the file's first bytes, of those that are done with. */
async function headOf(file: FileHandle, end: number): Promise<Pick<FileMark, "headBytes" | "headCrc32">> {
  const headBytes = Math.min(headBytesMax, end);
  return { headBytes, headCrc32: await crcOf(file, headBytes) };
}

async function crcOf(file: FileHandle, bytes: number): Promise<number> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
  return Bun.hash.crc32(buffer.subarray(0, bytesRead));
}

/** Where to go on: behind the mark; at the start of another file; at the end of one that was cut. */
async function place(file: FileHandle, mark: FileMark): Promise<{ mark: FileMark; note: string }> {
  if (mark.headBytes === 0) return { mark, note: "" };
  if ((await crcOf(file, mark.headBytes)) !== mark.headCrc32)
    return { mark: { ...begin, skipped: mark.skipped }, note: "another file stands there now; " };
  const { size } = await file.stat();
  if (size >= mark.offset) return { mark, note: "" };
  return { mark: { ...mark, offset: size }, note: "the file was cut; " };
}

/** Whole lines from the offset, each with where it ends. A line that is longer than what is read is one bad line. */
async function readLines(
  file: FileHandle,
  offset: number,
  { linesMax, bytesMax }: { linesMax: number; bytesMax: number },
): Promise<{ line: Buffer; end: number }[]> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, offset);
  const text = buffer.subarray(0, bytesRead);
  const lines: { line: Buffer; end: number }[] = [];
  let start = 0;
  for (let at = text.indexOf(10); at >= 0 && lines.length < linesMax; at = text.indexOf(10, start)) {
    lines.push({ line: text.subarray(start, at), end: offset + at + 1 });
    start = at + 1;
  }
  if (lines.length > 0 || bytesRead < bytesMax) return lines;
  const end = await endOfLine(file, offset + bytesRead);
  return end === undefined ? [] : [{ line: text, end }];
}

/** Behind the next line feed, or undefined when there is none yet. */
async function endOfLine(file: FileHandle, from: number): Promise<number | undefined> {
  const piece = Buffer.alloc(readBytesMin);
  for (let offset = from; ; ) {
    const { bytesRead } = await file.read(piece, 0, piece.length, offset);
    if (bytesRead === 0) return undefined;
    const at = piece.subarray(0, bytesRead).indexOf(10);
    if (at >= 0) return offset + at + 1;
    offset += bytesRead;
  }
}
