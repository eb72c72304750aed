/** Plain text and Markdown. */
import { marked } from "marked";
import { BlockLimitError, wellFormed } from "./blocks.ts";
import type { Block, Reader } from "./content.ts";
import { blocksOfHtml } from "./html.ts";
import { decodeText } from "./text-encoding.ts";

/** Paragraphs are what blank lines divide; their lines stay. */
export const readText: Reader = async (bytes, { textMax }) => {
  const { text, warnings } = decodeText(bytes);
  return { blocks: paragraphsOf(text, textMax), facts: {}, warnings };
};

export function paragraphsOf(text: string, textMax: number): Block[] {
  if (text.length > textMax) throw new BlockLimitError();
  return wellFormed(text)
    .split(/\n[ \t]*\n\s*/)
    .map((paragraph) => paragraph.replace(/^\n+|\s+$/g, ""))
    .filter((paragraph) => paragraph.trim() !== "")
    .map((paragraph) => ({ kind: "paragraph" as const, text: paragraph }));
}

export const readMarkdown: Reader = async (bytes, { textMax }) => {
  const { text, warnings } = decodeText(bytes);
  if (text.length > textMax) throw new BlockLimitError();
  return { ...blocksOfHtml(await marked.parse(text, { async: true, gfm: true }), textMax), warnings };
};
