/** Answers that fit an agent's context: rows out of a stream, tables, truncation, and results that are paged through. */
export { createResultCache, cursorOf, type Result, resultBytesDefault } from "./result-cache.ts";
export { createRowScanner, type RowScanner } from "./row-scanner.ts";
export { headingRow, type Row, tableRow } from "./table.ts";
export { jsonCharsMax, textCharsMax, truncated, truncatedOrEmpty } from "./truncation.ts";
