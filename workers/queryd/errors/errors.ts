/** What DuckDB refuses, and what a caller reads of it. */
export { CutShortError, EngineError, engineError } from "./engine-error.ts";
export { type HidePaths, kindOf, type Origin, pathHider, placeIn, sqlError } from "./sql-error.ts";
