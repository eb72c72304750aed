/** Rules on what an output claims: numbers, names and quotations that its evidence does or does not hold. */
import { type Finding, type Rule, type Subject, someOf } from "./rule.ts";

// Log-odds, as in form.ts.
const contradicted = -3;
const unsupportedEach = -1.25;
/** The most that all unsupported claims weigh together. */
const unsupportedMost = -4;
const supportedMost = 1.5;
/** With fewer supported claims the bonus is smaller. */
const supportedFully = 3;
const unchecked = -0.5;

interface Claims {
  /** As they count: `1,200` is 1200, `85 %` is 85. */
  numbers: string[];
  names: string[];
  quotations: string[];
}

const numberPattern =
  /(?<![\p{L}\p{N}.-])[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\p{L}\p{N}.])[-+]?\d+(?:\.\d+)?/gu;

/** A number as written, as it counts: no thousands separators, no trailing zeros, no plus. */
export function canonicalNumber(text: string): string {
  const value = Number(text.replaceAll(",", ""));
  return Number.isSafeInteger(value) || /\./.test(text) ? String(value) : text.replaceAll(",", "");
}

const numbersOf = (text: string): string[] => (text.match(numberPattern) ?? []).map(canonicalNumber);

/** `1.` and `2)` at the beginning of a line count the line. */
const withoutListMarks = (text: string): string => text.replace(/^[^\S\n]*\d{1,3}[.)]\s/gm, "");

const quotePattern = /["“]([^"“”\n]{3,300})["”]/g;
/** Capitalised words in a row, or an identifier such as OSHA-10. */
const namePattern = /\b\p{Lu}{2,}-?\d[\p{L}\p{N}-]*\b|\b\p{Lu}[\p{L}'’-]+(?:[ \t]+\p{Lu}[\p{L}'’-]+)*/gu;
/** Text before the first word of a sentence, a line or a list item. */
const sentenceStart = /([.!?:"“”(]\s*|(^|\n)[\s>#*•-]*)$/;
const startChars = 20;

/** Where a sentence begins any word has a capital: the first of a row is left out there, unless two make a name. */
function namesOf(text: string): string[] {
  return [...text.matchAll(namePattern)].flatMap((match) => {
    const [name] = match;
    if (/\d/.test(name)) return [name];
    const words = name.split(/[ \t]+/);
    const starts = sentenceStart.test(text.slice(Math.max(0, match.index - startChars), match.index));
    const kept = starts && (words.length === 1 || plainWord.test(words[0] ?? "")) ? words.slice(1) : words;
    // One word in capitals alone is an abbreviation of the trade, as SQL.
    return kept.length > 1 || /^\p{Lu}\p{Ll}/u.test(kept[0] ?? "") ? [kept.join(" ")] : [];
  });
}

const plainWord =
  /^(The|A|An|In|On|At|For|From|With|This|That|These|Those|It|He|She|We|They|Our|His|Her|Its|And|But|Yes|No|Dear|I)$/;

/** Claims of one kind that are checked: each may have to be searched for in megabytes of evidence. */
const claimsMost = 200;
const once = (claims: readonly string[]): string[] => [...new Set(claims)].slice(0, claimsMost);

/** What an output states that could be wrong, each once. */
export function claimsOf(output: string): Claims {
  const text = withoutListMarks(output);
  return {
    numbers: once(numbersOf(text.replace(/\b\p{Lu}{2,}-?\d[\p{L}\p{N}-]*\b/gu, " "))),
    names: once(namesOf(text)),
    quotations: once([...text.matchAll(quotePattern)].map((match) => match[1] ?? "")),
  };
}

const flat = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

/** The claims that none of the texts contains. */
function missingFrom(texts: readonly string[], { numbers, names, quotations }: Claims): Set<string> {
  const known = new Set(texts.flatMap(numbersOf));
  const all = ` ${texts.map(flat).join(" ")} `;
  return new Set([
    ...numbers.filter((number) => !known.has(number) && !known.has(percentOf(number))),
    ...names.filter((text) => !all.includes(` ${flat(text)} `)),
    ...quotations.filter((text) => !all.includes(flat(text))),
  ]);
}

/** 85 where the evidence says 0.85. */
const percentOf = (number: string): string => String(Number((Number(number) / 100).toFixed(6)));

const supportRule: Rule = ({ task, output, evidence }) => {
  const claims = claimsOf(output);
  const total = claims.numbers.length + claims.names.length + claims.quotations.length;
  if (total === 0) return [];
  // What the task itself says may be repeated, but proves nothing.
  const own = missingFrom([task], claims);
  if (evidence.length === 0) {
    if (own.size === 0) return [];
    const detail = `no evidence was given for ${someOf([...own])}`;
    return [{ rule: "unchecked_claims", weight: unchecked, detail }];
  }
  const unproven = missingFrom(evidence, claims);
  const missing = [...unproven].filter((claim) => own.has(claim));
  const supported = total - unproven.size;
  const found: Finding[] = [];
  if (missing.length > 0) {
    const weight = Math.max(unsupportedMost, unsupportedEach * missing.length);
    found.push({ rule: "unsupported_claims", weight, detail: `in none of the evidence: ${someOf(missing)}` });
  }
  if (supported > 0) {
    // Squared: one wrong claim spoils more than its share.
    const share = supported / (supported + missing.length);
    const weight = round(supportedMost * share ** 2 * Math.min(1, supported / supportedFully));
    found.push({
      rule: "supported_claims",
      weight,
      detail: `${supported} of ${total} claims are in the evidence`,
    });
  }
  return found;
};

const round = (value: number): number => Math.round(value * 100) / 100;

/**
 * `availability is 0.9`, `rate: 25`, `pay of $21.50`: a word that says what the number is of. It begins where a word
 * does, so that a long text without numbers costs no more than its length.
 */
const labelled =
  /(?<![\p{L}_])(\p{L}[\p{L}_]{2,60})(?![\p{L}_])["']?\s*(?:is|are|was|were|=|:|of|equals|at)\s*["']?[$€£]?([-+]?\d[\d,]*(?:\.\d+)?)(?![\p{L}\p{N}-])/giu;

function labelledNumbers(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, label = "", number = ""] of text.matchAll(labelled)) {
    const key = label.toLowerCase();
    const numbers = found.get(key) ?? new Set();
    found.set(key, numbers.add(canonicalNumber(number.replace(/,$/, ""))));
  }
  return found;
}

/** A number the evidence gives under the same word, but never as this one. */
const contradictionRule: Rule = ({ output, evidence }) => {
  if (evidence.length === 0) return [];
  const known = labelledNumbers(evidence.join("\n"));
  const wrong = [...labelledNumbers(output)].flatMap(([label, numbers]) => {
    const right = known.get(label);
    if (!right) return [];
    const has = (number: string) => right.has(number) || right.has(percentOf(number));
    return [...numbers]
      .filter((number) => !has(number))
      .map((number) => `${label} ${number}, evidence says ${[...right].slice(0, 3).join(" or ")}`);
  });
  return wrong.length === 0
    ? []
    : [{ rule: "contradicts_evidence", weight: contradicted, detail: someOf(wrong) }];
};

/** All rules on claims. */
export const claimRules = (subject: Subject): Finding[] => [
  ...contradictionRule(subject),
  ...supportRule(subject),
];
