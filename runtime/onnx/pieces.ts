/**
 * Texts as a model reads them: token numbers between the marks of a text's ends, in pieces that fit its window. No text
 * is cut: a long one is several pieces. Pure but for the tokenizer.
 */
import { fail } from "../errors/errors.ts";
import type { Tokenizer } from "./packages.ts";

/** What is run through the graph at once: one row of a batch. */
export interface Piece {
  /** The text that it is of. */
  text: number;
  ids: readonly number[];
  /** 1 for tokens of the second text of a pair. */
  types: readonly number[];
  /** Tokens of the text itself. */
  own: number;
}

/** Pieces of one text that are scored beside a query: about three pages at a window of 512. */
const scoredPiecesMax = 4;

export interface Pieces {
  ofText: (text: string, at: number) => Piece[];
  /** Pieces of the texts, each behind the query, and how many texts were not read to their end. Throws `unprocessable`. */
  ofPairs: (query: string, texts: readonly string[]) => { pieces: Piece[]; cut: number };
}

export function createPieces(tokenizer: Tokenizer, window: number): Pieces {
  const bare = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
  const [one, other] = [bare(probe), bare(otherProbe)];
  const alone = marksOf(tokenizer.encode(probe).ids, [one]);
  const pair = tokenizer.encode(probe, { text_pair: otherProbe, return_token_type_ids: true });
  const paired = marksOf(pair.ids, [one, other]);
  // A model without types of tokens is given none that differ.
  const secondType = pair.token_type_ids?.at(-1) ?? 0;

  return {
    ofText: (text, at) => {
      const [before = [], after = []] = alone;
      const room = window - before.length - after.length;
      return partsOf(bare(text), room).map((part) => {
        const ids = [...before, ...part, ...after];
        return { text: at, ids, types: new Array<number>(ids.length).fill(0), own: Math.max(1, part.length) };
      });
    },
    ofPairs: (query, texts) => {
      const [before = [], between = [], after = []] = paired;
      const asked = bare(query);
      const room = window - before.length - between.length - after.length - asked.length;
      if (room < window / 4)
        throw fail(
          "unprocessable",
          `query has ${asked.length} tokens, and the model's window is ${window}: expected at most three quarters of it`,
          { details: { code: "context_length_exceeded", field: "query" } },
        );
      const first = [...before, ...asked, ...between];
      let cut = 0;
      const pieces = texts.flatMap((text, at) => {
        const parts = partsOf(bare(text), room);
        if (parts.length > scoredPiecesMax) cut++;
        return parts.slice(0, scoredPiecesMax).map((part) => {
          const second = [...part, ...after];
          const types = [
            ...new Array<number>(first.length).fill(0),
            ...new Array<number>(second.length).fill(secondType),
          ];
          return { text: at, ids: [...first, ...second], types, own: Math.max(1, part.length) };
        });
      });
      return { pieces, cut };
    },
  };
}

/** Of equal lengths, so that no last one is a word or two. One of nothing for a text without tokens. */
function partsOf(ids: readonly number[], room: number): number[][] {
  const count = Math.max(1, Math.ceil(ids.length / room));
  const size = Math.ceil(ids.length / count);
  return Array.from({ length: count }, (_, at) => ids.slice(at * size, (at + 1) * size));
}

/** Words that every vocabulary has tokens for, unlike each other. */
const [probe, otherProbe] = ["a", "the"] as const;

/** What the tokenizer puts before, between and behind texts. */
function marksOf(ids: readonly number[], texts: readonly (readonly number[])[]): number[][] {
  const marks: number[][] = [];
  let from = 0;
  for (const text of texts) {
    const at = ids.findIndex((_, place) => place >= from && text.every((id, n) => ids[place + n] === id));
    if (at < 0) throw fail("unprocessable", "the tokenizer writes a text otherwise beside others than alone");
    marks.push(ids.slice(from, at));
    from = at + text.length;
  }
  return [...marks, ids.slice(from)];
}

/** Tokens that are run at once: memory grows with them, and speed no more (measured: ADR 0252). */
const batchTokensMax = 2048;

/**
 * Batches of pieces of one length: nothing is filled up, so that a text's numbers are the same whatever it is run with.
 * `alone` is for graphs whose numbers depend on the batch all the same.
 */
export function batchesOf(pieces: readonly Piece[], alone: boolean): Piece[][] {
  const byLength = Map.groupBy(pieces, ({ ids }) => ids.length);
  return [...byLength].flatMap(([length, own]) => {
    const size = alone ? 1 : Math.max(1, Math.floor(batchTokensMax / length));
    return Array.from({ length: Math.ceil(own.length / size) }, (_, at) =>
      own.slice(at * size, (at + 1) * size),
    );
  });
}
