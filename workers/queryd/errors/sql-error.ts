/** DuckDB's errors as a caller may see them: its message, the place in the caller's text, and no path. */

import { storageErrorInWords } from "../../../runtime/durable/durable.ts";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { castHint } from "./cast-hint.ts";
import { EngineError } from "./engine-error.ts";

/** How places in the statement that was run relate to the caller's text. */
export interface Origin {
  sql: string;
  /** UTF-8 bytes before the caller's text in the statement that was run. */
  prefixBytes: number;
}

/** Hides where files lie. */
export type HidePaths = (text: string) => string;

/** Replaces every path or URL below one of the folders. */
export function pathHider(folders: readonly string[]): HidePaths {
  const known = folders.map((folder) => folder.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const pattern = new RegExp(`(?:${known})[^\\s'",;)\\]]*`, "g");
  return (text) => text.replace(pattern, "<object>");
}

/** Kinds that are the fault of the statement or of the data it meets. */
const statementKinds = new Set([
  "Parser",
  "Syntax",
  "Binder",
  "Catalog",
  "Conversion",
  "Invalid Input",
  "Invalid type",
  "Mismatch Type",
  "Out of Range",
  "Divide by Zero",
  "Decimal",
  "Expression",
  "Parameter Not Resolved",
  "Parameter Not Allowed",
  "Parameter",
  "Not implemented",
  "Sequence",
  "Constraint",
  "Dependency",
  "Planner",
  "Executor",
  "Missing Extension",
  "Extension Autoloading",
]);

const bySmallLetters = new Map([...statementKinds].map((kind) => [kind.toLowerCase(), kind]));

/** DuckDB's serializers write the kind of an error in small letters. */
export const kindOf = (small: string): string => bySmallLetters.get(small.toLowerCase()) ?? small;

/** Turns a failure of the engine into an answer; anything unexpected is returned as it is and becomes a bare 500. */
export function sqlError(cause: unknown, origin: Origin, hide: HidePaths): unknown {
  if (!(cause instanceof EngineError)) return cause;
  const message = hide(cause.message);
  const full = storageErrorInWords(message, "keep what the query needs beside memory", cause);
  if (full) return full;
  if (/failed to offload data block.*\/0 bytes used/.test(message)) return noRoomToSpill(cause);
  if (cause.kind === "Out of Memory") {
    return fail(
      "resource_exhausted",
      `the query needs more than the server gives it: ${message.split("\n", 1)[0]}`,
      { cause },
    );
  }
  if (cause.kind === "Permission")
    return fail("statement_not_allowed", "the statement reaches for something that queries may not", {
      cause,
    });
  if (cause.kind === "Unknown" || !statementKinds.has(cause.kind)) return cause;
  const place = cause.position === undefined ? undefined : placeIn(origin, cause.position);
  const hint = castHint(message, origin.sql, place?.position);
  const text = `${cause.kind} Error: ${message.trimEnd()}${hint === undefined ? "" : `\nHint: ${hint}`}`;
  return fail("sql_error", text, { cause, ...(place && { details: place }) });
}

/** DuckDB bounds its temporary files by the room that the disk has: a bound of nothing is a full disk. */
const noRoomToSpill = (cause: EngineError): ServiceError =>
  fail(
    "storage_full",
    "the query needs more than memory, and the disk is full: free space on it, or raise queryd.memory_limit",
    { cause },
  );

/** Line and column from 1, position from 0, in characters of the caller's text; undefined when outside of it. */
export function placeIn(
  { sql, prefixBytes }: Origin,
  byte: number,
): { position: number; line: number; column: number } | undefined {
  const bytes = Buffer.from(sql);
  const at = byte - prefixBytes;
  if (at < 0 || at > bytes.length) return undefined;
  const before = bytes.subarray(0, at).toString();
  const lines = before.split("\n");
  return { position: before.length, line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}
