/**
 * The log of operations in numbered files. Each begins with a checkpoint of everything before it, so that the oldest
 * can go and the totals stay. A file counts from the moment its checkpoint is whole; until then, and after a crash, the
 * one before is read to its end: what is counted is always one checkpoint and the lines after it, never more or less.
 */
import { rm, stat } from "node:fs/promises";
import { errorCode } from "../../runtime/files.ts";
import { type LineLog, openLineLog, readLineLog } from "../../runtime/line-log.ts";
import { describe, type Log } from "../../runtime/log.ts";
import type { Operation } from "./operations.ts";
import type { Line } from "./operations-line.ts";
import { hasBase, segmentFormat, segmentName, segmentNumbers, segmentPath } from "./operations-segment.ts";
import type { State } from "./operations-state.ts";

export interface OperationsLog {
  /** Resolves when every line is on stable storage and applied, in order. */
  append: (lines: readonly Line[]) => Promise<void>;
  /** What the files hold now, oldest first; reads the disk. */
  lines: () => AsyncIterable<Line>;
  /**
   * Runs the work while nothing is written and no file begins or goes: with the names of all files, oldest first, and
   * how much of the last was acknowledged.
   */
  atRest: <R>(work: (files: string[], bytes: number) => Promise<R>) => Promise<R>;
  /** Damage that was found, each with its file. */
  problems: () => string[];
  files: () => number;
  /** Waits for what is being appended. */
  close: () => Promise<void>;
}

interface OperationsLogOptions {
  directory: string;
  state: State;
  log: Log;
  /** Bytes of lines, the checkpoint aside, after which a new file begins. */
  segmentBytes: number;
  /** Bytes of all files together after which the oldest goes. */
  retainedBytes: number;
  ringOperations: number;
  /** Called with each line after it was applied, not while the log is opened. */
  onApplied: (line: Line) => void;
}

interface Current {
  number: number;
  log: LineLog<Line>;
  /** Size with the checkpoint alone. */
  baseBytes: number;
}

/** Opens the log and brings the state to what it says. Throws `corrupt` when a newer program wrote it. */
export async function openOperationsLog(options: OperationsLogOptions): Promise<OperationsLog> {
  const { directory, state, log, segmentBytes, onApplied } = options;
  const found = await recover(options);
  const { problems } = found;
  let { sealed } = found;
  let current = found.current ?? (await begin(directory, sealed.at(-1) ?? 0, state));
  let turning: Promise<void> | undefined;
  const inFlight = new Set<Promise<unknown>>();

  const turnOver = async () => {
    await Promise.allSettled(inFlight);
    const next = await begin(directory, current.number, state);
    await current.log.close();
    sealed.push(current.number);
    current = next;
    sealed = await retain(sealed, current, options);
  };
  const turnOverWhenFull = () => {
    if (turning || current.log.bytes() - current.baseBytes < segmentBytes) return;
    turning = turnOver()
      // The file at hand goes on; the next append tries again.
      .catch((cause) => log.error("the log cannot go on in a new file", describe(cause)))
      .finally(() => {
        turning = undefined;
      });
  };

  return {
    append: async (lines) => {
      while (turning) await turning;
      const appended = lines.map(async (line) => {
        await current.log.append(line);
        state.apply(line);
        onApplied(line);
      });
      const all = Promise.all(appended);
      const settled = Promise.allSettled(appended);
      inFlight.add(settled);
      try {
        await all;
      } finally {
        inFlight.delete(settled);
        turnOverWhenFull();
      }
    },
    lines: () => {
      const { number, log: open } = current;
      const files = [...sealed.map((before) => ({ number: before })), { number, end: open.bytes() }];
      return linesOf(files, directory, problems);
    },
    atRest: async (work) => {
      while (turning) await turning;
      const names = [...sealed, current.number].map(segmentName);
      const done = current.log.atRest((bytes) => work(names, bytes));
      turning = done
        .then(() => undefined)
        .catch(() => undefined)
        .finally(() => {
          turning = undefined;
        });
      return done;
    },
    problems: () => [...problems],
    files: () => sealed.length + 1,
    close: async () => {
      while (turning) await turning;
      await Promise.allSettled(inFlight);
      await current.log.close();
    },
  };
}

/** Damaged places told of, at most; a ruined disk need not fill the answer. */
const problemsMax = 100;
const note = (problems: string[], problem: string): void => {
  if (problems.length < problemsMax && !problems.includes(problem)) problems.push(problem);
};
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const damaged = (path: string, line: number): string =>
  `${nameOf(path)}: line ${line} is damaged and was left out`;

/**
 * The lines of these files, oldest first. Each checkpoint tells how many operations came before it: where they were
 * fewer, lines are missing that no checksum misses.
 */
async function* linesOf(
  files: readonly { number: number; end?: number }[],
  directory: string,
  problems: string[],
): AsyncGenerator<Line> {
  let counted: number | undefined;
  for (const { number, ...until } of files) {
    const path = segmentPath(directory, number);
    const onDamaged = (line: number) => note(problems, damaged(path, line));
    try {
      for await (const line of readLineLog<Line>(path, { ...until, onDamaged })) {
        const before = line.base?.stats.total;
        if (before !== undefined && counted !== undefined && counted < before)
          note(problems, `operations before ${nameOf(path)}: ${before - counted} cannot be read`);
        counted = before ?? counted;
        if (line.operation && counted !== undefined) counted += 1;
        yield line;
      }
    } catch (cause) {
      // It was let go meanwhile, being the oldest.
      if (errorCode(cause) !== "ENOENT") throw cause;
    }
  }
}

/** Starts the file after this number with what the state is now. */
async function begin(directory: string, after: number, state: State): Promise<Current> {
  const number = after + 1;
  const log = await openLineLog<Line>({
    path: segmentPath(directory, number),
    ...segmentFormat,
    replay: () => {},
  });
  await log.rewrite([{ base: state.checkpoint() }]);
  return { number, log, baseBytes: log.bytes() };
}

/** Reads what there is. Without `current` a new file has to be begun: there is none, or the newest has no checkpoint. */
async function recover(options: OperationsLogOptions): Promise<{
  sealed: number[];
  current?: Current;
  problems: string[];
}> {
  const { directory, state } = options;
  const numbers = await segmentNumbers(directory);
  const problems: string[] = [];
  let start = numbers.length - 1;
  while (start >= 0 && !(await hasBase(segmentPath(directory, numbers[start] ?? 0)))) start -= 1;
  if (start < 0 && numbers.length > 0) {
    start = 0;
    // Number 1 follows nothing.
    if (numbers[0] !== 1)
      note(problems, `operations: no checkpoint is whole, totals begin with the oldest file`);
  }
  const older = await latestOperations(numbers.slice(0, Math.max(0, start)), options, problems);
  const newest = numbers.at(-1);
  if (newest === undefined) return { sealed: [], problems };
  if (start === numbers.length - 1) {
    const current = await reopen(newest, { directory, state, log: options.log, older, problems });
    return { sealed: numbers.slice(0, -1), current, problems };
  }
  state.remember(older, 0);
  for (const number of numbers.slice(start)) {
    const path = segmentPath(directory, number);
    const onDamaged = (line: number) => note(problems, damaged(path, line));
    for await (const line of readLineLog<Line>(path, { onDamaged })) state.apply(line);
  }
  return { sealed: numbers, problems };
}

/** Opens the newest file to go on with it. */
async function reopen(
  number: number,
  {
    directory,
    state,
    log: journal,
    older,
    problems,
  }: {
    directory: string;
    state: State;
    log: Log;
    older: Operation[];
    problems: string[];
  },
): Promise<Current> {
  const path = segmentPath(directory, number);
  let baseBytes = 0;
  const log = await openLineLog<Line>({
    path,
    ...segmentFormat,
    replay: (line) => {
      state.apply(line);
      if (!line.base) return;
      baseBytes = Buffer.byteLength(JSON.stringify(line));
      state.remember(older, line.base.stats.total);
    },
  });
  const { report } = log;
  // Nobody was told that it was recorded.
  if (report.torn)
    journal.info("an unfinished last line was cut off", { file: nameOf(path), ...report.torn });
  for (const { line } of report.damaged) note(problems, damaged(path, line));
  if (report.damagedCount > report.damaged.length)
    note(problems, `${nameOf(path)}: ${report.damagedCount} lines are damaged in all`);
  return { number, log, baseBytes };
}

/** The latest operations of the files, oldest first, as many as the ring takes. */
async function latestOperations(
  numbers: readonly number[],
  { directory, ringOperations }: OperationsLogOptions,
  problems: string[],
): Promise<Operation[]> {
  let latest: Operation[] = [];
  for (const number of numbers.toReversed()) {
    if (latest.length >= ringOperations) break;
    const path = segmentPath(directory, number);
    const own: Operation[] = [];
    const onDamaged = (line: number) => note(problems, damaged(path, line));
    for await (const { operation } of readLineLog<Line>(path, { onDamaged }))
      if (operation) own.push(operation);
    latest = [...own, ...latest].slice(-ringOperations);
  }
  return latest;
}

/** Removes the oldest files that are too much; gives those that stay. */
async function retain(
  sealed: readonly number[],
  current: Current,
  { directory, retainedBytes }: OperationsLogOptions,
): Promise<number[]> {
  let bytes = current.log.bytes();
  const kept: number[] = [];
  for (const number of sealed.toReversed()) {
    const path = segmentPath(directory, number);
    bytes += (await stat(path)).size;
    if (bytes > retainedBytes) await rm(path);
    else kept.unshift(number);
  }
  return kept;
}
