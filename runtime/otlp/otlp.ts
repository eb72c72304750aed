/** Spans on their way out by OTLP over HTTP, in its JSON encoding: a bounded queue, sent in batches beside everything else. */
export { attributesOf, nanosOf, type Resource, requestOf } from "./encoding.ts";
export { createExporter, type Exporter } from "./exporter.ts";
export { askedWaitMs, authorizationOf } from "./send.ts";
