/** The formats of results, one file each: rows of DuckDB become JSON, NDJSON, CSV, Arrow or Parquet. */
export { csv } from "./csv.ts";
export type { ResultEncoder } from "./format.ts";
export { formats } from "./formats.ts";
export { json } from "./json.ts";
export { ndjson } from "./ndjson.ts";
export { formsOf, type RecordedForms, recordedForms, renamedColumns } from "./number-forms.ts";
export { copyStatement, type ParquetFile, parquetType, writeParquet } from "./parquet.ts";
export { streamOf } from "./stream.ts";
