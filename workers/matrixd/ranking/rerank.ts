/**
 * Reranks the best candidates by their words alone: local, without a model.
 *
 *   coverage   the share of the query's terms that the row has, each by its inverse document frequency among the
 *              candidates (Robertson and Spärck Jones 1976, in the form of BM25), and a little more. A term that is there in another inflection or with a slip of the pen counts in part.
 *   proximity  the terms found, over the shortest stretch of text that holds them all (Tao and Zhai 2007, "An
 *              Exploration of Proximity Measures in Information Retrieval": the span measure): 1 for a phrase.
 *   metadata   the share of the terms that stand in a metadata value of few words, as `Chicago` in a city: what a
 *              column says is meant, what a note mentions may be by the way.
 */

export interface RerankScores {
  coverage: number;
  proximity: number;
  metadata: number;
  /** 0 to 1: the three by their weights. */
  rerank: number;
}

interface Document {
  text: string;
  metadata: Readonly<Record<string, unknown>>;
}

/** Measured on labelled queries: ADR 0096. */
const partWeights = { coverage: 0.65, proximity: 0.15, metadata: 0.2 } as const;

/** What a term counts that all candidates have: they were chosen by it, so it is not without meaning. Measured: ADR 0096. */
const weightMin = 0.5;
/** A term that is only like one of the row's words, by its pieces, counts so much at most. */
const likenessMin = 0.5;
/** Words of a row that are read: about 20 pages. */
const wordsMax = 8192;
/** Terms of a query that are looked for. */
const termsMax = 64;
/** A metadata value of more words is prose. */
const valueWordsMax = 6;

const wordPattern = /[\p{L}\p{N}\p{M}]+[+#]*/gu;
const functionWords = new Set(
  "a an and any are as at be by can do for from has have i in is it me my near need of on or our some someone that the this to us want we who with you".split(
    " ",
  ),
);

const wordsOf = (text: string): string[] => {
  const words: string[] = [];
  for (const [word] of text.normalize("NFKC").toLowerCase().matchAll(wordPattern)) {
    words.push(word);
    if (words.length === wordsMax) break;
  }
  return words;
};

/** The query's terms, each once; all its words when it has none but function words. */
export function termsOf(query: string): string[] {
  const words = [...new Set(wordsOf(query))];
  const terms = words.filter((word) => !functionWords.has(word));
  return (terms.length > 0 ? terms : words).slice(0, termsMax);
}

/** Scores every document; in their order. Nothing is kept between calls. */
export function rerank(query: string, documents: readonly Document[]): RerankScores[] {
  const terms = termsOf(query).map((word) => ({ word, pieces: piecesOf(word) }));
  const seen = documents.map((document) => read(terms, document));
  const weights = terms.map((_, at) => {
    const having = seen.reduce((sum, { matches }) => sum + (matches[at] ?? 0), 0);
    return weightMin + Math.log(1 + (documents.length - having + 0.5) / (having + 0.5));
  });
  const whole = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  return seen.map(({ matches, columns, proximity }) => {
    const share = (of: readonly number[]) =>
      of.reduce((sum, match, at) => sum + match * (weights[at] ?? 0), 0) / whole;
    const [coverage, metadata] = [share(matches), share(columns)];
    const rerank =
      partWeights.coverage * coverage + partWeights.proximity * proximity + partWeights.metadata * metadata;
    return { coverage, proximity, metadata, rerank };
  });
}

interface Term {
  word: string;
  pieces: ReadonlySet<string>;
}

interface Seen {
  /** 0 to 1 a term. */
  matches: number[];
  columns: number[];
  proximity: number;
}

function read(terms: readonly Term[], { text, metadata }: Document): Seen {
  const words = wordsOf(text);
  const known = new Map<string, number[]>();
  const likeness = (term: Term, word: string): number => {
    let all = known.get(word);
    if (!all) {
      const pieces = piecesOf(word);
      all = terms.map((one) => likenessOf(one, word, pieces));
      known.set(word, all);
    }
    return all[terms.indexOf(term)] ?? 0;
  };
  const best = (term: Term, among: readonly string[]) =>
    among.reduce((most, word) => Math.max(most, likeness(term, word)), 0);
  const values = Object.values(metadata)
    .filter((value) => typeof value === "string" || typeof value === "number")
    .map((value) => wordsOf(String(value)))
    .filter((value) => value.length <= valueWordsMax)
    .flat();
  const columns = terms.map((term) => best(term, values));
  const inText = terms.map((term) => best(term, words));
  return {
    matches: inText.map((match, at) => Math.max(match, columns[at] ?? 0)),
    columns,
    proximity: proximityOf(terms, words, likeness),
  };
}

/** Terms found over the shortest stretch that holds all of them; 0 with fewer than two. */
function proximityOf(
  terms: readonly Term[],
  words: readonly string[],
  likeness: (term: Term, word: string) => number,
): number {
  const places = words.flatMap((word, at) =>
    terms.flatMap((term, which) => (likeness(term, word) > 0 ? [{ at, which }] : [])),
  );
  const wanted = new Set(places.map(({ which }) => which)).size;
  if (wanted < 2) return 0;
  const counts = new Map<number, number>();
  let shortest = Number.POSITIVE_INFINITY;
  let from = 0;
  for (const { at, which } of places) {
    counts.set(which, (counts.get(which) ?? 0) + 1);
    while (counts.size === wanted) {
      const first = places[from++];
      if (!first) break;
      shortest = Math.min(shortest, at - first.at + 1);
      const left = (counts.get(first.which) ?? 0) - 1;
      if (left === 0) counts.delete(first.which);
      else counts.set(first.which, left);
    }
  }
  return (Math.min(1, wanted / shortest) * wanted) / terms.length;
}

/** 1 for the same word; else how many pieces of three letters they share (Dice), where that is at least `likenessMin`. */
function likenessOf({ word, pieces }: Term, other: string, otherPieces: ReadonlySet<string>): number {
  if (word === other) return 1;
  // Numbers are alike or not: 10 is not nearly 100.
  if (pieces.size === 0 || otherPieces.size === 0 || /\d/.test(word) || /\d/.test(other)) return 0;
  let shared = 0;
  for (const piece of pieces) if (otherPieces.has(piece)) shared++;
  const dice = (2 * shared) / (pieces.size + otherPieces.size);
  return dice >= likenessMin ? dice : 0;
}

/** Pieces of three letters, with the ends of the word marked. */
function piecesOf(word: string): ReadonlySet<string> {
  const marked = `<${word}>`;
  const pieces = new Set<string>();
  for (let at = 0; at + 3 <= marked.length; at++) pieces.add(marked.slice(at, at + 3));
  return pieces;
}
