/** PDF by PDF.js (`unpdf` bundles it without a canvas): its text by lines, which sizes and distances make into blocks. */
import { getDocumentProxy } from "unpdf";
import { fail } from "../../../runtime/errors/errors.ts";
import { BlockLimitError, wellFormed } from "./blocks.ts";
import type { Block, Facts, Reader } from "./content.ts";

interface TextItem {
  str: string;
  transform: number[];
  width: number;
  hasEOL: boolean;
}

interface Line {
  text: string;
  /** Of the letters, and where its base line stands: in points. */
  size: number;
  y: number;
  page: number;
}

export const readPdf: Reader = async (bytes, { textMax }) => {
  // PDF.js takes the bytes for itself.
  const document = await getDocumentProxy(bytes.slice(), { verbosity: 0 }).catch((cause) => {
    if (cause instanceof Error && cause.name === "PasswordException")
      throw fail("unprocessable", "the PDF is encrypted: save it without a password");
    throw cause;
  });
  const lines: Line[] = [];
  let length = 0;
  for (let number = 1; number <= document.numPages; number++) {
    const page = await document.getPage(number);
    const { items } = await page.getTextContent();
    for (const line of linesOf(items as TextItem[], number)) {
      length += line.text.length;
      if (length > textMax) throw new BlockLimitError();
      lines.push(line);
    }
    page.cleanup();
  }
  const { info } = await document.getMetadata();
  const pages = document.numPages;
  return { blocks: blocksOf(lines), facts: { ...factsOfInfo(info as Record<string, unknown>), pages } };
};

/** Parts of a letter's size: another line begins, there is a space. A paragraph ends at so many times the usual distance of lines. */
const otherLine = 0.5;
const spaceShare = 0.2;
const paragraphGap = 1.25;
/** Lines of one heading stand closer than headings do. */
const headingGap = 1.4;
/** Letters so much larger than those of the text are a heading's. */
const headingShare = 1.15;
const headingCharactersMax = 200;

function linesOf(items: readonly TextItem[], page: number): Line[] {
  const lines: Line[] = [];
  let line: (Line & { end: number }) | undefined;
  const close = () => {
    if (line && line.text.trim() !== "")
      lines.push({ ...line, text: wellFormed(line.text.replace(/\s+/g, " ").trim()) });
    line = undefined;
  };
  for (const { str, transform, width, hasEOL } of items) {
    const [, , c = 0, d = 0, x = 0, y = 0] = transform;
    const size = Math.hypot(c, d);
    if (line && Math.abs(y - line.y) > Math.max(size, line.size) * otherLine) close();
    if (str !== "") {
      line ??= { text: "", size, y, page, end: x };
      const hasGap = line.text !== "" && x - line.end > size * spaceShare;
      line.text += (hasGap ? " " : "") + str;
      line.size = Math.max(line.size, str.trim() === "" ? 0 : size);
      line.end = x + width;
    }
    if (hasEOL) close();
  }
  close();
  return lines;
}

function blocksOf(lines: readonly Line[]): Block[] {
  const body = usualSize(lines);
  const larger = [...new Set(lines.map(({ size }) => rounded(size)))]
    .filter((size) => size >= body * headingShare)
    .sort((a, b) => b - a);
  const gapMax = usualGap(lines) * paragraphGap;
  const blocks: Block[] = [];
  let open: Line[] = [];
  const close = () => {
    const [first] = open;
    if (!first) return;
    const text = joined(open);
    const level = larger.indexOf(rounded(first.size)) + 1;
    const isHeading = level > 0 && text.length <= headingCharactersMax;
    blocks.push({
      kind: isHeading ? "heading" : "paragraph",
      text: isHeading ? text.replaceAll("\n", " ") : text,
      page: first.page,
      ...(isHeading && { level: Math.min(level, 6) }),
    });
    open = [];
  };
  for (const line of lines) {
    const before = open.at(-1);
    if (before && isApart(before, line, line.size >= body * headingShare ? headingGap : gapMax)) close();
    open.push(line);
  }
  close();
  return blocks;
}

/** A paragraph that goes on behind the end of a page is two: no distance says otherwise. */
function isApart(before: Line, line: Line, gapMax: number): boolean {
  const gap = before.y - line.y;
  return (
    before.page !== line.page ||
    rounded(before.size) !== rounded(line.size) ||
    gap < 0 ||
    gap > Math.max(before.size, line.size) * gapMax
  );
}

const bullet = /^([•◦▪‣·*–—-]|\d{1,3}[.)])\s/;
const joined = (lines: readonly Line[]): string =>
  lines.map(({ text }, at) => (at === 0 ? text : `${bullet.test(text) ? "\n" : " "}${text}`)).join("");

const rounded = (size: number): number => Math.round(size * 2) / 2;

/** From one line to the next of the same size, in letters' sizes: the median; between single and triple spacing. */
function usualGap(lines: readonly Line[]): number {
  const gaps = lines
    .flatMap((line, at) => {
      const before = lines[at - 1];
      const isNext = before?.page === line.page && rounded(before.size) === rounded(line.size);
      return isNext && line.size > 0 ? [(before.y - line.y) / line.size] : [];
    })
    .filter((gap) => gap > 0)
    .sort((a, b) => a - b);
  return Math.min(3, Math.max(1.2, gaps[Math.floor(gaps.length / 2)] ?? 1.2));
}

/** The size that most characters have. */
function usualSize(lines: readonly Line[]): number {
  const counts = new Map<number, number>();
  for (const { size, text } of lines)
    counts.set(rounded(size), (counts.get(rounded(size)) ?? 0) + text.length);
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best), [0, 0])[0];
}

/** What ReportLab and others write where nothing was said. */
const unsaid = /^\(?(unspecified|anonymous|untitled)\)?$/i;

function factsOfInfo(info: Record<string, unknown>): Facts {
  const said = (key: string) => {
    const value = info[key];
    return typeof value === "string" && value.trim() !== "" && !unsaid.test(value)
      ? wellFormed(value.trim())
      : undefined;
  };
  const [title, author, subject] = ["Title", "Author", "Subject"].map(said);
  const date = dateOf(said("ModDate") ?? said("CreationDate"));
  return {
    ...(title && { title }),
    ...(author && { author }),
    ...(subject && { subject }),
    ...(date && { date }),
  };
}

/** `D:YYYYMMDDHHmmSSOHH'mm'` (ISO 32000-1, 7.9.4); what is left out is its least value. */
function dateOf(text = ""): string | undefined {
  const form = /^(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:Z|([+-])(\d\d)'?(\d\d)?'?)?/;
  const [
    ,
    year,
    month = "01",
    day = "01",
    hour = "00",
    minute = "00",
    second = "00",
    sign,
    hours,
    minutes = "00",
  ] = form.exec(text) ?? [];
  if (year === undefined) return undefined;
  const zone = sign === undefined ? "Z" : `${sign}${hours}:${minutes}`;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
