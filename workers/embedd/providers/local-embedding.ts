/**
 * The default model: what a text's tokens mean beside how its words are spelled, in one vector. The meaning is static
 * (`static-embedding.ts`); the spelling is that of `lexical`, in fewer numbers, and bears typos and words that no
 * vocabulary has. A cosine is the sum of both, each by its share.
 */
import { createSketch, type Sketch } from "./lexical-embedding.ts";
import { createStaticSum, type TokenWeights } from "./static-embedding.ts";
import { type StaticVectors, staticDimension } from "./static-vectors.ts";

/** Numbers for the spelling. */
const spelledDimension = 256;
/** Shares of a cosine, measured on labelled sets: ADR 0207. */
const shares = { meaning: 0.8, spelling: 0.2 } as const;

export interface LocalSketch extends Omit<Sketch, "read"> {
  read: (text: string, weights?: TokenWeights) => Generator<void, void>;
}

/** Numbers of a vector. */
export const localDimension = staticDimension + spelledDimension;

export function createLocalSketch(vectors: StaticVectors): LocalSketch {
  const meaning = createStaticSum(vectors);
  let weights: TokenWeights | undefined;
  const spelling = createSketch(spelledDimension, (run) => meaning.add(run, weights));
  return {
    read: (text, own) => {
      weights = own;
      return spelling.read(text);
    },
    finish: (into) => {
      const first = into.subarray(0, vectors.dimension);
      const second = into.subarray(vectors.dimension);
      spelling.finish(second);
      const isKnown = meaning.finish(first, Math.sqrt(shares.meaning));
      // A text without a single known piece, as of emoji, is its spelling alone.
      const length = isKnown ? Math.sqrt(shares.spelling) : 1;
      for (let at = 0; at < second.length; at++) second[at] = (second[at] as number) * length;
    },
    clear: () => {
      meaning.clear();
      spelling.clear();
    },
  };
}
