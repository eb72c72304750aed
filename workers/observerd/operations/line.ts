/** A line of the log. It is applied whole or not at all, after a crash too. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readLineLog } from "../../../runtime/line-log/line-log.ts";
import type { Operation } from "../contract.ts";
import type { ClustersCheckpoint } from "../failures/failures.ts";
import type { StatsCheckpoint } from "./stats.ts";

/** Position in a followed file. */
export interface FileMark {
  /** Bytes that were processed. */
  offset: number;
  /** CRC-32 of the file's first `headBytes`, by which it is known again whatever its inode. */
  headBytes: number;
  headCrc32: number;
  /** Lines that could not be taken, of all files so far. */
  skipped: number;
}

/** Positions of the followers. A mark is in the same line as the operation it belongs to. */
export interface Marks {
  /** chatd's starts and the last call taken of each, the latest last. */
  chat?: readonly { life: string; sequence: number }[];
  corrections?: FileMark;
}

/** The state up to this segment. */
export interface Checkpoint {
  stats: StatsCheckpoint;
  clusters: ClustersCheckpoint;
  marks: Marks;
}

export interface Line {
  /** Only in the first line of a file. */
  base?: Checkpoint;
  operation?: Operation;
  marks?: Marks;
  /** The cluster was escalated; written before the model is asked, so that it is asked once. */
  escalated?: { signature: string; at: string };
  /** What the model made of it. */
  diagnosed?: { signature: string; text: string };
}

// The segments of the log: their names and numbers.

export const segmentFormat = { format: "lakehouse.operations", version: 1 } as const;

const digits = 8;
/** `operations-00000012.log`. */
export const segmentName = (number: number): string =>
  `operations-${String(number).padStart(digits, "0")}.log`;
export const segmentPath = (directory: string, number: number): string =>
  join(directory, segmentName(number));

/** The number of a file of operations; NaN for any other name. */
export const numberOf = (name: string): number =>
  Number(/^operations-(\d{8})\.log$/.exec(name)?.[1] ?? Number.NaN);

/** The numbers of the files there are, ascending. */
export async function segmentNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names
    .map(numberOf)
    .filter(Number.isInteger)
    .sort((a, b) => a - b);
}

/** Whether the file begins with a readable checkpoint. */
export async function hasBase(path: string): Promise<boolean> {
  let damaged = false;
  const onDamaged = () => {
    damaged = true;
  };
  for await (const line of readLineLog<Line>(path, { onDamaged })) return !damaged && line.base !== undefined;
  return false;
}
