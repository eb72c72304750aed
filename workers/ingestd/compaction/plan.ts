/** Which objects of a version become one: pure, from their sizes alone. */

/** Objects that stand next to each other, from the first one's place. */
export interface PlannedRun {
  at: number;
  count: number;
  bytes: number;
}

export interface CompactionRules {
  /** What an object should have at most. One of two thirds of it or more is left as it is. */
  targetBytes: number;
  /** Fewer small objects beside each other are left as they are. */
  minObjects: number;
}

/** Objects read at once: each is a file that is open, and a footer in memory. */
export const runObjectsMax = 256;
/**
 * The share of a run that its largest object may have. So a byte is written anew only into an object half as large again
 * at least, a logarithmic number of times however many appends there are: log-structured merging by size (O'Neil et al.
 * 1996).
 */
const largestShare = 2 / 3;

/** The runs to merge, from left to right; none where nothing is to be gained. */
export function planRuns(sizes: readonly number[], rules: CompactionRules): PlannedRun[] {
  const runs: PlannedRun[] = [];
  let from = 0;
  for (let at = 0; at <= sizes.length; at++) {
    const size = sizes[at];
    // A larger one outweighs whatever there is room for beside it.
    if (size !== undefined && size <= rules.targetBytes * largestShare) continue;
    runs.push(...runsIn(sizes, { from, to: at }, rules));
    from = at + 1;
  }
  return runs;
}

/** Places from `from` to before `to`. */
interface Span {
  from: number;
  to: number;
}

/** Of small neighbours: all of them, cut to size; where one outweighs the others, those on both sides of it. */
function runsIn(sizes: readonly number[], span: Span, rules: CompactionRules): PlannedRun[] {
  if (span.to - span.from < rules.minObjects) return [];
  const { bytes, largestAt } = weigh(sizes, span);
  const cut = isWorthwhile(sizes[largestAt] ?? 0, bytes) ? cutToSize(sizes, span, rules) : [];
  if (cut.length > 0) return cut;
  return [
    ...runsIn(sizes, { from: span.from, to: largestAt }, rules),
    ...runsIn(sizes, { from: largestAt + 1, to: span.to }, rules),
  ];
}

const isWorthwhile = (largest: number, bytes: number): boolean => largest <= bytes * largestShare;

function weigh(sizes: readonly number[], { from, to }: Span): { bytes: number; largestAt: number } {
  let bytes = 0;
  let largest = -1;
  let largestAt = from;
  const fromMiddle = (at: number) => Math.abs(2 * at - from - to);
  for (let at = from; at < to; at++) {
    const size = sizes[at] ?? 0;
    bytes += size;
    // Of equal ones that in the middle, so that what is left falls into halves.
    if (size < largest || (size === largest && fromMiddle(at) >= fromMiddle(largestAt))) continue;
    largest = size;
    largestAt = at;
  }
  return { bytes, largestAt };
}

/** Ends a run where one more would make the object too large, or too many. */
function cutToSize(
  sizes: readonly number[],
  { from, to }: Span,
  { targetBytes }: CompactionRules,
): PlannedRun[] {
  const runs: PlannedRun[] = [];
  for (let at = from; at < to; at++) {
    const size = sizes[at] ?? 0;
    const open = runs.at(-1);
    if (!open || open.bytes + size > targetBytes || open.count === runObjectsMax)
      runs.push({ at, count: 1, bytes: size });
    else {
      open.count += 1;
      open.bytes += size;
    }
  }
  return runs.filter(({ at, count, bytes }) => {
    const { largestAt } = weigh(sizes, { from: at, to: at + count });
    return count > 1 && isWorthwhile(sizes[largestAt] ?? 0, bytes);
  });
}
