/** What comes in and goes out: items and questions as JSON, Arrow or floats, checked; hits as callers see them. */
export { type Embed, readAdd } from "./add.ts";
export { checkItems, checkModel, type Items, nameOfItem, withText } from "./items.ts";
export type { Named } from "./named-search.ts";
export { checkShapes, withVectors } from "./named-vectors.ts";
export {
  checkQuestions,
  checkSearch,
  hitOf,
  included,
  itemOf,
  numbersMax,
  type Question,
  readSearch,
  type SearchRequest,
} from "./search.ts";
export { floatsOf, type NameOf } from "./vectors.ts";
