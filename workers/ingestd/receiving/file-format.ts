/** Which format a file has, by its first bytes, its name and what the client says. */
import { fail } from "../../../runtime/errors/errors.ts";

export type FormatName = "csv" | "ndjson" | "parquet";

/** Formats that people send and that are told apart by their first bytes, with what to do about them. */
const others: readonly { magic: string; name: string; advice: string }[] = [
  {
    magic: "PK\x03\x04",
    name: "a zip archive or an Excel workbook",
    advice: "save the sheet as CSV UTF-8, or unpack the archive",
  },
  { magic: "PK\x05\x06", name: "an empty zip archive", advice: "send the file itself" },
  { magic: "\xd0\xcf\x11\xe0", name: "an old Excel workbook", advice: "save the sheet as CSV UTF-8" },
  { magic: "%PDF", name: "a PDF", advice: "send the table as CSV" },
  { magic: "BZh", name: "bzip2 data", advice: "send it plain, or as gzip or zstd" },
  { magic: "\xfd7zXZ", name: "xz data", advice: "send it plain, or as gzip or zstd" },
  { magic: "7z\xbc\xaf", name: "a 7z archive", advice: "unpack it, or send gzip or zstd" },
  { magic: "ARROW1", name: "an Arrow file", advice: "send it as Parquet" },
  { magic: "Obj\x01", name: "an Avro file", advice: "send it as Parquet or NDJSON" },
  { magic: "SQLite format 3", name: "a SQLite database", advice: "send the table as CSV" },
];

interface Hints {
  head: Buffer;
  asked?: FormatName | undefined;
  filename?: string | undefined;
  /** As in a Content-Type header. */
  mediaType?: string | undefined;
}

/** Media types that name a format; others, such as curl's form and octet-stream, say nothing of the file. */
const formatsByType: Record<string, FormatName> = {
  "text/csv": "csv",
  "application/csv": "csv",
  "text/tab-separated-values": "csv",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
  "application/jsonlines": "ndjson",
  "application/x-jsonlines": "ndjson",
  "application/json-lines": "ndjson",
  "application/json": "ndjson",
  "application/vnd.apache.parquet": "parquet",
  "application/x-parquet": "parquet",
};

const typedAs = (mediaType = ""): FormatName | undefined =>
  formatsByType[mediaType.split(";")[0]?.trim().toLowerCase() ?? ""];

/**
 * What was asked for decides, then the media type, the name, and the first bytes. Throws `unsupported_media_type` for formats that are not taken, `unprocessable` where the bytes contradict what was asked.
 */
export function formatOf({ head, asked: parameter, filename, mediaType }: Hints): FormatName {
  const asked = parameter ?? typedAs(mediaType);
  const by = parameter === undefined ? `Content-Type ${mediaType}` : `format=${parameter}`;
  const start = head.toString("latin1", 0, 16);
  const other = others.find(({ magic }) => start.startsWith(magic));
  if (other) {
    throw fail(
      "unsupported_media_type",
      `the file is ${other.name}; expected CSV, NDJSON or Parquet: ${other.advice}`,
    );
  }
  if (start.startsWith("PARE"))
    throw fail("unprocessable", "the Parquet file is encrypted: send it decrypted");
  if (asked !== "parquet" && looksLikeMarkup(head))
    throw fail(
      "unprocessable",
      "the file is an HTML or XML page, not a table: an error page, or a page to sign in, may have been saved in its place",
    );
  const isParquet = start.startsWith("PAR1");
  if (isParquet && asked !== undefined && asked !== "parquet")
    throw fail("unprocessable", `the file is Parquet, but ${by} was sent with it`);
  if (asked === "parquet" && !isParquet)
    throw fail("unprocessable", "the file is not Parquet: it does not begin with PAR1");
  if (isParquet) return "parquet";
  const format = asked ?? namedAs(filename) ?? (looksLikeJson(head) ? "ndjson" : "csv");
  if (format === "csv" && asked === undefined && looksLikeJson(head))
    throw fail(
      "unprocessable",
      `the file begins as JSON does, but its name, ${filename}, is that of a CSV: an error may have been saved in its place; send format=ndjson for one object a line, or format=csv to have it read as it is`,
    );
  return format;
}

function namedAs(filename = ""): FormatName | undefined {
  const ending = /\.(ndjson|jsonl|json|csv|tsv)(\.(gz|zst|zstd))?$/i.exec(filename)?.[1]?.toLowerCase();
  if (ending === undefined) return undefined;
  return ending === "csv" || ending === "tsv" ? "csv" : "ndjson";
}

/** A page as servers send it, instead of a file. No header of a table begins so. */
const page = /^(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype|html|head|body|title|\?xml)\b/is;
/** A part of one: a first line that ends in a tag too, in which an element has others inside or is closed. */
const element =
  /^(\xef\xbb\xbf)?\s*(?=<[^\n]*>\s*(\n|$))<(?<tag>[a-z][\w:.-]*)(\s[^<>]*)?>(\s*<|[^<]*<\/\k<tag>>)/i;

const looksLikeMarkup = (head: Buffer): boolean => {
  const text = head.toString("latin1", 0, 1024);
  return page.test(text) || element.test(text);
};

/** An object, or an array of objects, at the very beginning. No sensible CSV header has this form. */
export const looksLikeJson = (head: Buffer): boolean =>
  /^(\xef\xbb\xbf)?\s*(\{\s*("|\})|\[\s*(\{|\]))/.test(head.toString("latin1", 0, 256));
