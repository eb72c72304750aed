/** Files that hold tables, as rows in lines of JSON. Loaded in a child process alone, each library when its first file comes. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { zipNames } from "../document-formats/document-formats.ts";
import type { Asked, TableReader, Taken } from "./taking.ts";

export type { Asked, FoundTable, Taken, TakenColumn } from "./taking.ts";

export type TableKind = "json" | "avro" | "sqlite" | "workbook";

const readers: Record<Exclude<TableKind, "workbook"> | "xlsx" | "ods", () => Promise<TableReader>> = {
  json: async () => (await import("./json-document.ts")).readJsonDocument,
  avro: async () => (await import("./avro.ts")).readAvroFile,
  sqlite: async () => (await import("./sqlite.ts")).readSqlite,
  xlsx: async () => (await import("./xlsx.ts")).readXlsx,
  ods: async () => (await import("./ods.ts")).readOds,
};

/** How much of a library's own words is passed on. */
const wordsMax = 200;

/** Throws what is wrong with the file: `unprocessable`, `too_large`, `unsupported_media_type`, `invalid_field`. */
export async function takeTable(kind: TableKind, asked: Asked): Promise<Taken & { format: string }> {
  const format = kind === "workbook" ? await workbookKind(asked.path) : kind;
  try {
    const read = await readers[format]();
    return { ...(await read(asked)), format };
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    // What libraries say of a broken file is for its owner; it is no fault of this program.
    const words = cause instanceof Error ? cause.message : String(cause);
    throw fail(
      "unprocessable",
      `the file cannot be read as ${format}: ${words.replace(/\s+/g, " ").slice(0, wordsMax)}`,
      { cause },
    );
  }
}

async function workbookKind(path: string): Promise<"xlsx" | "ods"> {
  const names = new Set([...(await zipNames(path))].map((name) => fold(name)));
  if ([...names].some((name) => name.startsWith("xl/workbook."))) return "xlsx";
  if (names.has("content.xml")) return "ods";
  throw fail(
    "unsupported_media_type",
    "this zip is a document and no spreadsheet: documents go to /v1/documents",
  );
}
