/** What comes in and goes out: items and questions as JSON, Arrow or floats, checked; hits as callers see them. */
export { readAdd } from "./add.ts";
export { checkItems, type Items } from "./items.ts";
export {
  checkSearch,
  hitsOf,
  included,
  itemOf,
  numbersMax,
  readSearch,
  type SearchRequest,
} from "./search.ts";
export { floatsOf } from "./vectors.ts";
