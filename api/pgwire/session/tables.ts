/** Columns of text, which the session's own answers have. */
import { type Described, postgresType } from "../../../runtime/postgres/postgres.ts";

const text = postgresType("VARCHAR");
export const textColumns = (names: readonly string[]): Described[] =>
  names.map((name) => ({ name, type: text }));
