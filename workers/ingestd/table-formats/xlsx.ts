/** XLSX (ECMA-376): the rows of one sheet, read as a stream. Values are those that the spreadsheet stored; nothing is calculated. */
import { fail } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { encrypted, openZip, type ZipEntry } from "../document-formats/document-formats.ts";
import { addressOf, type Cell, columnOf, dated, numberText, type Shown, shownBy } from "./cells.ts";
import { openSheetRows, type SheetRows } from "./sheet-rows.ts";
import { chosenSheet, type Sheet } from "./sheets.ts";
import type { Asked, TableReader, Taken } from "./taking.ts";
import { openRowWriter } from "./taking.ts";
import { readXmlStream } from "./xml-stream.ts";

interface Workbook {
  sheets: (Sheet & { id: string })[];
  from1904: boolean;
}

/** All parts that are read, inflated, in bytes: more than any spreadsheet program saves. */
const inflatedMax = 8 * 1024 * 1024 * 1024;

export const readXlsx: TableReader = async (asked) => {
  const zip = await openZip(asked.path);
  try {
    return await readWorkbook(partsOf(zip.entries), asked);
  } finally {
    zip.close();
  }
};

async function readWorkbook(entries: ReadonlyMap<string, ZipEntry>, asked: Asked): Promise<Taken> {
  const part = (name: string) => entries.get(fold(name));
  const main = part("xl/workbook.xml");
  if (!main)
    throw fail("unsupported_media_type", "this workbook is binary (XLSB): expected XLSX; save it as that");
  const { sheets, from1904 } = await workbookOf(main);
  const targets = await relationsOf(part("xl/_rels/workbook.xml.rels"));
  const { sheet, found, warnings } = chosenSheet(sheets, asked.sheet);
  const target = targets.get(sheet.id) ?? "";
  const entry = part(target.startsWith("/") ? target.slice(1) : `xl/${target}`);
  if (!entry)
    throw fail(
      "unprocessable",
      `the sheet '${sheet.name}' is a chart or a macro, or is missing: the file has no cells for it`,
    );
  const shown = await stylesOf(part("xl/styles.xml"));
  const strings = await stringsOf(part("xl/sharedStrings.xml"));
  const writer = openRowWriter(asked.into, asked.bytesMax);
  const rows = openSheetRows(asked, writer);
  await readSheet(entry, { rows, strings, shown, from1904, flush: writer.flush });
  await writer.end();
  const taken = rows.end();
  return { columns: taken.columns, found, warnings: [...warnings, ...taken.warnings] };
}

/** By their names in lower case, as Windows wrote some. */
function partsOf(entries: readonly ZipEntry[]): ReadonlyMap<string, ZipEntry> {
  if (entries.some(({ isEncrypted }) => isEncrypted)) throw encrypted();
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > inflatedMax)
    throw fail("too_large", `inflated the workbook has more than ${inflatedMax} bytes`);
  return new Map(entries.map((entry) => [fold(entry.name), entry]));
}

async function workbookOf(entry: ZipEntry): Promise<Workbook> {
  const book: Workbook = { sheets: [], from1904: false };
  await readXmlStream(entry.stream(), {
    open: (name, { name: called = "", state = "visible", date1904 = "", ...more }) => {
      if (name === "workbookPr") book.from1904 = date1904 === "1" || date1904 === "true";
      if (name !== "sheet") return;
      const id = Object.entries(more).find(([key]) => key.endsWith(":id"))?.[1] ?? "";
      book.sheets.push({ name: called, isHidden: state !== "visible", id });
    },
  });
  return book;
}

async function relationsOf(entry: ZipEntry | undefined): Promise<ReadonlyMap<string, string>> {
  const targets = new Map<string, string>();
  if (entry)
    await readXmlStream(entry.stream(), {
      open: (name, { Id = "", Target = "" }) => void (name === "Relationship" && targets.set(Id, Target)),
    });
  return targets;
}

/** What each style of a cell shows, by its place. */
async function stylesOf(entry: ZipEntry | undefined): Promise<readonly Shown[]> {
  const codes = new Map<number, string>();
  const shown: Shown[] = [];
  let isInCells = false;
  if (entry)
    await readXmlStream(entry.stream(), {
      open: (name, { numFmtId = "0", formatCode = "" }) => {
        if (name === "numFmt") codes.set(Number(numFmtId), formatCode);
        else if (name === "cellXfs") isInCells = true;
        else if (name === "xf" && isInCells)
          shown.push(shownBy(Number(numFmtId), codes.get(Number(numFmtId))));
      },
      close: (name) => {
        if (name === "cellXfs") isInCells = false;
      },
    });
  return shown;
}

/** Texts of the workbook, by their places. Readings of Japanese words (`rPh`) are no part of them. */
async function stringsOf(entry: ZipEntry | undefined): Promise<readonly string[]> {
  const strings: string[] = [];
  let text = "";
  let isText = false;
  let isReading = false;
  if (entry)
    await readXmlStream(entry.stream(), {
      open: (name) => {
        if (name === "si") text = "";
        isReading ||= name === "rPh";
        isText = name === "t" && !isReading;
      },
      text: (piece) => {
        if (isText) text += piece;
      },
      close: (name) => {
        if (name === "t") isText = false;
        if (name === "rPh") isReading = false;
        if (name === "si") strings.push(unescaped(text));
      },
    });
  return strings;
}

/** Characters that XML cannot hold are written as `_x000D_`. */
const unescaped = (text: string): string =>
  text.includes("_x")
    ? text.replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 16)),
      )
    : text;

export const mergedNote = "merged cells have their value in the first of them, the others are NULL";

interface Given {
  rows: SheetRows;
  strings: readonly string[];
  shown: readonly Shown[];
  from1904: boolean;
  flush: () => Promise<void>;
}

async function readSheet(entry: ZipEntry, given: Given): Promise<void> {
  const { rows, flush } = given;
  let row = -1;
  let cells: Cell[] = [];
  let open: OpenCell | undefined;
  let within: "" | "v" | "t" = "";
  let isReading = false;
  let column = -1;
  await readXmlStream(entry.stream(), {
    open: (name, { r, s = "", t = "n", hidden, ref = "" }) => {
      if (name === "row") {
        row = r === undefined ? row + 1 : Number(r) - 1;
        cells = [];
        column = -1;
        if (hidden === "1" || hidden === "true")
          rows.note("hidden rows are loaded as the others are", `row ${row + 1}`);
      } else if (name === "c") {
        column = r === undefined ? column + 1 : columnOf(r.replace(/\d+$/, ""));
        open = { type: t, style: Number(s === "" ? -1 : s), text: "", hasValue: false, isFormula: false };
      } else if (name === "f" && open) open.isFormula = true;
      else if (name === "v" && open) within = "v";
      else if (name === "t" && open && !isReading) within = "t";
      else if (name === "rPh") isReading = true;
      else if (name === "mergeCell") rows.note(mergedNote, ref);
      if ((within === "v" || name === "is") && open) open.hasValue = true;
    },
    text: (piece) => {
      if (within !== "" && open) open.text += piece;
    },
    close: (name) => {
      if (name === "v" || name === "t") within = "";
      else if (name === "rPh") isReading = false;
      else if (name === "c" && open) {
        const cell = cellOf(open, addressOf(row, column), given);
        if (cell) cells.push({ ...cell, column });
        open = undefined;
      } else if (name === "row") rows.row(row, cells);
    },
    piece: flush,
  });
}

interface OpenCell {
  type: string;
  style: number;
  text: string;
  hasValue: boolean;
  isFormula: boolean;
}

/** The value of a cell; undefined for an empty one. */
function cellOf(
  open: OpenCell,
  address: string,
  { rows, strings, shown, from1904 }: Given,
): Omit<Cell, "column"> | undefined {
  const { type, style, text, hasValue, isFormula } = open;
  if (!hasValue || (text === "" && type !== "inlineStr" && type !== "str")) {
    if (isFormula)
      rows.note(
        "formulas without a stored result are NULL: open and save the file in a spreadsheet program",
        address,
      );
    return undefined;
  }
  switch (type) {
    case "s": {
      const shared = strings[Number(text)];
      if (shared === undefined)
        throw fail(
          "unprocessable",
          `${address}: the text that it names is not in the file, which is damaged`,
        );
      return { kind: "text", text: shared };
    }
    case "str":
    case "inlineStr":
      return { kind: "text", text: unescaped(text) };
    case "b":
      return { kind: "boolean", text: text === "1" || text === "true" ? "true" : "false" };
    case "e":
      return { kind: "error", text };
    case "d":
      return isoCell(text);
    default: {
      const number = numberText(text, address);
      const as = shown[style] ?? "number";
      if (as === "number") return { kind: "number", text: number };
      const date = dated(Number(number), as, from1904);
      if (!date)
        rows.note("cells that are shown as dates and are none in this calendar are their numbers", address);
      if (date?.kind === "duration") rows.note("durations of a day and more are text, as 25:30:00", address);
      return date ?? { kind: "number", text: number };
    }
  }
}

/** Dates as ISO 8601, in files of the strict kind. */
export function isoCell(text: string): Omit<Cell, "column"> {
  const [, day, time = ""] = /^(\d{4}-\d{2}-\d{2})?T?(\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?/.exec(text) ?? [];
  const clock = (time.length === 5 ? `${time}:00` : time).replace(",", ".").replace(/\.0+$/, "");
  if (day === undefined) return clock === "" ? { kind: "text", text } : { kind: "time", text: clock };
  return clock === "" ? { kind: "date", text: day } : { kind: "timestamp", text: `${day} ${clock}` };
}
