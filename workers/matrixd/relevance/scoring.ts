/**
 * Whether a chunk belongs to what one is working on, or only lies beside it.
 *
 * Each kind of evidence has a strength, and together they are a noisy-or, 1 − Π(1 − strength): independent causes that
 * each suffice (Pearl 1988, "Probabilistic Reasoning in Intelligent Systems"). That retrieved text of the right
 * neighbourhood and the wrong subject harms is from Shi et al. 2023, "Large Language Models Can Be Easily Distracted by
 * Irrelevant Context" (arXiv 2302.00093). The strengths were set by hand and are held to labelled chunks by a test.
 */
import type { Chunk } from "../schemas/schemas.ts";
import { type PathNearness, pathNearness } from "./paths.ts";
import { definedIn, folded, isGeneric, stem, termWords, type WordsOfText, wordsOf } from "./words.ts";

const strengths = {
  path: { file: 0.9, name: 0.5, companion: 0.4, directory: 0.15, none: 0 } satisfies Record<
    PathNearness,
    number
  >,
  definition: 0.8,
  mention: 0.45,
  /** All the terms. */
  terms: 0.8,
};
/** What a word that stands in any program counts beside one that does not. */
const genericShare = 0.2;
/** So many terms found are as good as all of them. */
const termsEnough = 8;
/** What is left of a chunk that shares its directory or generic words alone, and the most it comes to. */
const adjacentShare = 0.5;
const adjacentMax = 0.25;

/** Terms and reasons that an answer names; more are counted. */
const namedMax = 8;

/** A chunk below it is dropped unless the request says otherwise: half of the terms keep one, a neighbour alone does not. */
export const thresholdDefault = 0.3;

interface Focus {
  path?: string;
  symbols?: readonly string[];
  terms?: readonly string[];
}

interface Relevance {
  /** 0 to 1. */
  score: number;
  because: string[];
}

interface Evidence {
  strength: number;
  because: string;
  /** Says nothing of the chunk itself. */
  adjacent?: true;
}

/** Prepares the focus once; the function it gives scores one chunk. */
export function relevanceTo(focus: Focus): (chunk: Chunk) => Relevance {
  const { symbols, terms } = prepared(focus);
  return (chunk) => {
    const words = wordsOf(chunk.text);
    const defined = symbols.length > 0 ? definedIn(chunk.text) : new Set<string>();
    for (const name of chunk.symbols ?? []) defined.add(name);
    const evidence = [
      ...pathEvidence(focus.path, chunk.path),
      ...symbols.flatMap((symbol) => symbolEvidence(symbol, words, defined)),
      ...termEvidence(terms, words),
    ];
    return judged(evidence);
  };
}

/** A focus that is generic altogether is taken at its word: there is nothing better to go by. */
function prepared(focus: Focus): { symbols: FocusSymbol[]; terms: Term[] } {
  const symbols = [...new Set(focus.symbols ?? [])].map(symbolOf).filter(({ words }) => words.length > 0);
  const terms = [...new Set((focus.terms ?? []).map(folded))]
    .map(termOf)
    .filter(({ stems }) => stems.length > 0);
  if ([...symbols, ...terms].some(({ weight }) => weight === 1)) return { symbols, terms };
  const whole = <T extends { weight: number }>(each: T): T => ({ ...each, weight: 1 });
  return { symbols: symbols.map(whole), terms: terms.map(whole) };
}

function judged(evidence: readonly Evidence[]): Relevance {
  const score = 1 - evidence.reduce((left, { strength }) => left * (1 - strength), 1);
  const because = evidence.slice(0, namedMax).map((each) => each.because);
  if (evidence.length > namedMax) because.push(`and ${evidence.length - namedMax} more`);
  if (evidence.length === 0) return { score: 0, because: ["nothing of the focus is in it"] };
  if (!evidence.every(({ adjacent }) => adjacent)) return { score: rounded(score), because };
  return {
    score: rounded(Math.min(adjacentMax, score * adjacentShare)),
    because: [...because, "only adjacent: nothing of its own is in the focus"],
  };
}

const rounded = (score: number): number => Math.round(score * 10_000) / 10_000;

function pathEvidence(focus: string | undefined, path: string | undefined): Evidence[] {
  if (focus === undefined || path === undefined) return [];
  const nearness = pathNearness(focus, path);
  const strength = strengths.path[nearness];
  if (nearness === "none") return [];
  if (nearness === "directory") return [{ strength, because: `same directory as ${focus}`, adjacent: true }];
  const says = { file: "is the file", name: "has the name of", companion: "is the companion of" }[nearness];
  return [{ strength, because: `${says} ${focus}` }];
}

interface FocusSymbol {
  name: string;
  /** Its last part as it is written: `get` of `Store.get`. */
  last: string;
  /** All its identifiers, folded. */
  words: string[];
  weight: number;
}

function symbolOf(name: string): FocusSymbol {
  const identifiers = [...name.matchAll(/[\p{L}_$][\p{L}\p{N}_$]*/gu)].map(([each]) => each);
  const words = identifiers.map(folded);
  return { name, last: identifiers.at(-1) ?? "", words, weight: words.every(isGeneric) ? genericShare : 1 };
}

function symbolEvidence(
  { name, last, words, weight }: FocusSymbol,
  { names }: WordsOfText,
  defined: ReadonlySet<string>,
): Evidence[] {
  const generic = weight < 1 && { adjacent: true as const };
  const owners = words.slice(0, -1);
  if (defined.has(name) || (defined.has(last) && owners.every((owner) => names.has(owner))))
    return [{ strength: strengths.definition * weight, because: `defines ${name}`, ...generic }];
  if (words.every((word) => names.has(word)))
    return [{ strength: strengths.mention * weight, because: `mentions ${name}`, ...generic }];
  return [];
}

interface Term {
  text: string;
  stems: string[];
  weight: number;
}

function termOf(text: string): Term {
  const words = termWords(text);
  return { text, stems: words.map(stem), weight: words.every(isGeneric) ? genericShare : 1 };
}

function termEvidence(terms: readonly Term[], { stems }: WordsOfText): Evidence[] {
  if (terms.length === 0) return [];
  const found = terms.filter((term) => term.stems.every((each) => stems.has(each)));
  if (found.length === 0) return [];
  const sum = (some: readonly Term[]) => some.reduce((total, { weight }) => total + weight, 0);
  // Of generic terms alone no chunk is covered: each still counts no more than its share.
  const whole = Math.min(termsEnough, Math.max(1, sum(terms)));
  const coverage = Math.min(1, sum(found) / whole);
  const named = found.slice(0, namedMax).map(({ text }) => text);
  const more = found.length > namedMax ? ` and ${found.length - namedMax} more` : "";
  const adjacent = found.every(({ weight }) => weight < 1) && { adjacent: true as const };
  const because = `has ${found.length} of ${terms.length} terms: ${named.join(", ")}${more}`;
  return [{ strength: strengths.terms * coverage, because, ...adjacent }];
}
