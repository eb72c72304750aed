/** What a file is, by its first bytes; its name and media type decide only between kinds of plain text. */
import { fail } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { zipNames } from "./zip.ts";

export const mediaTypes = {
  pdf: "application/pdf",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  odt: "application/vnd.oasis.opendocument.text",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  html: "text/html",
  markdown: "text/markdown",
  text: "text/plain",
  mail: "message/rfc822",
} as const;
export type DocumentKind = keyof typeof mediaTypes;

export const expected = "expected PDF, DOCX, ODT, PPTX, HTML, Markdown, plain text or EML";

const extensions: Record<string, DocumentKind> = {
  html: "html",
  htm: "html",
  xhtml: "html",
  md: "markdown",
  markdown: "markdown",
  txt: "text",
  text: "text",
  log: "text",
  eml: "mail",
};

const startsWith = (bytes: Uint8Array, magic: string): boolean =>
  Buffer.from(bytes.subarray(0, magic.length)).toString("latin1") === magic;

/** Where the header of a PDF may begin: readers accept as much before it. */
const pdfHeaderWithin = 1024;
/** Bytes at the beginning in which a text may have no NUL. */
const sniffedBytes = 8192;

/** Throws `unsupported_media_type` for what is no document, naming it where it is known. */
export async function kindOf(
  bytes: Uint8Array,
  { name, mediaType }: { name: string; mediaType: string },
): Promise<DocumentKind> {
  if (bytes.length === 0) throw fail("unprocessable", `the file is empty; ${expected}`);
  const head = Buffer.from(bytes.subarray(0, sniffedBytes)).toString("latin1");
  if (head.slice(0, pdfHeaderWithin).includes("%PDF-")) return "pdf";
  if (startsWith(bytes, "PK\x03\x04")) return zipKind(bytes);
  for (const [magic, what] of others) if (startsWith(bytes, magic)) throw unsupported(what);
  const isUtf16 = startsWith(bytes, "\xff\xfe") || startsWith(bytes, "\xfe\xff");
  if (!isUtf16 && head.includes("\0")) throw unsupported("a binary file");
  const [, extension] = /\.([A-Za-z]+)$/.exec(name) ?? [];
  const named = extension && extensions[fold(extension)];
  if (named) return named;
  const typed = (Object.keys(mediaTypes) as DocumentKind[]).find((kind) =>
    fold(mediaType).startsWith(mediaTypes[kind]),
  );
  if (typed !== undefined && textual.has(typed)) return typed;
  if (/^\s*(<!doctype html|<html[\s>])/i.test(head)) return "html";
  throw unsupported("text of a kind that its name does not tell");
}

const textual = new Set<DocumentKind>(["html", "markdown", "text", "mail"]);

const others: [magic: string, what: string][] = [
  [
    "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "an Office file that is encrypted, or older than 2007 (DOC, XLS, PPT, MSG): save it without a password, as DOCX",
  ],
  ["{\\rtf", "RTF: save it as DOCX or ODT"],
  ["\x89PNG", "an image"],
  ["\xff\xd8\xff", "an image"],
  ["GIF8", "an image"],
  ["7z\xbc\xaf", "a 7z archive: send a zip or a tar"],
  ["Rar!", "a RAR archive: send a zip or a tar"],
];

async function zipKind(bytes: Uint8Array): Promise<DocumentKind> {
  const names = await zipNames(bytes);
  if (names.has("word/document.xml")) return "docx";
  if (names.has("ppt/presentation.xml")) return "pptx";
  if (names.has("content.xml")) return "odt";
  if (names.has("xl/workbook.xml")) throw unsupported("a spreadsheet: send it as CSV to /v1/ingest");
  throw unsupported("a zip that is no document");
}

const unsupported = (what: string) => fail("unsupported_media_type", `this is ${what}; ${expected}`);
