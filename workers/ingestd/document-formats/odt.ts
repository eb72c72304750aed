/** OpenDocument text (ODF 1.3, part 3): headings, paragraphs, lists and tables of content.xml. */
import { fail } from "../../../runtime/errors/errors.ts";
import { Blocks } from "./blocks.ts";
import type { Reader } from "./content.ts";
import { factsOf, readXml } from "./xml.ts";
import { documentParts, encrypted } from "./zip.ts";

const wanted = new Set(["content.xml", "meta.xml", "META-INF/manifest.xml"]);
/** What was deleted, or stands in the margin. */
const unread = new Set([
  "text:tracked-changes",
  "office:annotation",
  "office:forms",
  "svg:title",
  "svg:desc",
]);
const isText = (name: string): boolean =>
  /^(text:(p|h|span|a|s|tab|ruby|ruby-base)|text:[a-z-]+)$/.test(name);

export const readOdt: Reader = async (bytes, { textMax }) => {
  const parts = await documentParts(bytes, (name) => wanted.has(name));
  if (/<manifest:encryption-data/.test(parts.get("META-INF/manifest.xml") ?? "")) throw encrypted();
  const content = parts.get("content.xml") ?? "";
  if (!content.includes("office:text"))
    throw fail(
      "unsupported_media_type",
      "this OpenDocument file is no text (a spreadsheet, a presentation or a drawing): expected ODT",
    );
  const blocks = new Blocks(textMax);
  let skipped = 0;
  readXml(content, {
    open: (name, attributes) => {
      if (unread.has(name)) skipped += 1;
      if (skipped === 0) open(blocks, name, attributes);
    },
    text: (text, within) => {
      if (skipped === 0 && isText(within)) blocks.text(text);
    },
    close: (name) => {
      if (unread.has(name)) skipped -= 1;
      else if (skipped === 0) close(blocks, name);
    },
  });
  return { blocks: blocks.done(), facts: factsOf(parts.get("meta.xml")) };
};

function open(blocks: Blocks, name: string, attributes: Record<string, string>): void {
  if (name === "text:h") blocks.heading(Number(attributes["text:outline-level"] ?? 1));
  else if (name === "text:p") blocks.end();
  else if (name === "text:list") blocks.listStart();
  else if (name === "text:list-item") blocks.item();
  else if (name === "table:table") blocks.tableStart();
  else if (name === "text:s" || name === "text:tab") blocks.text(" ");
  else if (name === "text:line-break") blocks.lineBreak();
}

function close(blocks: Blocks, name: string): void {
  if (name === "text:h" || name === "text:p") blocks.end();
  else if (name === "text:list") blocks.listEnd();
  else if (name === "table:table-cell") blocks.cellEnd();
  else if (name === "table:table-row") blocks.rowEnd();
  else if (name === "table:table") blocks.tableEnd();
}
