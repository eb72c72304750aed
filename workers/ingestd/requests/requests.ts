/** The requests that carry rows: ingest, preview and upsert, and their parameters. */

export { storeBody } from "./bodies.ts";
export { answerIngest } from "./early-answer.ts";
export { load, type Receive } from "./ingest.ts";
export { readingOf } from "./parameters.ts";
export { preview } from "./preview.ts";
export { upsertRows } from "./upsert-rows.ts";
