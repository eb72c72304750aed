/**
 * A corpus as searches see it. Its rows are numbered; a row that changes gets a new number, and the old one is dead
 * from the moment of the swap on. The truth is the corpus's own database: what it does not call live is not there,
 * whatever the vector index says. In vectord each row is the item `String(number)` with the corpus's metadata columns
 * and its own number under `rowField`, so that row sets can be filters.
 */
import type { CorpusRow, LexicalRow, TextPart } from "../lexicon/lexicon.ts";
import type { Corpus } from "../schemas/schemas.ts";

interface LexicalAsk {
  text: string;
  k: number;
  /** In vectord's grammar. */
  filter?: Record<string, unknown>;
  /** Only these rows; numbers of live rows. */
  among?: readonly number[];
  signal: AbortSignal;
}

/** One generation of a corpus. It stays readable until the last search that holds it has let go. */
export interface LiveCorpus {
  info: Corpus;
  generation: number;
  rows: number;
  /** vectord's index. */
  index: string;
  model: string;
  dimension: number;
  /** Best first by BM25; larger scores are better. Words of the query are alternatives; nothing in it is syntax. */
  lexical: (ask: LexicalAsk) => Promise<LexicalRow[]>;
  /** The rows of these numbers, in their order; those that are not live are left out. */
  read: (numbers: readonly number[], options?: { text?: TextPart }) => Promise<CorpusRow[]>;
  /** The numbers of these ids, in their order; undefined for ids that are not there. */
  numbersOf: (ids: readonly string[]) => Promise<(number | undefined)[]>;
  release: () => void;
}

export interface Corpora {
  /** Throws `not_found`, `unavailable` while it is built for the first time, or `corrupt` when it is damaged. */
  hold: (name: string) => LiveCorpus;
  list: () => Corpus[];
}
