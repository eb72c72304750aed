/** Which parameters say something about a file of which kind. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { ingestd } from "../contract.ts";
import type { FileKind } from "../receiving/receiving.ts";

/** How a file is to be read, as ingest and preview take it. */
export type Asked = Omit<InputOf<(typeof ingestd.endpoints)["preview"]>, "rows" | "url" | "timeout_ms">;

type Name = keyof Asked;
const text: readonly Name[] = ["delimiter", "quote", "escape", "comment"];
const rows: readonly Name[] = ["skip", "header", "null"];
const values: readonly Name[] = ["date_format", "timestamp_format", "decimal", "infer"];

/** Parameters that would change nothing in a file of this kind. */
const meaningless: Record<Exclude<FileKind, "zip" | "tar">, readonly Name[]> = {
  csv: ["path", "table", "sheet", "range"],
  ndjson: [...text, ...rows, "path", "table", "sheet", "range"],
  json: [...text, ...rows, "encoding", "table", "sheet", "range"],
  parquet: [...text, ...rows, ...values, "encoding", "path", "table", "sheet", "range"],
  avro: [...text, ...rows, ...values, "encoding", "path", "table", "sheet", "range"],
  sqlite: [...text, ...rows, "encoding", "path", "sheet", "range"],
  workbook: [...text, "encoding", "path", "table"],
};

/** Throws `invalid_field` for a parameter that would change nothing in a file of this kind. */
export function checkMeaning(kind: keyof typeof meaningless, asked: Asked): void {
  const given = meaningless[kind].filter((name) => asked[name] !== undefined);
  if (given.length > 0)
    throw fail("invalid_field", `${given.join(", ")}: no meaning for a file of format ${kind}; leave it out`);
}
