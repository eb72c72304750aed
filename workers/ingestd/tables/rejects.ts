/** Rows that could not be loaded: written to a file as they are found, the first ones kept for the answer. */

import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import { createPartSplitter } from "./part-splitter.ts";
import { createPartWriter } from "./parts.ts";
import type { Scratch } from "./scratch.ts";
import { cell, csvLine, readText, type TextFile } from "./text-table.ts";

interface Reject {
  /** Where the row begins: line, counted from 1, and offset in bytes of the text as UTF-8, decompressed. */
  line: number;
  byte: number;
  /** Name of the column, where one is to blame. */
  column: string | null;
  reason: string;
  /** The row as it was written. */
  text: string;
  /** Which file it is in, where there are several. */
  file?: string;
}

export interface Rejects {
  /** Whether bad rows are set aside, and no error. */
  allowed: boolean;
  count: () => number;
  /** Throws `rejected_rows` when there are more than allowed. */
  add: (reject: Omit<Reject, "file">) => Promise<void>;
  /** The rows as a relation of text, in the order of `rejectColumns`, and their file; undefined when there are none. */
  relation: () => Promise<string | undefined>;
  /** SHA-256 of the rows in their order. */
  digest: () => string;
}

export interface RejectRules {
  /** False: any bad row is an error, and the first ones are listed. */
  allowed: boolean;
  max: number;
}

const rejectColumns = [
  { name: "line", type: "BIGINT" },
  { name: "byte", type: "BIGINT" },
  { name: "column", type: "VARCHAR" },
  { name: "reason", type: "VARCHAR" },
  { name: "text", type: "VARCHAR" },
] as const;

/** Where rejected rows come from: the same for all of one ingest. */
export interface Origin {
  /** As the client calls the file, when it says. */
  file: string | undefined;
  /** None of a change of rows. */
  job: string | undefined;
  /** The version of the dataset that has the rows which were not rejected. */
  version: number;
}

/** The rejects dataset: typed, in the order of the file; without a relation it has no rows. */
export function rejectsQuery(relation: string | undefined, { file, job, version }: Origin): string {
  const value = (index: number) => (relation === undefined ? "NULL" : cell(index));
  const columns = rejectColumns.map(
    ({ name, type }, index) => `${value(index)}::${type} AS ${quoteName(name)}`,
  );
  const text = (given: string | undefined) => (given === undefined ? "NULL" : quoteText(given));
  const origin = [
    `coalesce(${value(rejectColumns.length)}, ${text(file)})::VARCHAR AS file`,
    `${text(job)}::VARCHAR AS job`,
    `${version}::BIGINT AS version`,
  ];
  const from =
    relation === undefined ? "WHERE false" : `FROM ${relation} ORDER BY file NULLS FIRST, "line", "byte"`;
  return `SELECT ${[...columns, ...origin].join(", ")} ${from}`;
}

/** Rows listed in an error, and the characters of each that are shown. */
const listedMax = 20;
const shownCharacters = 500;

export function createRejects(
  scratch: Scratch & { fileOf?: (byte: number) => string | undefined },
  stem: string,
  { allowed, max }: RejectRules,
): Rejects {
  const listed: Reject[] = [];
  const writer = createPartWriter(scratch, stem);
  let count = 0;
  let longestRowBytes = 0;
  const rule = createPartSplitter();
  let length = 0;
  const hash = new Bun.CryptoHasher("sha256");

  return {
    allowed,
    digest: () => hash.copy().digest("hex"),
    count: () => count,
    add: async (found) => {
      const file = scratch.fileOf?.(found.byte);
      const reject = { ...found, ...(file !== undefined && { file }) };
      count += 1;
      if (listed.length < listedMax) listed.push(shorten(reject));
      if (!allowed && count >= listedMax) throw rejectedRows(listed, count, "the first are listed");
      if (allowed && count > max) throw rejectedRows(listed, count, `max_rejects is ${max}`);
      const { line, byte, column, reason, text } = reject;
      const bytes = Buffer.from(csvLine([String(line), String(byte), column, reason, text, file ?? null]));
      longestRowBytes = Math.max(longestRowBytes, bytes.length);
      length += bytes.length;
      hash.update(bytes);
      await writer.write(bytes, rule.endRow(length) ? [bytes.length] : []);
    },
    relation: async () => {
      if (count > 0 && !allowed) throw rejectedRows(listed, count, "all are listed");
      if (count === 0) return undefined;
      const parts = await writer.end();
      const file: TextFile = {
        parts,
        dialect: { delimiter: ",", quote: '"', nulls: [] },
        width: rejectColumns.length + 1,
        longestRowBytes,
        lineEnd: "\n",
      };
      return readText(file);
    },
  };
}

function rejectedRows(rows: readonly Reject[], count: number, note: string): ServiceError {
  const [first] = rows;
  const where = first
    ? `: ${first.file === undefined ? "" : `${first.file}: `}line ${first.line}${first.column === null ? "" : `, column '${first.column}'`}: ${first.reason}`
    : "";
  const isForeign = rows.some(({ reason }) => reason.startsWith("not valid UTF-8"));
  const encoding = isForeign ? ", say encoding=windows-1252 where it is in that" : "";
  const advice = `nothing was registered. Mend the file${encoding}, or send on_error=reject to set bad rows aside`;
  return fail("rejected_rows", `${count} bad row${count === 1 ? "" : "s"} (${note})${where}; ${advice}`, {
    details: { rows_rejected: count, rows },
  });
}

const shorten = (reject: Reject): Reject => ({
  ...reject,
  text: reject.text.length > shownCharacters ? `${reject.text.slice(0, shownCharacters)}…` : reject.text,
});
