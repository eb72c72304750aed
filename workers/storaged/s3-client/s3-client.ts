/** One S3 server: signed requests with limits and retries, what its refusals mean, and which conditional writes it honours. */
export { type ConditionalWrites, probeServer, type Supports } from "./capabilities.ts";
export {
  bareEtag,
  createS3Connection,
  type S3Answer,
  type S3Connection,
  type S3Server,
} from "./connection.ts";
export { refusal, type S3Address } from "./errors.ts";
export { createHealth, type Health } from "./health.ts";
export { elements, escapeXml, keyOf, textOf } from "./xml.ts";
