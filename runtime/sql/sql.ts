/** What SQL and Parquet say of names and types, and rows of results as JSON. */
export { parseRows } from "./json-rows.ts";
export { fold, nameProblem, quoteName, quoteText, twiceNamed } from "./names.ts";
export { readSchema, type SchemaElement, type SchemaNode } from "./parquet-schema.ts";
export {
  columnProblem,
  leavesOf,
  parseSqlType,
  type SqlType,
  sqlOf,
  tooDeep,
  typeCharactersMax,
  typeNestingMax,
} from "./type-grammar.ts";
