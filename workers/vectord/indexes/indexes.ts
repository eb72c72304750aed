/** The open indexes by name and alias: rows, engine and journal of each, written in one order, maintained in the background. */
export { type AliasEntry, type AliasStore, aliasesKey, storedAliases } from "./aliases.ts";
export type { LiveIndex } from "./live-index.ts";
export { type Names, openNames } from "./names.ts";
export { type Indexes, openIndexes, taken, unknownIndex } from "./registry.ts";
