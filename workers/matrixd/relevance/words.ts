/** Words of texts and identifiers, folded and stemmed, and the names a text defines. */

/** Words of any program or page: sharing them says that two texts are neighbours, not that they are of one thing. */
const genericWords = new Set(
  `a an and are as at be by can do does for from has have how if in is it its me my no not of on one or our so that the
  their then there these this to us use was we what when where which who why will with you your
  add all any app arg args array async await base body bool boolean build call case check class code common config const
  context copy core count create data date default delete do done else end entry error errors event export fail false file
  files find first flag format func function get handle handler has id import index info init input int integer interface
  is item items key kind last len length let line lines list load log main make map max message method min module name names
  new next node null num number object obj off ok old open option options out output param params parse part path print
  private process public put read remove request res response result results return row run save self send service set
  size start state static status step stop store str string sub sum table test tests text this time tmp true type types
  undefined update use user util utils val value values var version view void with work write`.split(/\s+/),
);

export const isGeneric = (word: string): boolean => word.length < 2 || genericWords.has(word);

const identifier = /[\p{L}_$][\p{L}\p{N}_$]*|\p{N}+/gu;
/** `parseHttpRequest` and `parse_http_request` are parse, http and request. */
const parts = /\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{M}]+|\p{N}+/gu;

export interface WordsOfText {
  /** Identifiers, folded. */
  names: ReadonlySet<string>;
  /** Stems of words, and of the words in identifiers. */
  stems: ReadonlySet<string>;
}

export const folded = (text: string): string => text.normalize("NFKC").toLowerCase();

export function wordsOf(text: string): WordsOfText {
  const names = new Set<string>();
  const stems = new Set<string>();
  for (const [name] of text.matchAll(identifier)) {
    const whole = folded(name);
    if (names.has(whole)) continue;
    names.add(whole);
    stems.add(stem(whole));
    for (const [part] of name.matchAll(parts)) stems.add(stem(folded(part)));
  }
  return { names, stems };
}

/** The words of a term, folded and in their order; `name` is what a symbol is looked up by. */
export const termWords = (term: string): string[] =>
  [...term.matchAll(identifier)].flatMap(([name]) => [...name.matchAll(parts)].map(([part]) => folded(part)));

const hasVowel = (text: string): boolean => /[aeiouy]/.test(text);
/** Porter's m > 0: a vowel, and a consonant after it. */
const hasMeasure = (text: string): boolean => /[aeiouy][^aeiouy]/.test(text);

/**
 * Steps 1a to 1c of Porter 1980, "An algorithm for suffix stripping": plurals, -ed, -ing and -y. The later steps strip
 * derivations, which tell names of code apart (`compaction`, `compact`).
 */
export function stem(word: string): string {
  if (word.length < 3 || !/^[a-z]+$/.test(word)) return word;
  let stemmed = word;
  if (stemmed.endsWith("sses")) stemmed = stemmed.slice(0, -2);
  else if (stemmed.endsWith("ies")) stemmed = stemmed.slice(0, -2);
  else if (stemmed.endsWith("s") && !stemmed.endsWith("ss")) stemmed = stemmed.slice(0, -1);
  stemmed = withoutPast(stemmed);
  return stemmed.endsWith("y") && hasVowel(stemmed.slice(0, -1)) ? `${stemmed.slice(0, -1)}i` : stemmed;
}

function withoutPast(word: string): string {
  if (word.endsWith("eed")) return hasMeasure(word.slice(0, -3)) ? word.slice(0, -1) : word;
  const suffix = ["ed", "ing"].find((each) => word.endsWith(each) && hasVowel(word.slice(0, -each.length)));
  if (suffix === undefined) return word;
  const base = word.slice(0, -suffix.length);
  if (/(at|bl|iz)$/.test(base)) return `${base}e`;
  if (/([^aeioulsz])\1$/.test(base)) return base.slice(0, -1);
  return /^[^aeiou]*[aeiouy][^aeiouwxy]$/.test(base) ? `${base}e` : base;
}

/** What stands before a defined name in the common languages, SQL among them. */
const definition =
  /\b(?:function\*?|class|interface|type|enum|struct|trait|impl|def|fn|func|fun|sub|proc|module|namespace|package|const|let|var|val|table|view|procedure|TABLE|VIEW|PROCEDURE|FUNCTION)\s+(?:IF NOT EXISTS\s+|if not exists\s+)?([\p{L}_$][\p{L}\p{N}_$]*)/gu;
/** Go's methods: `func (s *Store) Get(`. */
const goMethod = /\bfunc\s?\([^()\n]{1,100}\)\s?([\p{L}_][\p{L}\p{N}_]*)/gu;
/** `name(…) {` at the beginning of a line, which control flow looks like, too. */
const method =
  /^[ \t]{0,40}(?:[a-z]{1,12}[ \t]+){0,4}([\p{L}_$][\p{L}\p{N}_$]*)[ \t]?\([^()\n]{0,200}\)[^{}()\n;=]{0,100}\{/gmu;
const controlFlow = new Set(["if", "for", "while", "switch", "catch", "return", "function", "with", "match"]);

/** Names that the text defines, as they are written. */
export function definedIn(text: string): Set<string> {
  const names = new Set<string>();
  for (const pattern of [definition, goMethod, method])
    for (const [, name = ""] of text.matchAll(pattern)) if (!controlFlow.has(name)) names.add(name);
  return names;
}
