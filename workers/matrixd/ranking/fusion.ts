/**
 * Several rankings made one, by their scores: a row's fused score is the weighted sum of its cosine and its BM25, each
 * brought to 0…1 among the candidates of the search. Ranks alone lose how far the first is ahead of the rest, which is
 * what tells a ranking that knows from one that guesses. Source: relative score fusion; Bruch, Gai and Ingber 2023, "An
 * Analysis of Fusion Functions for Hybrid Retrieval", who find it better than reciprocal rank fusion, and steadier.
 */
import { embeddedModels, lexicalModel } from "../../../runtime/models/models.ts";

export interface Weights {
  vector: number;
  lexical: number;
}

/**
 * What each ranking counts unless a search or profile says so, by the model behind the vectors, measured on labelled
 * sets (ADR 0208): a sentence model leads, the static one goes along, and the one by spelling sees what words see anyway.
 */
export function weightsOf(model: string, given: Partial<Weights> | undefined): Weights {
  const measured =
    model === lexicalModel ? bySpelling : embeddedModels.has(model) ? byStaticVectors : bySentences;
  return { ...measured, ...given };
}
const bySentences: Weights = { vector: 0.7, lexical: 0.3 };
const byStaticVectors: Weights = { vector: 0.4, lexical: 0.6 };
const bySpelling: Weights = { vector: 0.2, lexical: 0.8 };

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

/** BM25: the best is 1, and what has none of the words has 0. */
export function byWords<T>(scored: readonly Scored<T>[]): Map<T, number> {
  const { most } = rangeOf(scored);
  return new Map(scored.map(({ item, score }) => [item, most > 0 ? Math.max(0, score) / most : 1]));
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
