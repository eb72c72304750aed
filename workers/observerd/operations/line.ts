/** A line of the log. It is applied whole or not at all, after a crash too. */

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
