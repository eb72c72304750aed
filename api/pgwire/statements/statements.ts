/** The text of a client: its statements one by one, what answers each, and its parameters with their types. */
export { type Casts, parameterCount, withCasts, withMembers } from "./casts.ts";
export { type CopyOptions, copyOf } from "./copy-options.ts";
export { classify, type Statement } from "./kinds.ts";
export { splitStatements } from "./split.ts";
