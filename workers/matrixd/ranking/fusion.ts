/**
 * Several rankings made one, by their scores. Each part of a score stands on a scale of its own that no other candidate
 * moves: a cosine, a cosine of spellings, and BM25 over the most that any row could have for the query. So a ranking that
 * found nothing good says so by small numbers and does not get in the way of one that did; brought to 0…1 among its own
 * candidates, as relative score fusion does (Bruch, Gai and Ingber 2023), its best guess would count as much as a
 * perfect match. ADR 0245.
 */
import { embeddedModels, lexicalModel } from "../../../runtime/models/models.ts";

export interface Weights {
  vector: number;
  lexical: number;
}

/**
 * What each side counts unless a search or profile says so, by the model behind the vectors (ADR 0245): a sentence model
 * leads, the static one goes along, and the one by spelling sees what words see anyway.
 */
export function weightsOf(model: string, given: Partial<Weights> | undefined): Weights {
  const measured =
    model === lexicalModel ? bySpelling : embeddedModels.has(model) ? byStaticVectors : bySentences;
  return { ...measured, ...given };
}
const bySentences: Weights = { vector: 0.7, lexical: 0.3 };
const byStaticVectors: Weights = { vector: 0.45, lexical: 0.55 };
const bySpelling: Weights = { vector: 0.2, lexical: 0.8 };

/** What a hybrid search knows of a row, each from 0 to 1, a cosine from −1. */
export interface Parts {
  /** The cosine; with `sentence` its mean with that of the nearest sentence. */
  vector: number;
  sentence?: number | undefined;
  spelling: number;
  /** BM25 over the most that any row could have. */
  words: number;
}

/** Spelling counts twice what words count: together they are the lexical side (ADR 0245). */
const spellingShare = 2 / 3;

/** The parts by their weights, which need not add up to 1. */
export function scoreOf({ vector, sentence = vector, spelling, words }: Parts, weights: Weights): number {
  const meaning = (vector + sentence) / 2;
  const lexical = spellingShare * spelling + (1 - spellingShare) * words;
  return (weights.vector * meaning + weights.lexical * lexical) / (weights.vector + weights.lexical);
}

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
