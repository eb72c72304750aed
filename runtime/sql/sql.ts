/** What SQL says of names and types, of ids of fields, and of types that widen. */
export { type KnownFields, type Numbered, numberColumns } from "./field-ids.ts";
export { fold, nameProblem, quoteName, quoteText, twiceNamed } from "./names.ts";
export { replaced, type Token, tokens } from "./tokens.ts";
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
export { isSameType, plainType, wideningRule, widens } from "./widening.ts";
