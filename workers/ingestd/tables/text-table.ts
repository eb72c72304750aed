/** Rows of text in a file, as DuckDB sees them: nothing about the file is left for DuckDB to guess. */
import { quoteText } from "../../../runtime/sql/sql.ts";

/** How a text file is divided into fields. `quote` is empty when no character quotes. */
export interface Dialect {
  delimiter: string;
  quote: string;
  /** Stands before a quote or itself inside quotes; a doubled quote stands for one in any case. */
  escape?: string;
  /** Lines that begin with it are no rows. */
  comment?: string;
  /** Unquoted texts that mean NULL, beside the empty field. */
  nulls: readonly string[];
}

export interface TextFile {
  /** The files, in order. No row is divided between two. */
  parts: readonly Part[];
  dialect: Dialect;
  /** Number of fields in each row. */
  width: number;
  longestRowBytes: number;
  lineEnd: "\n" | "\r\n";
}

export interface Part {
  path: string;
  bytes: number;
}

/**
 * DuckDB's defaults. A thread takes a quarter of a buffer, at most 8 MB: with a smaller buffer a part would be divided
 * between threads, and they lose their place in quoted line ends.
 */
const lineBytesDefault = 2_000_000;
const bufferBytesDefault = 32_000_000;

export const cell = (index: number): string => `c${index}`;

/**
 * The relation: columns c0, c1, … of VARCHAR. Two settings look odd and are measured (ADR 0031): `strict_mode` is off
 * because with it DuckDB 1.5 fails on line ends inside quotes (the file's structure was checked before, by the scan
 * or by the exact reader); and a buffer holds a whole part, because DuckDB loses characters of quoted fields that
 * lie across two buffers.
 */
export function readText({ parts, dialect, width, longestRowBytes, lineEnd }: TextFile): string {
  if (parts.length === 0) return emptyRelation(width);
  const columns = Array.from({ length: width }, (_, index) => `'${cell(index)}': 'VARCHAR'`);
  // A margin, because DuckDB counts the line end, too.
  const lineBytes = Math.max(lineBytesDefault, longestRowBytes + 1024);
  const bufferBytes = Math.max(bufferBytesDefault, lineBytes, ...parts.map(({ bytes }) => bytes + 1024));
  const nulls = ["", ...dialect.nulls].map(quoteText).join(", ");
  const newLine = lineEnd === "\n" ? "'\\n'" : "'\\r\\n'";
  return `read_csv([${parts.map(({ path }) => quoteText(path)).join(", ")}], auto_detect = false, header = false,
    strict_mode = false, null_padding = false, ignore_errors = false, allow_quoted_nulls = false, comment = '',
    compression = 'none', nullstr = [${nulls}], new_line = ${newLine}, delim = ${quoteText(dialect.delimiter)},
    quote = ${quoteText(dialect.quote)}, escape = ${quoteText(dialect.quote)}, parallel = ${longestRowBytes < lineBytesDefault},
    max_line_size = ${lineBytes}, buffer_size = ${bufferBytes}, columns = {${columns.join(", ")}})`;
}

const emptyRelation = (width: number): string => {
  const columns = Array.from({ length: width }, (_, index) => `NULL::VARCHAR AS ${cell(index)}`);
  return `(SELECT ${columns.join(", ")} WHERE false)`;
};

/** A row as this service writes it for DuckDB, with its line end: every text in quotes, NULL as nothing. */
export const csvLine = (fields: readonly (string | null)[]): string => `${fields.map(csvField).join(",")}\n`;

/** One field of it. */
export const csvField = (field: string | null): string =>
  field === null ? "" : `"${field.replaceAll('"', '""')}"`;
