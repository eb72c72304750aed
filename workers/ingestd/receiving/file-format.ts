/** Which format a file has, by its first bytes, its name and what the client says. */
import { fail } from "../../../runtime/errors/errors.ts";

/** Formats that this service reads itself; other kinds become lines of JSON in a child process first. */
export type FormatName = "csv" | "ndjson" | "parquet";
/** A zip is a workbook or an archive: its end says which. */
export type FileKind = FormatName | "json" | "avro" | "sqlite" | "workbook" | "zip" | "tar";
type AskedFormat = FormatName | "json" | "avro" | "sqlite" | "xlsx" | "ods";

const expected = "expected CSV, JSON, NDJSON, Parquet, XLSX, ODS, Avro or SQLite";

/** Formats that people send and that are told apart by their first bytes, with what to do about them. */
const others: readonly { magic: string; name: string; advice: string }[] = [
  { magic: "PK\x05\x06", name: "an empty zip archive", advice: "send the file itself" },
  {
    magic: "\xd0\xcf\x11\xe0",
    name: "an Excel workbook of before 2007, or one with a password",
    advice: "save it as XLSX without a password",
  },
  { magic: "%PDF", name: "a PDF", advice: "send the table as CSV; documents go to /v1/documents" },
  { magic: "BZh", name: "bzip2 data", advice: "send it plain, or as gzip or zstd" },
  { magic: "\xfd7zXZ", name: "xz data", advice: "send it plain, or as gzip or zstd" },
  { magic: "7z\xbc\xaf", name: "a 7z archive", advice: "send a zip or a tar" },
  { magic: "Rar!", name: "a RAR archive", advice: "send a zip or a tar" },
  { magic: "ARROW1", name: "an Arrow file", advice: "send it as Parquet" },
];

/** Kinds that their first bytes tell, and which formats they may be asked for as. */
const binary: readonly {
  magic: string;
  at?: number;
  kind: FileKind;
  called: string;
  formats: readonly AskedFormat[];
}[] = [
  { magic: "PK\x03\x04", kind: "zip", called: "a zip archive or a workbook", formats: ["xlsx", "ods"] },
  { magic: "Obj\x01", kind: "avro", called: "Avro", formats: ["avro"] },
  { magic: "SQLite format 3\0", kind: "sqlite", called: "a SQLite database", formats: ["sqlite"] },
  { magic: "PAR1", kind: "parquet", called: "Parquet", formats: ["parquet"] },
  { magic: "ustar", at: 257, kind: "tar", called: "a tar archive", formats: [] },
];

interface Hints {
  head: Buffer;
  asked?: AskedFormat | undefined;
  /** Rows lie somewhere in a JSON document. */
  hasPath?: boolean;
  filename?: string | undefined;
  /** As in a Content-Type header. */
  mediaType?: string | undefined;
}

/** Media types that name a format; others, such as curl's form and octet-stream, say nothing of the file. */
const formatsByType: Record<string, AskedFormat> = {
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
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/vnd.oasis.opendocument.spreadsheet": "ods",
  "application/vnd.sqlite3": "sqlite",
  "application/x-sqlite3": "sqlite",
  "application/avro": "avro",
};

const typedAs = (mediaType = ""): AskedFormat | undefined =>
  formatsByType[mediaType.split(";")[0]?.trim().toLowerCase() ?? ""];

/**
 * What was asked for decides, then the media type, the name, and the first bytes. Throws `unsupported_media_type` for formats that are not taken, `unprocessable` where the bytes contradict what was asked.
 */
export function formatOf({ head, asked: parameter, filename, mediaType, hasPath = false }: Hints): FileKind {
  const asked = parameter ?? typedAs(mediaType);
  const by = parameter === undefined ? `Content-Type ${mediaType}` : `format=${parameter}`;
  const start = head.toString("latin1", 0, 300);
  const other = others.find(({ magic }) => start.startsWith(magic));
  if (other) throw fail("unsupported_media_type", `the file is ${other.name}; ${expected}: ${other.advice}`);
  if (start.startsWith("PARE"))
    throw fail("unprocessable", "the Parquet file is encrypted: send it decrypted");
  const found = binary.find(({ magic, at = 0 }) => start.startsWith(magic, at));
  if (found && asked !== undefined && !found.formats.includes(asked))
    throw fail("unprocessable", `the file is ${found.called}, but ${by} was sent with it`);
  if (found) return found.kind;
  const wanted = binary.find(({ formats }) => asked !== undefined && formats.includes(asked));
  if (wanted)
    throw fail(
      "unprocessable",
      `the file is not ${wanted.called}, as ${by} says: it does not begin with ${wanted.magic.replace(/[^ -~]/g, "")}`,
    );
  if (looksLikeMarkup(head))
    throw fail(
      "unprocessable",
      "the file is an HTML or XML page, not a table: an error page, or a page to sign in, may have been saved in its place",
    );
  return textFormat(asked as "csv" | "ndjson" | "json" | undefined, {
    head,
    filename,
    hasPath,
    isCertain: parameter !== undefined,
  });
}

function textFormat(
  asked: "csv" | "ndjson" | "json" | undefined,
  {
    head,
    filename,
    hasPath,
    isCertain,
  }: Pick<Hints, "head" | "filename"> & { hasPath: boolean; isCertain: boolean },
): FileKind {
  const named = namedAs(filename);
  if (asked === undefined && named === "binary")
    throw fail(
      "unprocessable",
      `the file does not begin as its name, ${filename}, says: it may be damaged or cut off; send format=csv or format=ndjson to have it read as text`,
    );
  const format = asked ?? named ?? (looksLikeJson(head) ? "ndjson" : "csv");
  if (format === "csv" && asked === undefined && looksLikeJson(head))
    throw fail(
      "unprocessable",
      `the file begins as JSON does, but its name, ${filename}, is that of a CSV: an error may have been saved in its place; send format=ndjson for one object a line, or format=csv to have it read as it is`,
    );
  if (format === "csv" || (isCertain && format === "ndjson")) return format as FileKind;
  return format === "json" || hasPath || isDocument(head) ? "json" : "ndjson";
}

/** An array, or an object over several lines: one JSON document, not one object a line. */
const isDocument = (head: Buffer): boolean =>
  /^(\xef\xbb\xbf)?\s*(\[|\{\s*[\r\n])/.test(head.toString("latin1", 0, 4096));

function namedAs(filename = ""): "csv" | "ndjson" | "binary" | undefined {
  const ending =
    /\.(ndjson|jsonl|json|csv|tsv|xlsx|xlsm|xlsb|xls|ods|avro|sqlite3?|parquet|zip|tar|tgz)(\.(gz|zst|zstd))?$/i
      .exec(filename)?.[1]
      ?.toLowerCase();
  if (ending === undefined) return undefined;
  if (ending === "csv" || ending === "tsv") return "csv";
  return /json/.test(ending) ? "ndjson" : "binary";
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
