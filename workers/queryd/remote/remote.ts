/** Engines of others that a statement may be sent to: which there are, what they answer, and their rows on the way into a child. */

export { type RemoteColumn, rowReader } from "./column-types.ts";
export { type RemoteEngine, readRemoteEngines, remoteEngine } from "./engines.ts";
export { openRowPipe, type RowPipe } from "./pipe.ts";
export { reading } from "./statement.ts";
export { type Page, pagesOf } from "./trino.ts";
