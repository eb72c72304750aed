/**
 * An append-only log of JSON lines, one record a line with a CRC-32 of its text: `{"crc32":"1a2b3c4d","record":{…}}`.
 * The first record says what the log is. Appends that come together share one fsync (group commit, as in PostgreSQL's
 * WAL). A line cut short at the end is dropped and told; a damaged line elsewhere is skipped, told and kept aside.
 */
import { type FileHandle, open, truncate } from "node:fs/promises";
import { fail } from "./errors.ts";
import { appendDurably, errorCode, storageError, syncFile, writeAtomic } from "./files.ts";

/** A line that could not be read. */
export interface DamagedLine {
  /** From 1, the head included. */
  line: number;
  /** Where it begins in the file. */
  offset: number;
  bytes: number;
  reason: "checksum" | "form";
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
  /** Resolves when the record is on stable storage. Records are kept in the order of the calls. */
  append: (record: T) => Promise<void>;
  /** Size of the file, in bytes. */
  bytes: () => number;
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
}

const reportedMax = 100;
/** Pieces in which a log is read, in bytes. */
const pieceBytes = 1024 * 1024;
const prefix = '{"crc32":"';
const middle = '","record":';
const head = prefix.length + 8 + middle.length;

const checksum = (text: string | Uint8Array): string => Bun.hash.crc32(text).toString(16).padStart(8, "0");

function lineOf(record: unknown): string {
  const text = JSON.stringify(record);
  return `${prefix}${checksum(text)}${middle}${text}}\n`;
}

/** Opens the log, makes it when there is none, and replays it. Throws `corrupt` for another format or a newer version. */
export async function openLineLog<T>(options: LineLogOptions<T>): Promise<LineLog<T>> {
  const { path, format, version } = options;
  const { report, aside } = await load(options);
  if (report.torn) {
    await truncate(path, report.torn.offset);
    await syncFile(path);
  }
  const first = lineOf({ format, version });
  if (report.bytes === 0) await writeAtomic(path, first);
  const tail = await openTail(path);
  const inTurn = createTurns();
  let waiting: { text: string; resolve: () => void; reject: (cause: unknown) => void }[] = [];

  const flush = async () => {
    const batch = waiting;
    waiting = [];
    try {
      await tail.append(batch.map(({ text }) => text).join(""));
      for (const { resolve } of batch) resolve();
    } catch (cause) {
      for (const { reject } of batch) reject(cause);
    }
  };
  return {
    report,
    append: (record) =>
      new Promise((resolve, reject) => {
        waiting.push({ text: lineOf(record), resolve, reject });
        if (waiting.length === 1) void inTurn(flush);
      }),
    bytes: tail.bytes,
    rewrite: (records) =>
      inTurn(async () => {
        const kept = aside.splice(0);
        if (kept.length > 0) await appendAside(`${path}.damaged`, kept);
        const lines = [first];
        for (const record of records) lines.push(lineOf(record));
        await tail.replace(lines.join(""));
      }),
    close: () => inTurn(tail.close),
  };
}

/** One piece of work at a time, in the order of the calls. */
function createTurns(): <R>(work: () => Promise<R>) => Promise<R> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** The end of a file that is written to; a failed write leaves nothing behind. */
async function openTail(path: string) {
  let handle: FileHandle = await open(path, "a");
  let size = (await handle.stat()).size;
  let broken = false;
  /** What a failed write left behind was acknowledged to nobody. */
  const cutBack = async () => {
    await handle.truncate(size);
    await handle.datasync();
    broken = false;
  };
  return {
    bytes: () => size,
    append: async (text: string) => {
      try {
        if (broken) await cutBack();
        await appendDurably(handle, text);
        size += Buffer.byteLength(text);
      } catch (cause) {
        broken = true;
        await cutBack().catch(() => undefined);
        throw storageError(cause, "write");
      }
    },
    replace: async (text: string) => {
      await writeAtomic(path, text);
      await handle.close();
      handle = await open(path, "a");
      size = Buffer.byteLength(text);
      broken = false;
    },
    close: () => handle.close(),
  };
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

/** Reads the file piece by piece; `aside` are the damaged lines as they stand. */
async function load<T>(options: LineLogOptions<T>): Promise<{ report: LogReport; aside: Uint8Array[] }> {
  const report: LogReport = { records: 0, bytes: 0, damaged: [], damagedCount: 0 };
  const aside: Uint8Array[] = [];
  const file = await open(options.path, "r").catch((cause) => {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cause;
  });
  if (!file) return { report, aside };
  let line = 0;
  let rest: Uint8Array = new Uint8Array();
  const take = (bytes: Uint8Array) => {
    line += 1;
    const reason = readLine(bytes, line, options);
    if (reason === undefined) report.records += line === 1 ? 0 : 1;
    else {
      report.damagedCount += 1;
      aside.push(Buffer.concat([bytes, Buffer.from("\n")]));
      if (report.damaged.length < reportedMax)
        report.damaged.push({ line, offset: report.bytes, bytes: bytes.length + 1, reason });
    }
    report.bytes += bytes.length + 1;
  };
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(pieceBytes);
      const { bytesRead } = await file.read(piece, 0, pieceBytes);
      if (bytesRead === 0) break;
      let text: Uint8Array = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10)) {
        take(text.subarray(0, end));
        text = text.subarray(end + 1);
      }
      rest = text;
    }
  } finally {
    await file.close();
  }
  if (rest.length > 0) report.torn = { offset: report.bytes, bytes: rest.length };
  return { report, aside };
}

/** Why the line cannot be taken, or undefined. */
function readLine<T>(
  bytes: Uint8Array,
  line: number,
  { path, format, version, replay }: LineLogOptions<T>,
): DamagedLine["reason"] | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const record = text.subarray(head, -1);
  const isFormed =
    text.length > head &&
    text.at(-1) === 0x7d &&
    text.toString("latin1", 0, prefix.length) === prefix &&
    text.toString("latin1", prefix.length + 8, head) === middle;
  if (!isFormed) return "form";
  if (checksum(record) !== text.toString("latin1", prefix.length, prefix.length + 8)) return "checksum";
  const value = JSON.parse(record.toString());
  if (line > 1) {
    try {
      replay(value as T);
      return undefined;
    } catch {
      return "form";
    }
  }
  if (value.format !== format)
    throw fail("corrupt", `${path} is no ${format} log: it says ${JSON.stringify(value.format)}`);
  if (!(value.version <= version))
    throw fail(
      "corrupt",
      `${path} was written by a newer version (${value.version}) than this one reads (${version}): start the newer program`,
    );
  return undefined;
}
