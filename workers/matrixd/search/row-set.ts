/** Rows of one corpus by their numbers, and how a search for the best among them is planned. */

export interface RowSet {
  /** Ascending. */
  numbers: readonly number[];
  has: (number: number) => boolean;
}

/** A set of these numbers, in any order; each may come more than once. */
export function rowSet(numbers: Iterable<number>): RowSet {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  return { numbers: sorted, has: (number) => holds(sorted, number) };
}

function holds(sorted: readonly number[], wanted: number): boolean {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] as number) < wanted) from = middle + 1;
    else to = middle;
  }
  return sorted[from] === wanted;
}

/** vectord's bound on the values of one `in`. */
export const listedMax = 65_536;

/**
 * How the k best rows of a set are found: the set is handed over as a filter, or more rows are asked for than wanted
 * and those outside of the set are dropped. A filter costs by the size of the set, dropping by its rarity (ADR 0095).
 */
export function planAmong(
  size: number,
  rows: number,
  k: number,
  askedMax: number,
): { kind: "filter" } | { kind: "overfetch"; ask: number } {
  const ask = Math.ceil((k * rows * spare) / Math.max(1, size)) + k;
  return size > filterMin && ask <= Math.min(askedMax, overfetchMax)
    ? { kind: "overfetch", ask }
    : { kind: "filter" };
}

/** More than the average, so that the first answer mostly suffices. */
const spare = 1.5;
/** A list of 2,000 took 14 ms over 25,000 rows of 768 numbers, asking for 1,000 rows about as much (ADR 0095). */
const filterMin = 2000;
/** Asking for so many took 16 ms there, a list of 12,000 took 41: rows asked for are also read to see whether they live. */
const overfetchMax = 2000;

/** A filter for the rows of the set, together with another; several lists where one would be too long. */
export function filterAmong(
  { numbers }: RowSet,
  field: string,
  filter: Record<string, unknown> | undefined,
): Record<string, unknown> {
  const lists: Record<string, unknown>[] = [];
  for (let from = 0; from < numbers.length; from += listedMax)
    lists.push({ [field]: { in: numbers.slice(from, from + listedMax) } });
  const [only] = lists;
  const among = lists.length === 1 && only ? only : { or: lists };
  return filter && Object.keys(filter).length > 0 ? { and: [filter, among] } : among;
}
