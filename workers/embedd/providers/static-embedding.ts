/**
 * Text → numbers by meaning: the mean of its tokens' static vectors, each the token's alone after a sentence model.
 * Source: static distillation, Model2Vec (Tulkens and van Dongen 2024); weights of tokens by their frequency, Arora et
 * al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings".
 */
import type { StaticVectors } from "./static-vectors.ts";
import { piecesOf, wordsOfRun } from "./word-pieces.ts";

/** What each token counts in a corpus, beside what it counts in every text: a number a token. */
export type TokenWeights = Float32Array;

/** Adds the tokens of texts, run by run. */
export interface StaticSum {
  /** A run of characters without white space. */
  add: (run: string, weights?: TokenWeights) => void;
  /** Writes the sum with the length given; zeros when no token was known. Answers whether any was, and forgets them. */
  finish: (into: Float32Array, length: number) => boolean;
  clear: () => void;
}

export function createStaticSum({ vocabulary, dimension, rows, scales }: StaticVectors): StaticSum {
  const sums = new Float64Array(dimension);
  const pieces: number[] = [];
  return {
    add: (run, weights) => {
      for (const word of wordsOfRun(run)) {
        pieces.length = 0;
        if (!piecesOf(word, vocabulary, pieces)) continue;
        for (const piece of pieces) {
          const scale = (scales[piece] as number) * (weights?.[piece] ?? 1);
          const from = piece * dimension;
          for (let at = 0; at < dimension; at++)
            sums[at] = (sums[at] as number) + scale * (rows[from + at] as number);
        }
      }
    },
    finish: (into, length) => {
      let square = 0;
      for (let at = 0; at < dimension; at++) square += (sums[at] as number) ** 2;
      const factor = square === 0 ? 0 : length / Math.sqrt(square);
      for (let at = 0; at < dimension; at++) into[at] = (sums[at] as number) * factor;
      sums.fill(0);
      return square !== 0;
    },
    clear: () => void sums.fill(0),
  };
}
