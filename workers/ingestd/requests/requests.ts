/** The requests that carry rows: ingest, preview and upsert, and their parameters. */
export { ingest, load, type Receive } from "./ingest.ts";
export { preview } from "./preview.ts";
export { upsertRows } from "./upsert-rows.ts";
