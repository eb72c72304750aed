/** A document's chunks as rows of its corpus's dataset: the columns, and what stands in them. */
import { fail } from "../../../runtime/errors/errors.ts";
import { plainType } from "../../../runtime/sql/sql.ts";
import type { Extracted } from "../extraction/extraction.ts";

/** `char_start` and `char_end` count characters of the document's text, as `substr` does; the original is known by `sha256`. */
export const columns = {
  id: "VARCHAR",
  document: "VARCHAR",
  chunk: "BIGINT",
  title: "VARCHAR",
  headings: "VARCHAR",
  page: "BIGINT",
  char_start: "BIGINT",
  char_end: "BIGINT",
  text: "VARCHAR",
  file: "VARCHAR",
  media_type: "VARCHAR",
  bytes: "BIGINT",
  sha256: "VARCHAR",
  author: "VARCHAR",
  date: "TIMESTAMP WITH TIME ZONE",
  subject: "VARCHAR",
  sender: "VARCHAR",
  recipients: "VARCHAR",
  metadata: "VARCHAR",
  added_at: "TIMESTAMP WITH TIME ZONE",
} as const;

/** What the corpus that is searched is made of. When a document was added says nothing about it. */
export const corpusSpec = {
  id_column: "id",
  text_columns: ["text"],
  metadata_columns: (
    ["document", "chunk", "title", "headings", "page", "file", "media_type"] as string[]
  ).concat(["author", "date", "subject", "sender", "recipients", "metadata"]),
  json_columns: ["metadata"],
};

/** What is known of a document beside its text. */
export interface Described {
  document: string;
  file: string;
  bytes: number;
  sha256: string;
  /** The caller's own, as JSON. */
  metadata: string;
  added_at: string;
}

/** As NDJSON, a line a chunk. */
export function* linesOf(
  { document, file, ...described }: Described,
  { media_type, facts, chunks }: Omit<Extracted, "warnings" | "characters">,
): Generator<string> {
  const { title, author, date, subject, sender, recipients } = facts;
  for (const [at, { start, end, text, page, headings }] of chunks.entries()) {
    const row: Record<keyof typeof columns, unknown> = {
      ...{
        id: `${document}#${at}`,
        document,
        chunk: at,
        title,
        headings: headings.join(" > ") || null,
        page,
      },
      ...{ char_start: start, char_end: end, text, file, media_type, ...described },
      ...{ author, date, subject, sender, recipients },
    };
    const all = Object.keys(columns).map((name) => [name, row[name as keyof typeof columns] ?? null]);
    yield `${JSON.stringify(Object.fromEntries(all))}\n`;
  }
}

interface Dataset {
  name: string;
  columns: readonly { name: string; type: string }[];
}

function missingIn({ columns: there }: Dataset): [string, string][] {
  const types = new Map(there.map((column) => [column.name, plainType(column.type)]));
  return Object.entries(columns).filter(([column, type]) => types.get(column) !== plainType(type));
}

export const isOfDocuments = (dataset: Dataset): boolean => missingIn(dataset).length === 0;

/** Throws `conflict` for a dataset that is none of documents. */
export function checkColumns(dataset: Dataset): void {
  const missing = missingIn(dataset);
  const { name } = dataset;
  if (missing.length > 0)
    throw fail(
      "conflict",
      `'${name}' is a dataset that is no corpus of documents: it has no column ${missing
        .slice(0, 3)
        .map(([column, type]) => `'${column}' of type ${type}`)
        .join(", ")}; give the corpus another name`,
    );
}
