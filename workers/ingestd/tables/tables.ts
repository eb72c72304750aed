/** A received file as a table that DuckDB can read: text in parts, each row with its source position, and rejected rows. */
export type {
  AskedType,
  Column,
  FileContext,
  Format,
  KnownColumn,
  Lines,
  Reading,
  Registered,
  Run,
  Source,
  Stored,
  Table,
  TypedColumn,
} from "./format.ts";
export { createPartSplitter, type PartSplitter, vectorRows } from "./part-splitter.ts";
export { createPartWriter, readParts } from "./parts.ts";
export { openPositionedText, type PositionedText } from "./positioned-text.ts";
export { createRejects, type Origin, type Rejects, rejectsQuery } from "./rejects.ts";
export { createScratch, type OwnScratch } from "./scratch.ts";
export { type NamedFile, refusedFiles, uniteFiles } from "./several-files.ts";
export { checkTypes, nameColumns, numberColumns, textColumn } from "./text-columns.ts";
export { cell, csvField, type Dialect, type Part, readText } from "./text-table.ts";
