/**
 * How alike a query and texts are in their spelling: the cosine of TF-IDF over pieces of three to five characters, each
 * within a word, with its ends marked. It bears inflection, typos and words that are parts of others, which neither stems
 * nor tokens do. The frequencies are those among the texts given; on labelled sets they ranked as well as a corpus's own
 * (ADR 0245), and nothing has to be stored. Counts are dampened by a logarithm (Salton and Buckley 1988).
 */

const pieceMin = 3;
const pieceMax = 5;
/** Pieces are counted by their hash: of 10,000 different ones 4 % share a place. */
const placeBits = 18;
/** Characters of a candidate's text that are looked at: about a page. */
export const charactersRead = 2048;
/** A longer word is cut: it is data, not a word. */
const wordMax = 64;

const wordPattern = /[\p{L}\p{N}\p{M}]+[+#]*/gu;
const edge = 0x20;

/** The pieces of a text, by their places, and how often each is there. */
function piecesOf(text: string): Map<number, number> {
  const pieces = new Map<number, number>();
  const folded = text.slice(0, charactersRead).normalize("NFKC").toLowerCase();
  for (const [found] of folded.matchAll(wordPattern)) {
    const word = found.slice(0, wordMax);
    const length = word.length + 2;
    for (let from = 0; from + pieceMin <= length; from++) {
      let hash = 0x811c9dc5;
      const to = Math.min(from + pieceMax, length);
      for (let at = from; at < to; at++) {
        const unit = at === 0 || at === length - 1 ? edge : word.charCodeAt(at - 1);
        hash = Math.imul(hash ^ unit, 0x01000193);
        if (at - from + 1 < pieceMin) continue;
        const place = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> (32 - placeBits);
        pieces.set(place, (pieces.get(place) ?? 0) + 1);
      }
    }
  }
  return pieces;
}

/** From 0 to 1 a text, in their order. */
export function spelledAlike(query: string, texts: readonly string[]): number[] {
  const documents = texts.map(piecesOf);
  const having = new Uint16Array(1 << placeBits);
  for (const pieces of documents)
    for (const place of pieces.keys()) having[place] = (having[place] as number) + 1;
  const weight = (place: number, count: number) =>
    (1 + Math.log(count)) * (1 + Math.log((1 + texts.length) / (1 + (having[place] as number))));
  const asked = [...piecesOf(query)].map(([place, count]) => ({ place, weight: weight(place, count) }));
  const askedLength = Math.hypot(...asked.map((one) => one.weight));
  return documents.map((pieces) => {
    let square = 0;
    for (const [place, count] of pieces) square += weight(place, count) ** 2;
    let product = 0;
    for (const one of asked) {
      const count = pieces.get(one.place);
      if (count !== undefined) product += one.weight * weight(one.place, count);
    }
    return square === 0 || askedLength === 0 ? 0 : product / (Math.sqrt(square) * askedLength);
  });
}
