/** A line log read: its records replayed, its damage reported, and what its mark is compared with. */
import { appendFile, open, truncate } from "node:fs/promises";
import {
  isCompleteLine,
  type Line,
  type LineFault,
  linesOf,
  readLine,
  syncFile,
} from "../durable/durable.ts";
import { fail } from "../errors/errors.ts";
import { chained, chainText, type FoundLog, type LogState } from "./mark.ts";

export interface LogForm<T> {
  path: string;
  /** What the log holds, as in `lakehouse.pathway`, and the newest version this code reads. */
  format: string;
  version: number;
  /** Called for each record in the order of the file; a record it throws at counts as damaged. */
  replay: (record: T, at: Span) => void;
}

/** Where a line stands in the file. */
export interface Span {
  offset: number;
  bytes: number;
}

/** A line that could not be read. */
interface DamagedLine {
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

const reportedMax = 100;

export interface Loaded {
  report: LogReport;
  /** Damaged lines as they stand. */
  aside: Uint8Array[];
  found: Omit<FoundLog, "size">;
  state: Omit<LogState, "bytes">;
  /** A last line without its end. */
  unfinished?: Line;
}

/** Reads and replays what there is; the chain is looked at behind each of the lengths. */
export async function loadLineLog<T>(
  options: LogForm<T>,
  { lengths, log_id: marked }: { lengths: readonly number[]; log_id: string | undefined },
): Promise<Loaded> {
  const { path, replay } = options;
  const report: LogReport = { records: 0, bytes: 0, damaged: [], damagedCount: 0 };
  const aside: Uint8Array[] = [];
  const chainAt = new Map<number, string>();
  let logId: FoundLog["logId"];
  let unreadable = 0;
  let unfinished: Line | undefined;
  let chain = 0n;
  for await (const each of linesOf(path)) {
    const { line, bytes } = each;
    if (!isCompleteLine(each)) {
      unfinished = each;
      break;
    }
    report.bytes += bytes.length;
    chain = chained(chain, bytes);
    if (lengths.includes(report.bytes)) chainAt.set(report.bytes, chainText(chain));
    const { reason, value } = readLine(bytes);
    if (reason !== undefined) unreadable += 1;
    if (line === 1) logId = reason === undefined ? (value as { log_id?: string }).log_id : null;
    const damage =
      reason ??
      (line === 1
        ? checkHead(value, options)
        : refusal(() => replay(value as T, { offset: each.offset, bytes: bytes.length })));
    if (damage === undefined) report.records += line === 1 ? 0 : 1;
    else noteDamage(report, aside, each, damage);
  }
  // What the mark says of a log whose head is damaged is all that is known of it.
  const log_id = logId === null ? marked : logId;
  return {
    report,
    aside,
    found: {
      logId,
      damagedLines: unreadable,
      ...(unfinished && { unfinishedAt: unfinished.offset }),
      chainAt,
    },
    state: { ...(log_id !== undefined && { log_id }), chain: chainText(chain) },
    ...(unfinished && { unfinished }),
  };
}

function noteDamage(
  report: LogReport,
  aside: Uint8Array[],
  { line, offset, bytes }: Line,
  reason: LineFault,
): void {
  report.damagedCount += 1;
  aside.push(bytes.slice());
  if (report.damaged.length < reportedMax) report.damaged.push({ line, offset, bytes: bytes.length, reason });
}

/** A last line without its end was never acknowledged and goes, unless it begins in what was: then it is damaged. */
export async function endLastLine(path: string, loaded: Loaded, acknowledged: number): Promise<void> {
  const { report, aside, state, unfinished } = loaded;
  if (!unfinished) return;
  const { offset, bytes } = unfinished;
  if (offset >= acknowledged) {
    report.torn = { offset, bytes: bytes.length };
    await truncate(path, offset);
  } else {
    const ended = Buffer.concat([bytes, Buffer.from("\n")]);
    await appendFile(path, "\n");
    noteDamage(report, aside, { ...unfinished, bytes: ended }, "form");
    report.bytes += ended.length;
    state.chain = chainText(chained(BigInt(`0x${state.chain}`), ended));
  }
  await syncFile(path);
}

/**
 * The records in the first `end` bytes of a log (all of them unless given), in order, read from the disk and not held;
 * an unfinished last line is passed over. `onDamaged` gets the number, from 1, of each line that cannot be read.
 */
export async function* readLineLog<T>(
  path: string,
  { end, onDamaged }: { end?: number; onDamaged?: (line: number) => void } = {},
): AsyncGenerator<T> {
  for await (const { line, bytes } of linesOf(path, end)) {
    if (!isCompleteLine({ bytes })) return;
    const { reason, value } = readLine(bytes);
    if (reason !== undefined) onDamaged?.(line);
    else if (line > 1) yield value as T;
  }
}

/** One record again, from its place. Throws `corrupt` when it is not there any more. */
export async function readRecord<T>(path: string, { offset, bytes }: Span): Promise<T> {
  const file = await open(path, "r");
  try {
    const line = Buffer.alloc(bytes);
    await file.read(line, 0, bytes, offset);
    const { reason, value } = readLine(line);
    if (reason === undefined) return value as T;
    throw fail("corrupt", `${path}: the line at byte ${offset} cannot be read (${reason})`);
  } finally {
    await file.close();
  }
}

function refusal(replay: () => void): LineFault | undefined {
  try {
    replay();
    return undefined;
  } catch {
    return "form";
  }
}

/** Throws for a log that is another or newer than this code. */
function checkHead<T>(value: unknown, { path, format, version }: LogForm<T>): undefined {
  const found = value as { format?: unknown; version?: unknown };
  if (found.format !== format)
    throw fail("corrupt", `${path} is no ${format} log: it says ${JSON.stringify(found.format)}`);
  if (!(Number(found.version) <= version))
    throw fail(
      "corrupt",
      `${path} was written by a newer version (${found.version}) than this one reads (${version}): start the newer program`,
    );
}
