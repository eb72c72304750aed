/**
 * The sentences of a text, for a model whose vector of a whole text is a mean of its words: what one sentence says is lost
 * among twenty others, and a query mostly asks for one. The best sentence counts beside the whole (MaxP, Dai and Callan 2019).
 */

/** Sentences of a text that are looked at; the first ones. */
const sentencesMax = 12;

/** Each with a word in it; none for a text of one sentence, which is looked at already. */
export function sentencesOf(text: string): string[] {
  const all = text.split(/(?<=[.!?;:])\s+|\n+/u).filter((part) => /[\p{L}\p{N}]/u.test(part));
  return all.length < 2 ? [] : all.slice(0, sentencesMax);
}
