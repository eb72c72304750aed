/** DOCX by mammoth, which makes HTML of its styles; headers, where résumés have their addresses, are read beside it. */
import mammoth from "mammoth";
import type { Reader } from "./content.ts";
import { blocksOfHtml } from "./html.ts";
import { factsOf, readXml } from "./xml.ts";
import { documentParts } from "./zip.ts";

/** Beside its own, which know headings and lists. */
const styleMap = ["p[style-name='Title'] => h1:fresh", "p[style-name='Subtitle'] => h2:fresh"];

export const readDocx: Reader = async (bytes, { textMax }) => {
  const parts = await documentParts(bytes, (name) => /^(word|docProps)\/[^/]*\.xml$/.test(name));
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const noImage = mammoth.images.imgElement(async () => ({ src: "" }));
  const { value } = await mammoth.convertToHtml({ buffer }, { convertImage: noImage, styleMap });
  const content = blocksOfHtml(value, textMax);
  const headers = new Set(
    [...parts].filter(([name]) => /^word\/header\d*\.xml$/.test(name)).map(([, xml]) => headerText(xml)),
  );
  const above = [...headers]
    .filter((text) => text !== "")
    .map((text) => ({ kind: "paragraph" as const, text }));
  return { blocks: [...above, ...content.blocks], facts: factsOf(parts.get("docProps/core.xml")) };
};

function headerText(xml: string): string {
  const lines: string[] = [];
  let line = "";
  readXml(xml, {
    open: (name) => {
      if (name === "w:tab" || name === "w:br") line += " ";
    },
    text: (text, within) => {
      if (within === "w:t") line += text;
    },
    close: (name) => {
      if (name !== "w:p") return;
      if (line.trim() !== "") lines.push(line.trim());
      line = "";
    },
  });
  return lines.join("\n");
}
