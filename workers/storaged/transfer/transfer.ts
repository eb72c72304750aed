/** Bodies in and out over HTTP: PUT, GET and DELETE with their conditions, once for each Idempotency-Key, and files that callers on this machine write. */
export { removeObject } from "./delete.ts";
export { getObject } from "./get.ts";
export { putObject } from "./put.ts";
export { createStages } from "./stages.ts";
