/** The format of each column, as Bind names them. */
import { fail } from "../../../runtime/errors/errors.ts";

/** Throws `invalid_field` where their number is neither none, one, nor that of the columns. */
export function formatsOf(formats: readonly number[], columns: number): readonly number[] {
  if (formats.length === 0) return [];
  if (formats.length === 1) return Array.from({ length: columns }, () => formats[0] as number);
  if (formats.length === columns) return formats;
  throw fail(
    "invalid_field",
    `expected no format, one for all, or one a column: got ${formats.length} for ${columns} columns`,
  );
}
