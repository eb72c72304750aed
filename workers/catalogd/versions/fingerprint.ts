/** What makes two schemas the same: names, types and nullability of the columns, in their order. */
import type { Column } from "./version.ts";

/**
 * SHA-256 in hex over `[[name, type, nullable], …]` as JSON. The type's text counts as it is: DuckDB prints each type
 * in one way only.
 */
export const schemaFingerprint = (columns: readonly Column[]): string =>
  Bun.SHA256.hash(JSON.stringify(columns.map(({ name, type, nullable }) => [name, type, nullable])), "hex");
