/** HTML, read as a stream of tags: nesting costs no stack, and no tree is built. */
import { Parser } from "htmlparser2";
import { fail } from "../../../runtime/errors/errors.ts";
import { Blocks } from "./blocks.ts";
import type { Content, Facts, Reader } from "./content.ts";
import { decodeText } from "./text-encoding.ts";

export const readHtml: Reader = async (bytes, { textMax }) => {
  const head = Buffer.from(bytes.subarray(0, 4096)).toString("latin1");
  const label = /<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)/i.exec(head)?.[1];
  const { text, warnings } = decodeText(bytes, label);
  return { ...blocksOfHtml(text, textMax), warnings };
};

/** What is on no page that is read: code, forms, and what leads to other pages. */
const unread = new Set(
  "script style template noscript nav iframe object svg math select textarea button canvas audio video".split(
    " ",
  ),
);
const breaking = new Set(
  "p div section article main header footer aside address blockquote figure figcaption dl dt dd form fieldset hr body details summary".split(
    " ",
  ),
);

/** Pages that people write have fewer than 100; the parser takes longer for each level. */
const depthMax = 2000;

/** The blocks of a page, and what its head says. */
export function blocksOfHtml(html: string, textMax: number): Content {
  const blocks = new Blocks(textMax);
  const facts: Facts = {};
  let skipped = 0;
  let depth = 0;
  let title: string[] | undefined;
  const parser = new Parser({
    onopentag: (name, attributes) => {
      depth += 1;
      if (depth > depthMax)
        throw fail("unprocessable", `its elements are nested more than ${depthMax} levels deep`);
      if (unread.has(name)) skipped += 1;
      if (skipped > 0) return;
      if (name === "title") title = [];
      else if (name === "meta") addMeta(facts, attributes);
      else open(blocks, name);
    },
    ontext: (text) => {
      if (skipped > 0) return;
      if (title) title.push(text);
      else blocks.text(text);
    },
    onclosetag: (name) => {
      depth -= 1;
      if (unread.has(name)) skipped = Math.max(0, skipped - 1);
      else if (skipped > 0) return;
      else if (name === "title") {
        const said = title?.join("").replace(/\s+/g, " ").trim();
        title = undefined;
        if (said) facts.title = said;
      } else close(blocks, name);
    },
  });
  parser.end(html);
  return { blocks: blocks.done(), facts };
}

function open(blocks: Blocks, name: string): void {
  if (/^h[1-6]$/.test(name)) blocks.heading(Number(name[1]));
  else if (name === "ul" || name === "ol") blocks.listStart();
  else if (name === "li") blocks.item();
  else if (name === "table") blocks.tableStart();
  else if (name === "pre") blocks.code(true);
  else if (name === "br") blocks.lineBreak();
  else if (breaking.has(name)) blocks.end();
}

function close(blocks: Blocks, name: string): void {
  if (name === "ul" || name === "ol") blocks.listEnd();
  else if (name === "td" || name === "th") blocks.cellEnd();
  else if (name === "tr") blocks.rowEnd();
  else if (name === "table") blocks.tableEnd();
  else if (name === "pre") blocks.code(false);
  else if (/^h[1-6]$/.test(name) || name === "li" || breaking.has(name)) blocks.end();
}

function addMeta(facts: Facts, { name = "", content = "" }: Record<string, string>): void {
  const said = content.trim();
  if (said === "") return;
  if (/^(dc\.)?(author|creator)$/i.test(name)) facts.author = said;
  if (/^(dc\.)?subject$/i.test(name)) facts.subject = said;
}
