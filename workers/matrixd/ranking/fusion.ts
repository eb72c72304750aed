/** Several rankings made one order, and what its places are worth. The scores: runtime/ranking/parts.ts. */

export interface Scored<T> {
  item: T;
  /** Larger is better. */
  score: number;
}

/** What place `rank` (from 1) of the order is worth, so that what playbooks add means the same in every mode (ADR 0097). */
export const worthOf = (rank: number): number => 2 / (60 + rank);
export const fusedMax = worthOf(1);

/** What each item is worth by its place; equal scores share the better one (standard competition ranking). */
export function byPlace<T>(scored: readonly Scored<T>[]): Map<T, number> {
  const worths = new Map<T, number>();
  let rank = 0;
  let last = Number.NaN;
  for (const [at, { item, score }] of scored.toSorted((a, b) => b.score - a.score).entries()) {
    if (score !== last) rank = at + 1;
    last = score;
    worths.set(item, worthOf(rank));
  }
  return worths;
}

/** Cosines: the best is 1 and the last that was found 0, for their size alone says nothing. */
export function byDistance<T>(scored: readonly Scored<T>[]): Map<T, number> {
  const { least, most } = rangeOf(scored);
  const range = most - least;
  return new Map(scored.map(({ item, score }) => [item, range > 0 ? (score - least) / range : 1]));
}

function rangeOf(scored: readonly Scored<unknown>[]): { least: number; most: number } {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const { score } of scored) {
    least = Math.min(least, score);
    most = Math.max(most, score);
  }
  return { least, most };
}
