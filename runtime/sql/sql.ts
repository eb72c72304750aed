/** What SQL says of names and types. */
export { fold, nameProblem, quoteName, quoteText, twiceNamed } from "./names.ts";
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
