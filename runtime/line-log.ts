/**
 * An append-only log of JSON lines, one record a line with a CRC-32 of its text: `{"crc32":"1a2b3c4d","record":{…}}`.
 * The first record says what the log is. Appends that come together share one fsync (group commit, as in PostgreSQL's
 * WAL). A line cut short at the end is dropped and told; a damaged line elsewhere is skipped, told and kept aside.
 */
import { open, stat, truncate } from "node:fs/promises";
import { basename } from "node:path";
import { isWholeLine, type LineFault, lineOf, linesOf, readLine } from "./checked-lines.ts";
import { fail } from "./errors.ts";
import { errorCode, syncFile, writeAtomic } from "./files.ts";
import { openLogTail } from "./log-tail.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { createTurns } from "./turns.ts";

/** A line that could not be read. */
export interface DamagedLine {
  /** From 1, the head included. */
  line: number;
  /** Where it begins in the file. */
  offset: number;
  bytes: number;
  reason: LineFault;
}

/** What opening a log found. */
export interface LogReport {
  records: number;
  bytes: number;
  /** Damaged lines, the first 100 of them. */
  damaged: DamagedLine[];
  damagedCount: number;
  /** A last line that was never finished: it was not acknowledged, and was cut off. */
  torn?: { offset: number; bytes: number };
}

export interface LineLog<T> {
  report: LogReport;
  /**
   * Resolves when the record is on stable storage. Records are kept in the order of the calls. Rejects with
   * `memory_full` when there is no memory for it, unless it is taken `always`: what frees memory must be.
   */
  append: (record: T, options?: { always?: boolean }) => Promise<void>;
  /** Size of the file, in bytes. */
  bytes: () => number;
  /** Runs the work while nothing is written: these bytes of the file are all that was acknowledged, and no more. */
  atRest: <R>(work: (bytes: number) => Promise<R>) => Promise<R>;
  /** Replaces all records, atomically; what is appended meanwhile comes after them. Damaged lines go to `<path>.damaged`. */
  rewrite: (records: Iterable<T>) => Promise<void>;
  /** Waits for what is being appended. */
  close: () => Promise<void>;
}

export interface LineLogOptions<T> {
  path: string;
  /** What the log holds, as in `lakehouse.pathway`, and the newest version this code reads. */
  format: string;
  version: number;
  /** Called for each record in the order of the file; a record it throws at counts as damaged. */
  replay: (record: T) => void;
  /** Set where all records are held in memory: of which budget, and how much a byte of the file takes. */
  memory?: { budget: MemoryBudget; perByte: number };
}

const reportedMax = 100;
/** Pieces in which a log is written anew, in characters. */
const pieceBytes = 1024 * 1024;
/**
 * Opens the log, makes it when there is none, and replays it. Throws `corrupt` for another format or a newer version,
 * `memory_full` before anything is read of a log that does not fit.
 */
export async function openLineLog<T>(options: LineLogOptions<T>): Promise<LineLog<T>> {
  const { path, format, version, memory } = options;
  const room = memory?.budget.take(
    (await sizeOf(path)) * memory.perByte,
    `${basename(path)} stays closed: to be read it`,
  );
  const { report, aside } = await load(options);
  if (report.torn) {
    await truncate(path, report.torn.offset);
    await syncFile(path);
  }
  const first = lineOf({ format, version });
  if (report.bytes === 0) await writeAtomic(path, first);
  const tail = await openLogTail(path);
  const inTurn = createTurns();
  let waiting: { text: string; resolve: () => void; reject: (cause: unknown) => void }[] = [];
  const counted = () => room?.resize(tail.bytes() * (memory?.perByte ?? 0));

  const flush = async () => {
    const batch = waiting;
    waiting = [];
    try {
      await tail.append(batch.map(({ text }) => text).join(""));
      counted();
      for (const { resolve } of batch) resolve();
    } catch (cause) {
      for (const { reject } of batch) reject(cause);
    }
  };
  return {
    report,
    append: async (record, { always = false } = {}) => {
      const text = lineOf(record);
      const stored = () =>
        new Promise<void>((resolve, reject) => {
          waiting.push({ text, resolve, reject });
          if (waiting.length === 1) void inTurn(flush);
        });
      if (always || !memory) return stored();
      await memory.budget.during(text.length * memory.perByte, `${basename(path)} takes no more: it`, stored);
    },
    bytes: tail.bytes,
    atRest: (work) => inTurn(() => work(tail.bytes())),
    rewrite: (records) =>
      inTurn(async () => {
        const kept = aside.splice(0);
        if (kept.length > 0) await appendAside(`${path}.damaged`, kept);
        await tail.replace(pieces(first, records));
        counted();
      }),
    close: () => inTurn(tail.close),
  };
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return 0;
    throw cause;
  }
}

/** The text of a whole log, piece by piece. */
function* pieces<T>(first: string, records: Iterable<T>): Generator<string> {
  let text = first;
  for (const record of records) {
    text += lineOf(record);
    if (text.length < pieceBytes) continue;
    yield text;
    text = "";
  }
  yield text;
}

async function appendAside(path: string, lines: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, "a");
  try {
    await file.appendFile(Buffer.concat(lines));
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Reads and replays what there is; `aside` are the damaged lines as they stand. */
async function load<T>(options: LineLogOptions<T>): Promise<{ report: LogReport; aside: Uint8Array[] }> {
  const { path, replay } = options;
  const report: LogReport = { records: 0, bytes: 0, damaged: [], damagedCount: 0 };
  const aside: Uint8Array[] = [];
  for await (const { line, offset, bytes } of linesOf(path)) {
    if (!isWholeLine({ bytes })) {
      report.torn = { offset, bytes: bytes.length };
      break;
    }
    report.bytes += bytes.length;
    const { reason, value } = readLine(bytes);
    const damage = reason ?? (line === 1 ? checkHead(value, options) : refusal(replay, value as T));
    if (damage === undefined) report.records += line === 1 ? 0 : 1;
    else {
      report.damagedCount += 1;
      aside.push(bytes.slice());
      if (report.damaged.length < reportedMax)
        report.damaged.push({ line, offset, bytes: bytes.length, reason: damage });
    }
  }
  return { report, aside };
}

/**
 * The records in the first `end` bytes of a log (all of them unless given), in order, read from the disk and not held;
 * an unfinished last line is passed over. `onDamaged` is told the number, from 1, of each line that cannot be read.
 */
export async function* readLineLog<T>(
  path: string,
  { end, onDamaged }: { end?: number; onDamaged?: (line: number) => void } = {},
): AsyncGenerator<T> {
  for await (const { line, bytes } of linesOf(path, end)) {
    if (!isWholeLine({ bytes })) return;
    const { reason, value } = readLine(bytes);
    if (reason !== undefined) onDamaged?.(line);
    else if (line > 1) yield value as T;
  }
}

function refusal<T>(replay: (record: T) => void, record: T): DamagedLine["reason"] | undefined {
  try {
    replay(record);
    return undefined;
  } catch {
    return "form";
  }
}

/** Throws for a log that is another or newer than this code. */
function checkHead<T>(value: unknown, { path, format, version }: LineLogOptions<T>): undefined {
  const found = value as { format?: unknown; version?: unknown };
  if (found.format !== format)
    throw fail("corrupt", `${path} is no ${format} log: it says ${JSON.stringify(found.format)}`);
  if (!(Number(found.version) <= version))
    throw fail(
      "corrupt",
      `${path} was written by a newer version (${found.version}) than this one reads (${version}): start the newer program`,
    );
}
