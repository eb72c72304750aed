/**
 * A document's text and its chunks. The text is its blocks with a blank line between two; chunks cover all of it but these
 * blank lines, so that the chunks of a document are its text.
 */
import type { Block } from "../document-formats/document-formats.ts";
import type { Chunk, Division } from "./child.ts";

const between = "\n\n";

export const textOf = (blocks: readonly Block[]): string => blocks.map(({ text }) => text).join(between);

/** A heading begins a chunk when the one before it has this share of the size at least. */
const sectionShare = 1 / 4;
const headingsMax = 8;
const headingCharactersMax = 200;

interface Piece {
  /** In UTF-16 units of the whole text. */
  start: number;
  end: number;
  page: number | undefined;
  headings: string[];
  /** Whether the text before it belongs to what it says: then it is repeated, up to the overlap. */
  goesOn: boolean;
}

/** The chunks of a text, at most `size` characters each and what overlaps; `characters` counts the whole text. */
export function chunksOf(
  blocks: readonly Block[],
  division: Division,
): { chunks: Chunk[]; characters: number } {
  const text = textOf(blocks);
  const pieces = piecesOf(blocks, text, division);
  const starts = pieces.map((piece, at) => {
    const before = pieces[at - 1];
    return piece.goesOn && before !== undefined
      ? overlapFrom(text, piece.start, Math.max(before.start + 1, piece.start - division.overlap))
      : piece.start;
  });
  const counted = characterCounter(text);
  const counts = new Map(
    [...new Set([...starts, ...pieces.map(({ end }) => end)])]
      .sort((a, b) => a - b)
      .map((at) => [at, counted(at)]),
  );
  const chunks = pieces.map(({ end, page, headings }, at) => {
    const start = starts[at] as number;
    return {
      start: counts.get(start) as number,
      end: counts.get(end) as number,
      text: text.slice(start, end),
      ...(page !== undefined && { page }),
      headings,
    };
  });
  return { chunks, characters: counted(text.length) };
}

function piecesOf(blocks: readonly Block[], text: string, { size }: Division): Piece[] {
  const pieces: Piece[] = [];
  const path: { level: number; text: string }[] = [];
  let open: Piece | undefined;
  let isAllHeadings = true;
  const close = () => {
    if (open) pieces.push(open);
    open = undefined;
  };
  let at = 0;
  for (const { kind, level = 1, text: own, page } of blocks) {
    const start = at;
    const end = start + own.length;
    at = end + between.length;
    if (kind === "heading") {
      while (path.length > 0 && (path.at(-1)?.level ?? 0) >= level) path.pop();
      path.push({ level, text: own.slice(0, headingCharactersMax) });
    }
    const isSection = (kind === "heading" && !isAllHeadings) || (open !== undefined && page !== open.page);
    const isFull = open !== undefined && end - open.start > size;
    if (open !== undefined && (isFull || (isSection && start - open.start >= size * sectionShare))) close();
    const isNew = open === undefined;
    open ??= {
      ...{ start, end, page, goesOn: kind !== "heading" && pieces.length > 0 },
      headings: path.slice(-headingsMax).map((heading) => heading.text),
    };
    open.end = end;
    isAllHeadings = kind === "heading" && (isNew || isAllHeadings);
    while (open.end - open.start > size) {
      const cut = cutBefore(text, open.start, open.start + size);
      pieces.push({ ...open, end: cut });
      open = { ...open, start: cut, goesOn: true };
    }
  }
  close();
  return pieces;
}

/** Where a text too long for one chunk is cut: behind a line, a sentence or a word in its second half, or as it comes. */
function cutBefore(text: string, start: number, end: number): number {
  const half = start + Math.ceil((end - start) / 2);
  const window = text.slice(half, end);
  for (const border of [/\n(?=[^\n]*$)/, /[.!?。！？]["')\]]?\s(?!.*[.!?。！？]["')\]]?\s)/s, /\s(?=\S*$)/]) {
    const found = border.exec(window);
    if (found) return half + found.index + found[0].length;
  }
  return isLowSurrogate(text, end) && end - 1 > start ? end - 1 : end;
}

const isLowSurrogate = (text: string, at: number): boolean => {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
};

/** The first word that begins at or after `from`, before `start`. */
function overlapFrom(text: string, start: number, from: number): number {
  for (let at = from; at < start; at++)
    if (/\s/.test(text[at - 1] ?? " ") && /\S/.test(text[at] ?? "")) return at;
  return start;
}

/** Counts the characters before places of a text; the places come in their order. */
function characterCounter(text: string): (at: number) => number {
  let place = 0;
  let count = 0;
  return (at) => {
    for (; place < at; place++) if (!isLowSurrogate(text, place)) count += 1;
    return count;
  };
}
