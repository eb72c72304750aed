/**
 * Several rankings made one, by their scores. Each part of a score stands on a scale of its own that no other candidate
 * moves: a cosine, a cosine of spellings, and words over the most that any row could have for the query. So a ranking that
 * found nothing good says so by small numbers and does not get in the way of one that did; brought to 0…1 among its own
 * candidates, as relative score fusion does (Bruch, Gai and Ingber 2023), its best guess would count as much as a
 * perfect match. ADR 0245.
 */
import { embeddedModels, lexicalModel } from "../models/models.ts";

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
  /** What the words found weigh, over the most that any row could have. */
  words: number;
}

/** Spelling counts twice what words count: together they are the lexical side (ADR 0245). */
const spellingShare = 2 / 3;

/** The parts by their weights, which need not add up to 1. */
export function scoreOf({ vector, sentence = vector, spelling, words }: Parts, weights: Weights): number {
  const meaning = (vector + sentence) / 2;
  const lexical = spellingShare * spelling + (1 - spellingShare) * words;
  return weightedMean([
    [meaning, weights.vector],
    [lexical, weights.lexical],
  ]);
}

/** The parts, each with its weight; the weights need not add up to 1, and must not all be 0. */
export function weightedMean(parts: readonly (readonly [part: number, weight: number])[]): number {
  let sum = 0;
  let whole = 0;
  for (const [part, weight] of parts) {
    sum += part * weight;
    whole += weight;
  }
  return sum / whole;
}
