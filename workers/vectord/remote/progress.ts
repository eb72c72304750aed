/** Which rows and removals came with which segment of an index's log, and what an engine's state means beside it. */
import type { Applied, Collection } from "./interface.ts";

interface Mark {
  segment: number;
  /** The last row that it brought, or one before it did. */
  sequence: number;
  deletes: string[];
}

export interface Progress {
  /** A batch is in memory. In the order of the log; the first one stands for all before it. */
  add: (segment: number, sequence: number, deletes: readonly string[]) => void;
  last: () => { segment: number; sequence: number };
  /** The last row of the segment, where it is known. */
  sequenceOf: (segment: number) => number | undefined;
  /** Of the segments after one, those whose rows are all at or before `sequence`: the last, and what they removed. */
  upTo: (after: number, sequence: number) => { segment: number; deletes: Set<string> } | undefined;
}

/** Segments that stay known although the engine has them: it may come back in the state of an hour ago. */
const keptMarks = 10_000;

export function createProgress(): Progress {
  const marks: Mark[] = [];
  return {
    add: (segment, sequence, deletes) => {
      const last = marks.at(-1);
      if (last?.segment === segment) {
        last.sequence = Math.max(last.sequence, sequence);
        for (const id of deletes) last.deletes.push(id);
        return;
      }
      marks.push({ segment, sequence: Math.max(last?.sequence ?? -1, sequence), deletes: [...deletes] });
      if (marks.length > 2 * keptMarks) marks.splice(0, keptMarks);
    },
    last: () => marks.at(-1) ?? { segment: 0, sequence: -1 },
    sequenceOf: (segment) => marks.find((mark) => mark.segment === segment)?.sequence,
    upTo: (after, sequence) => {
      const some = marks.filter((mark) => mark.segment > after && mark.sequence <= sequence);
      const last = some.at(-1);
      return last && { segment: last.segment, deletes: new Set(some.flatMap(({ deletes }) => deletes)) };
    },
  };
}

/** Where filling goes on, or why the engine must be filled anew. */
export type Verdict = { from: number } | { rebuild: string };

/** What the engine's state says, beside the log as it was read. */
export function judge(
  applied: Applied | undefined,
  collection: Pick<Collection, "dimension" | "metric">,
  incarnation: string,
  progress: Pick<Progress, "last" | "sequenceOf">,
): Verdict {
  if (applied === undefined) return { rebuild: "it has no whole collection of this index" };
  const { dimension, metric, segment } = applied;
  if (dimension !== collection.dimension || metric !== collection.metric)
    return {
      rebuild: `it holds vectors of ${dimension} numbers under ${metric}, the index has ${collection.dimension} under ${collection.metric}`,
    };
  if (applied.incarnation !== incarnation)
    return {
      rebuild: "what it holds is of another index of that name, or of before a snapshot was restored",
    };
  if (segment < 0) return { rebuild: "filling it was cut off" };
  const { segment: last } = progress.last();
  if (segment > last)
    return { rebuild: `it is at segment ${segment}, ahead of the log, which ends at ${last}` };
  if (progress.sequenceOf(segment) === undefined)
    return { rebuild: `it is at segment ${segment}, and what followed is folded into a checkpoint by now` };
  return { from: segment };
}
