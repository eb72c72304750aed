/** OpenDocument spreadsheets (ODF 1.3, part 3): the rows of one sheet of content.xml, read as a stream. */
import { fail } from "../../../runtime/errors/errors.ts";
import { encrypted, openZip, type ZipEntry } from "../document-formats/document-formats.ts";
import { addressOf, type Cell, numberText } from "./cells.ts";
import { openSheetRows, type SheetRows } from "./sheet-rows.ts";
import { chosenSheet, type Sheet } from "./sheets.ts";
import type { Asked, TableReader, Taken } from "./taking.ts";
import { openRowWriter } from "./taking.ts";
import { isoCell } from "./xlsx.ts";
import { readXmlStream } from "./xml-stream.ts";

/** Sheets have no more rows than this. */
const sheetRowsMax = 16_777_216;

export const readOds: TableReader = async (asked) => {
  const zip = await openZip(asked.path);
  try {
    return await readWorkbook(new Map(zip.entries.map((entry) => [entry.name, entry])), asked);
  } finally {
    zip.close();
  }
};

async function readWorkbook(parts: ReadonlyMap<string, ZipEntry>, asked: Asked): Promise<Taken> {
  if ([...parts.values()].some(({ isEncrypted }) => isEncrypted)) throw encrypted();
  const manifest = await parts.get("META-INF/manifest.xml")?.read();
  if (manifest?.includes("encryption-data")) throw encrypted();
  const content = parts.get("content.xml");
  if (!content) throw fail("unprocessable", "the file has no content.xml: it is damaged, or no spreadsheet");
  const sheets = await sheetsOf(content);
  const { sheet, found, warnings } = chosenSheet(sheets, asked.sheet);
  const writer = openRowWriter(asked.into, asked.bytesMax);
  const rows = openSheetRows(asked, writer);
  await readSheet(content, sheets.indexOf(sheet), { rows, flush: writer.flush });
  await writer.end();
  const taken = rows.end();
  return { columns: taken.columns, found, warnings: [...warnings, ...taken.warnings] };
}

async function sheetsOf(content: ZipEntry): Promise<Sheet[]> {
  const sheets: Sheet[] = [];
  const hidden = new Set<string>();
  let style = "";
  let isSpreadsheet = false;
  let depth = 0;
  await readXmlStream(content.stream(), {
    open: (name, attributes) => {
      if (name === "spreadsheet") isSpreadsheet = true;
      else if (name === "style") style = attributes["style:name"] ?? "";
      else if (name === "table-properties" && attributes["table:display"] === "false") hidden.add(style);
      else if (name === "table") {
        depth += 1;
        if (depth > 1 || !isSpreadsheet) return;
        const { "table:name": called = "", "table:style-name": of = "" } = attributes;
        sheets.push({ name: called, isHidden: hidden.has(of) });
      }
    },
    close: (name) => {
      if (name === "table") depth -= 1;
    },
  });
  if (isSpreadsheet) return sheets;
  throw fail(
    "unsupported_media_type",
    "this OpenDocument file is no spreadsheet: expected ODS, XLSX, CSV, JSON, Parquet, Avro or SQLite; texts go to /v1/documents",
  );
}

interface OpenCell {
  attributes: Record<string, string>;
  text: string;
  paragraphs: number;
}

async function readSheet(
  content: ZipEntry,
  wanted: number,
  { rows, flush }: { rows: SheetRows; flush: () => Promise<void> },
): Promise<void> {
  let at = -1;
  let depth = 0;
  let row = 0;
  let column = 0;
  let repeat = 1;
  let cells: Cell[] = [];
  let open: OpenCell | undefined;
  /** Levels of annotations and drawings, whose texts are no part of a cell's. */
  let beside = 0;
  let inParagraph = 0;
  const times = (text: string | undefined) => Math.max(1, Math.min(sheetRowsMax, Number(text ?? 1) || 1));
  const isIn = () => depth === 1 && at === wanted;
  await readXmlStream(content.stream(), {
    open: (name, attributes) => {
      if (name === "table") {
        depth += 1;
        if (depth === 1) at += 1;
      } else if (!isIn()) return;
      else if (name === "annotation" || name === "shapes" || name === "frame") beside += 1;
      else if (name === "table-row") {
        repeat = times(attributes["table:number-rows-repeated"]);
        cells = [];
        column = 0;
        if (/collapse|filter/.test(attributes["table:visibility"] ?? ""))
          rows.note("hidden rows are loaded as the others are", `row ${row + 1}`);
      } else if (name === "table-cell" || name === "covered-table-cell")
        open = { attributes, text: "", paragraphs: 0 };
      else if (open && beside === 0) inParagraph += startText(name, attributes, open);
    },
    text: (piece) => {
      if (open && inParagraph > 0 && beside === 0) open.text += piece;
    },
    close: (name) => {
      if (name === "table") depth -= 1;
      if (!isIn()) return;
      if (name === "annotation" || name === "shapes" || name === "frame") beside -= 1;
      else if (name === "p" && beside === 0 && inParagraph > 0) inParagraph -= 1;
      else if ((name === "table-cell" || name === "covered-table-cell") && open) {
        const count = times(open.attributes["table:number-columns-repeated"]);
        const cell = cellOf(open, addressOf(row, column), rows);
        // What is empty is often repeated to the sheet's end.
        if (cell) for (let index = 0; index < count; index++) cells.push({ ...cell, column: column + index });
        column += count;
        open = undefined;
      } else if (name === "table-row") {
        if (cells.length > 0) for (let index = 0; index < repeat; index++) rows.row(row + index, cells);
        row += repeat;
      }
    },
    piece: async () => {
      await flush();
      return at <= wanted;
    },
  });
}

/** Begins a paragraph, or adds what stands for spaces and line ends; 1 where text follows that belongs to the cell. */
function startText(name: string, attributes: Record<string, string>, open: OpenCell): number {
  if (name === "p") {
    if (open.paragraphs > 0) open.text += "\n";
    open.paragraphs += 1;
    return 1;
  }
  if (name === "s") open.text += " ".repeat(Math.min(10_000, Number(attributes["text:c"] ?? 1) || 1));
  else if (name === "tab") open.text += "\t";
  else if (name === "line-break") open.text += "\n";
  return 0;
}

function cellOf(
  { attributes, text, paragraphs }: OpenCell,
  address: string,
  rows: SheetRows,
): Omit<Cell, "column"> | undefined {
  const { "office:value-type": type, "calcext:value-type": more, "table:formula": formula } = attributes;
  if (
    attributes["table:number-columns-spanned"] !== undefined ||
    attributes["table:number-rows-spanned"] !== undefined
  )
    if (
      Number(attributes["table:number-columns-spanned"] ?? 1) > 1 ||
      Number(attributes["table:number-rows-spanned"] ?? 1) > 1
    )
      rows.note("merged cells have their value in the first of them, the others are NULL", address);
  if (more === "error" || (formula !== undefined && /^(#[A-Z/0!?]+|Err:\d+)$/.test(text)))
    return { kind: "error", text };
  switch (type) {
    case undefined:
      if (formula !== undefined)
        rows.note(
          "formulas without a stored result are NULL: open and save the file in a spreadsheet program",
          address,
        );
      return paragraphs > 0 ? { kind: "text", text } : undefined;
    case "float":
    case "percentage":
    case "currency":
      return { kind: "number", text: numberText(attributes["office:value"] ?? "", address) };
    case "boolean":
      return { kind: "boolean", text: attributes["office:boolean-value"] === "true" ? "true" : "false" };
    case "date":
      return isoCell(attributes["office:date-value"] ?? "");
    case "time":
      return timeCell(attributes["office:time-value"] ?? "", address, rows);
    default:
      return { kind: "text", text: attributes["office:string-value"] ?? text };
  }
}

/** A duration as ISO 8601, `PT25H30M00S`; below a day it is a time of day, which ODF does not tell apart. */
function timeCell(text: string, address: string, rows: SheetRows): Omit<Cell, "column"> {
  const [, minus, hours = "0", minutes = "0", seconds = "0", fraction = ""] =
    /^(-)?P(?:0D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d+))?S)?$/.exec(text) ?? [];
  if (!/^-?P/.test(text)) return { kind: "text", text };
  const two = (value: string) => value.padStart(2, "0");
  const rest = fraction.replace(/0+$/, "").slice(0, 6);
  const clock = `${two(hours)}:${two(minutes)}:${two(seconds)}${rest === "" ? "" : `.${rest}`}`;
  if (minus === undefined && Number(hours) < 24) return { kind: "time", text: clock };
  rows.note("durations of a day and more are text, as 25:30:00", address);
  return { kind: "duration", text: `${minus ?? ""}${clock}` };
}
