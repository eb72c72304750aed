/** From a file to its text in chunks. */
import { readFile } from "node:fs/promises";
import { readDocument } from "../document-formats/document-formats.ts";
import type { Division, Extracted } from "./child.ts";
import { chunksOf } from "./chunks.ts";

interface Asked {
  path: string;
  name: string;
  mediaType: string;
  division: Division;
  textMax: number;
}

const titleMax = 500;

/** Throws what is wrong with the file. */
export async function extract({ path, division, ...asked }: Asked): Promise<Extracted> {
  const bytes = new Uint8Array(await readFile(path));
  const { blocks, facts, warnings = [], media_type } = await readDocument(bytes, asked);
  const title = facts.title ?? blocks.find(({ kind }) => kind === "heading")?.text;
  return {
    media_type,
    facts: { ...facts, ...(title !== undefined && { title: title.slice(0, titleMax).toWellFormed() }) },
    ...chunksOf(blocks, division),
    warnings,
  };
}
