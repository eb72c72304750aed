/** What a line of the log can say. One line is applied whole or not at all, after a crash too. */

import type { Operation } from "./contract.ts";
import type { ClustersCheckpoint } from "./failures.ts";
import type { StatsCheckpoint } from "./stats.ts";

/** How far a followed file was taken. */
export interface FileMark {
  /** Bytes of the file that are done with. */
  offset: number;
  /** CRC-32 of the file's first `headBytes`, by which it is known again whatever its inode. */
  headBytes: number;
  headCrc32: number;
  /** Lines that could not be taken, of all files so far. */
  skipped: number;
}

/** How far the followers have come. A mark stands in the same line as the operation it comes with. */
export interface Marks {
  /** chatd's starts and the last call taken of each, the latest last. */
  chat?: readonly { life: string; sequence: number }[];
  corrections?: FileMark;
}

/** All there is to know without the files before this one. */
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
  /** The cluster was brought up; written before anybody is asked, so that nobody is asked twice. */
  escalated?: { signature: string; at: string };
  /** What the model made of it. */
  diagnosed?: { signature: string; text: string };
}
