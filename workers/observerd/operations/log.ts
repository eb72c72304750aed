/**
 * The log of operations in numbered files. Each begins with a checkpoint of everything before it, so that the oldest
 * can go and the totals stay. A file counts from the moment its checkpoint is whole; until then, and after a crash, the
 * one before is read to its end: what is counted is always one checkpoint and the lines after it, never more or less.
 */
import { rm } from "node:fs/promises";
import type { Subject } from "../../../runtime/contract/contract.ts";
import { errorCode, sizeOf } from "../../../runtime/durable/durable.ts";
import { type LogDamage, type LogState, readLineLog } from "../../../runtime/line-log/line-log.ts";
import { acceptance } from "../../../runtime/marks/marks.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Operation } from "../contract.ts";
import { eraseFromSegments } from "./erasure.ts";
import { jsonBytes } from "./intake.ts";
import { type Line, numberOf, segmentName, segmentPath } from "./line.ts";
import { createPause } from "./pause.ts";
import {
  begin,
  type Current,
  damaged,
  nameOf,
  note,
  type OperationsLogOptions,
  recover,
} from "./recovery.ts";

export interface OperationsLog {
  /** Resolves when every line is on stable storage and applied, in order. */
  append: (lines: readonly Line[]) => Promise<void>;
  /** What the files hold now, oldest first; reads the disk. */
  lines: () => AsyncIterable<Line>;
  /** The files as they are now, oldest first, each under a name that says what is in it. */
  logFiles: () => Promise<LogFile[]>;
  /**
   * Runs the work while nothing is written and no file begins or goes: with the names of all files, oldest first, and
   * what of each was acknowledged.
   */
  atRest: <R>(work: (files: string[], stateOf: (file: string) => LogState) => Promise<R>) => Promise<R>;
  /** Damage that was found, each with its file. */
  problems: () => string[];
  /** Adds damage that an inspection found, for readiness. */
  reportDamage: (problem: string) => void;
  /** Segments that lack acknowledged records; their readable part is served. */
  incomplete: () => readonly LogDamage[];
  files: () => number;
  /** Nothing of what names the subject is in any file when it resolves; gives the files that could not be written anew. */
  erase: (subject: Subject) => Promise<string[]>;
  /** Waits for what is being appended. */
  close: () => Promise<void>;
}

export interface LogFile {
  id: string;
  /** Its operations with the bytes of their JSON; reads the disk. None where the file was removed meanwhile as the oldest. */
  operations: () => AsyncIterable<{ operation: Operation; size: number }>;
}

/** Opens the log and brings the state to what it says. Throws `corrupt` when a newer program wrote it. */
export async function openOperationsLog(options: OperationsLogOptions): Promise<OperationsLog> {
  const { kept, log, segmentBytes, state, onApplied } = options;
  const recovered = await recover(options);
  const { problems, incomplete } = recovered;
  let { sealed } = recovered;
  let current = recovered.current ?? (await begin(recovered.last, options));
  const pause = createPause();
  const inFlight = new Set<Promise<unknown>>();

  const turnOver = async () => {
    await Promise.allSettled(inFlight);
    const next = await begin(current.number, options);
    await current.log.close();
    sealed.push(current.number);
    current = next;
    sealed = await retain(sealed, current, options);
  };
  const turnOverWhenFull = () => {
    if (pause.isOn() || current.log.bytes() - current.baseBytes < segmentBytes) return;
    // Appends continue in the current segment; the next one tries again.
    const failed = (cause: unknown) => log.error("the log cannot go on in a new file", describe(cause));
    void pause.during(turnOver().catch(failed));
  };

  return {
    erase: async (subject) => {
      await pause.over();
      const idle = Promise.allSettled(inFlight);
      return pause.during(idle.then(() => eraseFromSegments({ sealed, current }, subject, options)));
    },
    append: async (lines) => {
      await pause.over();
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
      return linesOf(files, options.directory, problems);
    },
    logFiles: () => pause.over().then(() => filesOf(sealed, current, options, problems)),
    atRest: async (work) => {
      await pause.over();
      const names = [...sealed, current.number].map(segmentName);
      const done = current.log.atRest((last) =>
        work(names, (file) =>
          file === segmentName(current.number) ? last : (kept.marks.get(file) as unknown as LogState),
        ),
      );
      return pause.during(done);
    },
    problems: () => [...incomplete.map(incompleteText), ...problems],
    reportDamage: (problem) => note(problems, problem),
    incomplete: () => incomplete,
    files: () => sealed.length + 1,
    close: async () => {
      await pause.over();
      await Promise.allSettled(inFlight);
      await current.log.close();
    },
  };
}

async function filesOf(
  sealed: readonly number[],
  current: Current,
  { kept, directory }: OperationsLogOptions,
  problems: string[],
): Promise<LogFile[]> {
  const marks = sealed.map((number) => [number, kept.marks.get(segmentName(number))] as const);
  const open = await current.log.atRest(async (state) => state);
  return [...marks, [current.number, open] as const].map(([number, state]) =>
    logFileOf(number, state as LogState | undefined, directory, problems),
  );
}

/** A chain of checksums names the lines, so that the same id is the same content, also after a restore. */
function logFileOf(
  number: number,
  { bytes, chain = "", log_id = "" }: Partial<LogState> = {},
  directory: string,
  problems: string[],
): LogFile {
  const until = bytes === undefined ? {} : { end: bytes };
  return {
    id: [number, bytes ?? 0, log_id, chain].filter((each) => each !== "").join("-"),
    operations: async function* () {
      for await (const { operation } of linesOf([{ number, ...until }], directory, problems))
        if (operation) yield { operation, size: jsonBytes(operation) };
    },
  };
}

const incompleteText = ({ place, problem }: LogDamage): string =>
  `${place}: ${problem}. What is there is served: ${acceptance(place)}`;

/**
 * The lines of these files, oldest first. Each checkpoint says how many operations came before it: where they were
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
      // It was removed meanwhile as the oldest.
      if (errorCode(cause) !== "ENOENT") throw cause;
    }
  }
}

/** Removes the oldest segments beyond `retainedBytes`; returns those that stay. */
async function retain(
  sealed: readonly number[],
  current: Current,
  { directory, kept: { marks }, retainedBytes }: OperationsLogOptions,
): Promise<number[]> {
  let bytes = current.log.bytes();
  const stay: number[] = [];
  const go: number[] = [];
  for (const number of sealed.toReversed()) {
    const size = await sizeOf(segmentPath(directory, number));
    bytes += size ?? 0;
    if (bytes > retainedBytes) go.push(number);
    else if (size !== undefined) stay.unshift(number);
  }
  if (go.length === 0) return stay;
  // Marks first: a file without a mark is one being removed, a mark without its file would be damage.
  const oldest = stay[0] ?? current.number;
  for (const [name] of [...marks.entries()]) if (numberOf(name) < oldest) marks.remove(name);
  await marks.settle();
  for (const number of go) await rm(segmentPath(directory, number), { force: true });
  return stay;
}
