/** Which sequence numbers were seen: two lines may hold the same change, and a gap is a change that was lost. */

/** Numbers in a page of the bitmap. */
const pageNumbers = 65_536;

/** From and to, both included. */
export type Range = [from: number, to: number];

export function createSequences() {
  // In pages, so that one absurd number of a damaged log costs one page.
  const pages = new Map<number, Uint8Array>();
  let last = 0;
  const has = (sequence: number): boolean =>
    pages.get(Math.floor(sequence / pageNumbers))?.[sequence % pageNumbers] === 1;
  return {
    has,
    last: () => last,
    /** Whether the number is new. */
    mark: (sequence: number): boolean => {
      if (has(sequence)) return false;
      const number = Math.floor(sequence / pageNumbers);
      const page = pages.get(number) ?? new Uint8Array(pageNumbers);
      pages.set(number, page);
      page[sequence % pageNumbers] = 1;
      last = Math.max(last, sequence);
      return true;
    },
    /** The numbers below the last one that were not seen. */
    missing: (): Range[] => {
      const ranges: Range[] = [];
      let next = 1;
      for (const number of [...pages.keys()].sort((a, b) => a - b)) {
        const page = pages.get(number) ?? new Uint8Array();
        for (let at = page.indexOf(1); at >= 0; at = page.indexOf(1, at + 1)) {
          const sequence = number * pageNumbers + at;
          if (sequence > next) ranges.push([next, sequence - 1]);
          next = sequence + 1;
        }
      }
      return ranges;
    },
  };
}

/** How many numbers the ranges hold. */
export const countOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0);

const rangesShown = 10;

/** Ranges for people: `3, 7–9`. */
export function describeRanges(ranges: readonly Range[]): string {
  const shown = ranges.slice(0, rangesShown).map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`));
  return ranges.length > rangesShown ? `${shown.join(", ")}, …` : shown.join(", ");
}

/** A longer range means a forged log: marking it would take forever. */
const lostRangeMax = 10_000_000;

/** The sequences there are, and those known to be lost. */
export function createGaps() {
  const sequences = createSequences();
  const noted: Range[] = [];
  /** Found once the log is read: what is written from then on leaves no gap. */
  let missing: Range[] | undefined;
  const find = (): Range[] => {
    missing ??= sequences.missing();
    return missing;
  };
  return {
    sequences,
    missing: find,
    all: (): Range[] => [...noted, ...find()].sort(([a], [b]) => a - b),
    note: (ranges: readonly Range[]): void => {
      if (ranges.some(([from, to]) => to - from > lostRangeMax)) throw new Error("a lost range without end");
      missing = undefined;
      for (const [from, to] of ranges) {
        noted.push([from, to]);
        for (let sequence = from; sequence <= to; sequence++) sequences.mark(sequence);
      }
    },
  };
}
