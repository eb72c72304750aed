/** PPTX (ECMA-376, part 1, 19): the text of its slides in their order, their tables and notes. A slide is a page. */
import { posix } from "node:path";
import { Blocks } from "./blocks.ts";
import type { Reader } from "./content.ts";
import { factsOf, readXml } from "./xml.ts";
import { documentParts } from "./zip.ts";

const wanted =
  /^(docProps\/core|ppt\/presentation|ppt\/slides\/[^/]+|ppt\/notesSlides\/[^/]+)\.xml$|^ppt\/(_rels|slides\/_rels)\/[^/]+\.rels$/;

export const readPptx: Reader = async (bytes, { textMax }) => {
  const parts = await documentParts(bytes, (name) => wanted.test(name));
  const slides = slidesOf(parts);
  const blocks = new Blocks(textMax);
  for (const [at, slide] of slides.entries()) {
    blocks.page(at + 1);
    readSlide(blocks, parts.get(slide) ?? "", true);
    const notes = [...relationsOf(parts, slide).values()].find((target) => target.includes("/notesSlides/"));
    if (notes !== undefined) readSlide(blocks, parts.get(notes) ?? "", false);
  }
  return {
    blocks: blocks.done(),
    facts: { ...factsOf(parts.get("docProps/core.xml")), pages: slides.length },
  };
};

function slidesOf(parts: ReadonlyMap<string, string>): string[] {
  const presentation = "ppt/presentation.xml";
  const relations = relationsOf(parts, presentation);
  const slides: string[] = [];
  readXml(parts.get(presentation) ?? "", {
    open: (name, attributes) => {
      const slide = name === "p:sldId" ? relations.get(attributes["r:id"] ?? "") : undefined;
      if (slide !== undefined) slides.push(slide);
    },
  });
  return slides;
}

/** What a part refers to, by id. */
function relationsOf(parts: ReadonlyMap<string, string>, part: string): Map<string, string> {
  const folder = posix.dirname(part);
  const relations = new Map<string, string>();
  readXml(parts.get(`${folder}/_rels/${posix.basename(part)}.rels`) ?? "", {
    open: (name, { Id: id = "", Target: target = "" }) => {
      if (name === "Relationship") relations.set(id, posix.join("/", folder, target).slice(1));
    },
  });
  return relations;
}

/** Placeholders that say what they say on every slide. */
const repeated = new Set(["sldNum", "dt", "ftr", "sldImg", "hdr"]);

/** `isSlide`: titles are headings; of notes they are not. */
function readSlide(blocks: Blocks, xml: string, isSlide: boolean): void {
  let isTitle = false;
  let isRepeated = false;
  readXml(xml, {
    open: (name, attributes) => {
      if (name === "p:sp") [isTitle, isRepeated] = [false, false];
      else if (name === "p:ph") {
        isTitle = isSlide && /^(title|ctrTitle)$/.test(attributes.type ?? "");
        isRepeated = repeated.has(attributes.type ?? "");
      } else if (name === "a:p") isTitle ? blocks.heading(1) : blocks.end();
      else if (name === "a:br") blocks.lineBreak();
      else if (name === "a:tbl") blocks.tableStart();
    },
    text: (text, within) => {
      if (within === "a:t" && !isRepeated) blocks.text(text);
    },
    close: (name) => {
      if (name === "a:p") blocks.end();
      else if (name === "a:tc") blocks.cellEnd();
      else if (name === "a:tr") blocks.rowEnd();
      else if (name === "a:tbl") blocks.tableEnd();
    },
  });
}
