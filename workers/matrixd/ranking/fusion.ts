/**
 * Several rankings made one: weighted reciprocal rank fusion. A row's score is the sum over the rankings of
 * weight / (constant + rank), so that scores that cannot be compared (a cosine, a BM25) need not be.
 * Source: Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
 * Learning Methods", which also gives the constant 60.
 */

export interface Weights {
  vector: number;
  lexical: number;
}

/** Measured on labelled queries with the embedded model: ADR 0094. */
export const defaultWeights: Weights = { vector: 0.1, lexical: 0.9 };

const constant = 60;

export interface Scored<T> {
  item: T;
  /** Larger is better. */
  score: number;
}

/** One way to rank, as by cosine; where scores of some items cannot be compared with others', each sort has its list. */
export interface Ranking<T> {
  weight: number;
  lists: readonly (readonly Scored<T>[])[];
}

/**
 * Two plain rankings, as in the paper: 2/61 is first in all. Weights are shares of this, and a single ranking gets all
 * of it, so that what is added to fused scores means the same in every mode.
 */
export const fusedMax = 2 / (constant + 1);

/** What place `rank` (from 1) of every ranking is worth. */
export const worthOf = (rank: number): number => 2 / (constant + rank);

/**
 * The fused score of every item: more than 0, at most `fusedMax`. Equal scores share the better rank, so that the
 * order of the corpora does not matter. An item that a ranking does not hold gets nothing from it.
 */
export function fuse<T>(rankings: readonly Ranking<T>[]): Map<T, number> {
  const whole = rankings.reduce((sum, { weight }) => sum + weight, 0);
  const fused = new Map<T, number>();
  for (const { weight, lists } of rankings) {
    for (const list of lists) {
      for (const { item, rank } of ranked(list))
        fused.set(item, (fused.get(item) ?? 0) + (weight / whole) * worthOf(rank));
    }
  }
  return fused;
}

/** Ranks from 1; equal scores share the better one (standard competition ranking). */
function* ranked<T>(list: readonly Scored<T>[]): Generator<{ item: T; rank: number }> {
  const sorted = list.toSorted((a, b) => b.score - a.score);
  let rank = 0;
  let last = Number.NaN;
  for (const [at, { item, score }] of sorted.entries()) {
    if (score !== last) rank = at + 1;
    last = score;
    yield { item, rank };
  }
}
