/**
 * Text → token numbers, as BERT's uncased models cut it: words and punctuation, then the longest pieces that the
 * vocabulary has (WordPiece). Sources: `BasicTokenizer` and `WordpieceTokenizer` of the BERT release, Devlin et al. 2018.
 * Held against the reference implementation in the tests.
 */

export interface Vocabulary {
  /** Pieces that begin a word, to their numbers. */
  whole: ReadonlyMap<string, number>;
  /** Pieces that go on in a word, without the `##` in front. */
  inside: ReadonlyMap<string, number>;
}

/** A vocabulary as BERT writes it: a piece a line, `##` before those that go on; the line is the number. */
export function readVocabulary(lines: string): Vocabulary {
  const whole = new Map<string, number>();
  const inside = new Map<string, number>();
  for (const [number, piece] of lines.split("\n").entries()) {
    if (piece.startsWith("##") && piece.length > 2) inside.set(piece.slice(2), number);
    else whole.set(piece, number);
  }
  return { whole, inside };
}

/** BERT's own bound: a longer word is unknown. */
const wordMax = 100;
/** CJK ideographs stand alone; so does every sign. ASCII signs that Unicode calls symbols are punctuation to BERT. */
const wordPattern =
  /[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u{20000}-\u{2fa1f}]|[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u{20000}-\u{2fa1f}]+/gu;
const marks = /\p{Mn}/gu;
const controls = /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\ufffd]/gu;
/** Exactly the characters that need no Unicode rules. */
const plain = /^[\x21-\x7e]*$/;

/** The words of a run of text without white space, lower-cased and without accents. */
export function wordsOfRun(run: string): string[] {
  const folded = plain.test(run)
    ? run.toLowerCase()
    : run.replace(controls, "").toLowerCase().normalize("NFD").replace(marks, "");
  return folded.match(wordPattern) ?? [];
}

/** Adds the numbers of a word's pieces; answers whether the vocabulary has pieces for all of it, and adds none if not. */
export function piecesOf(word: string, { whole, inside }: Vocabulary, into: number[]): boolean {
  if (word.length > wordMax) return false;
  const began = into.length;
  for (let from = 0; from < word.length; ) {
    const known = from === 0 ? whole : inside;
    let to = word.length;
    let number: number | undefined;
    for (; to > from; to--) {
      number = known.get(from === 0 && to === word.length ? word : word.slice(from, to));
      if (number !== undefined) break;
    }
    if (number === undefined) {
      into.length = began;
      return false;
    }
    into.push(number);
    from = to;
  }
  return true;
}
