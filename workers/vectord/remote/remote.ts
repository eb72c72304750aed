/** Engines of others that hold the vectors of indexes: ADR 0267. */
export { openRemotes, type Remotes } from "./engines.ts";
export type { Replica } from "./replica.ts";
export { localName } from "./settings.ts";
