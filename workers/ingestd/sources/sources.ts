/** What a request brings, whatever it is kept in: files and archives of them, as the rows of one dataset. */
export { type Asked, checkMeaning } from "./meaning.ts";
export { formats, headBytes, type SourceFiles, storeFiles } from "./store-files.ts";
