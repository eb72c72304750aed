/** Recovery of the operations log at a start, and the segment that appends continue in. */
import {
  checkSealedLog,
  type LineLog,
  type LogDamage,
  logDamageOf,
  type MarkKeeping,
  openLineLog,
  readLineLog,
} from "../../../runtime/line-log/line-log.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Operation } from "../contract.ts";
import { hasBase, type Line, numberOf, segmentFormat, segmentNumbers, segmentPath } from "./line.ts";
import type { State } from "./state.ts";

export interface OperationsLogOptions {
  directory: string;
  kept: MarkKeeping;
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

export interface Current {
  number: number;
  log: LineLog<Line>;
  /** Size with the checkpoint alone. */
  baseBytes: number;
}

/** Most damaged places that are reported: a ruined disk must not fill the answer. */
const problemsMax = 100;
export const note = (problems: string[], problem: string): void => {
  if (problems.length < problemsMax && !problems.includes(problem)) problems.push(problem);
};
export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
export const damaged = (path: string, line: number): string =>
  `${nameOf(path)}: line ${line} is damaged and was left out`;

/** Begins the segment after this number with a checkpoint of the current state. */
export async function begin(
  after: number,
  { directory, kept, state }: OperationsLogOptions,
): Promise<Current> {
  const number = after + 1;
  const log = await openLineLog<Line>({
    path: segmentPath(directory, number),
    ...segmentFormat,
    kept,
    replay: () => {},
  });
  await log.rewrite([{ base: state.checkpoint() }]);
  return { number, log, baseBytes: log.bytes() };
}

interface Recovered {
  sealed: number[];
  current?: Current;
  /** The largest number that a file has, or had. */
  last: number;
  problems: string[];
  incomplete: LogDamage[];
}

/**
 * Reads what there is. Without `current` a new file has to be begun: there is none, the newest has no checkpoint, or is
 * not what was acknowledged.
 */
export async function recover(options: OperationsLogOptions): Promise<Recovered> {
  const { directory, kept, state } = options;
  const numbers = await segmentNumbers(directory);
  const marked = markedNumbers(kept);
  const last = Math.max(0, ...numbers, ...marked);
  const problems: string[] = [];
  const incomplete: LogDamage[] = [];
  let start = numbers.length - 1;
  while (start >= 0 && !(await hasBase(segmentPath(directory, numbers[start] ?? 0)))) start -= 1;
  if (start < 0 && numbers.length > 0) {
    start = 0;
    // Segment 1 has no predecessor.
    if (numbers[0] !== 1)
      note(problems, `operations: no checkpoint is whole, totals begin with the oldest file`);
  }
  const newest = numbers.at(-1);
  const isWhole = newest !== undefined && newest === last && start === numbers.length - 1;
  // A segment older than all marks was about to be removed.
  const first = marked.length > 0 ? Math.min(...marked) : 0;
  const others = new Set(
    [...numbers, ...marked].filter((number) => number >= first && !(isWhole && number === newest)),
  );
  for (const number of [...others].sort((a, b) => a - b)) {
    const damage = await checkSealedLog(segmentPath(directory, number), kept);
    if (damage) incomplete.push(damage);
  }
  const older = await latestOperations(numbers.slice(0, Math.max(0, start)), options, problems);
  if (isWhole)
    try {
      const current = await reopen(newest, { ...options, older, problems });
      return { sealed: numbers.slice(0, -1), current, last, problems, incomplete };
    } catch (cause) {
      const damage = logDamageOf(cause);
      if (!damage) throw cause;
      // Its readable part was applied; appends continue in a new segment.
      incomplete.push(damage);
      return { sealed: numbers, last, problems, incomplete };
    }
  state.remember(older, 0);
  for (const number of start < 0 ? [] : numbers.slice(start)) {
    const path = segmentPath(directory, number);
    const onDamaged = (line: number) => note(problems, damaged(path, line));
    for await (const line of readLineLog<Line>(path, { onDamaged })) state.apply(line);
  }
  return { sealed: numbers, last, problems, incomplete };
}

const markedNumbers = ({ marks }: MarkKeeping): number[] =>
  [...marks.entries()].map(([name]) => numberOf(name)).filter(Number.isInteger);

/** Opens the newest file to go on with it. */
async function reopen(
  number: number,
  {
    directory,
    kept,
    state,
    log: journal,
    older,
    problems,
  }: OperationsLogOptions & { older: Operation[]; problems: string[] },
): Promise<Current> {
  const path = segmentPath(directory, number);
  let baseBytes = 0;
  const log = await openLineLog<Line>({
    path,
    ...segmentFormat,
    kept,
    replay: (line) => {
      state.apply(line);
      if (!line.base) return;
      baseBytes = Buffer.byteLength(JSON.stringify(line));
      state.remember(older, line.base.stats.total);
    },
  });
  const { report } = log;
  // It was never acknowledged.
  if (report.torn)
    journal.info("an unfinished last line was cut off", { file: nameOf(path), ...report.torn });
  for (const { line } of report.damaged) note(problems, damaged(path, line));
  if (report.damagedCount > report.damaged.length)
    note(problems, `${nameOf(path)}: ${report.damagedCount} lines are damaged in all`);
  return { number, log, baseBytes };
}

/** The latest operations of the files, oldest first, as many as the ring takes. */
export async function latestOperations(
  numbers: readonly number[],
  { directory, ringOperations }: Pick<OperationsLogOptions, "directory" | "ringOperations">,
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
