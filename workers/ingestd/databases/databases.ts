/** Databases of others whose tables are loaded: which there are, and their rows as CSV. */
export { typeOf, warningsOf } from "./columns.ts";
export { readPostgres } from "./postgres.ts";
export { readSources, type Sources, sourceOf } from "./settings.ts";
