/** The requests that carry rows: ingest, preview and upsert, and their parameters. */
export { answerIngest } from "./early-answer.ts";
export { load, type Receive, storeBody } from "./ingest.ts";
export { readingOf } from "./parameters.ts";
export { preview } from "./preview.ts";
export { upsertRows } from "./upsert-rows.ts";
