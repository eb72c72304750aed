/** The two requests that carry a file, ingest and preview, and their parameters. */
export { ingest } from "./ingest.ts";
export { preview } from "./preview.ts";
