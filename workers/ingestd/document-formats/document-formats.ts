/** From the bytes of a document to headings, paragraphs, lists and tables. Loaded in a child process alone. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { BlockLimitError } from "./blocks.ts";
import type { Content, Reader } from "./content.ts";
import { type DocumentKind, kindOf, mediaTypes } from "./kind.ts";

export type { Block, Content } from "./content.ts";
export { encrypted, openZip, type ZipEntry, zipEntries, zipNames } from "./zip.ts";

/** Loaded when a file of the kind comes: a child that reads mail alone has no PDF library in memory. */
const readers: Record<DocumentKind, () => Promise<Reader>> = {
  pdf: async () => (await import("./pdf.ts")).readPdf,
  docx: async () => (await import("./docx.ts")).readDocx,
  odt: async () => (await import("./odt.ts")).readOdt,
  pptx: async () => (await import("./pptx.ts")).readPptx,
  html: async () => (await import("./html.ts")).readHtml,
  markdown: async () => (await import("./plain.ts")).readMarkdown,
  text: async () => (await import("./plain.ts")).readText,
  mail: async () => (await import("./mail.ts")).readMail,
};

/** How much of a library's own words is passed on. */
const wordsMax = 200;

/** Throws `unsupported_media_type`, `too_large` or `unprocessable`: always with what was expected. */
export async function readDocument(
  bytes: Uint8Array,
  { textMax, ...called }: { name: string; mediaType: string; textMax: number },
): Promise<Content & { media_type: string }> {
  const kind = await kindOf(bytes, called);
  const content = await readAs(kind, bytes, textMax);
  if (content.blocks.length > 0) return { ...content, media_type: mediaTypes[kind] };
  throw fail(
    "unprocessable",
    kind === "pdf"
      ? "the PDF has no text, as scans have none: expected one whose text can be marked and copied"
      : "the file has no text",
  );
}

async function readAs(kind: DocumentKind, bytes: Uint8Array, textMax: number): Promise<Content> {
  try {
    const read = await readers[kind]();
    return await read(bytes, { textMax });
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    if (cause instanceof BlockLimitError)
      throw fail("too_large", `its text is longer than ${textMax} characters, which are taken of a document`);
    // What libraries say of a broken file is for its owner; it is no fault of this program.
    const words = cause instanceof Error ? cause.message : String(cause);
    throw fail(
      "unprocessable",
      `the file cannot be read as ${kind}: ${words.replace(/\s+/g, " ").slice(0, wordsMax)}`,
      { cause },
    );
  }
}
