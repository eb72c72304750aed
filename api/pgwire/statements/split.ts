/** A simple query's text as its statements. */
import { tokens } from "../../../runtime/sql/sql.ts";

/** Each statement with where it begins in the text; blanks and comments alone are none. */
export function splitStatements(text: string): { sql: string; start: number }[] {
  const statements: { sql: string; start: number }[] = [];
  let start: number | undefined;
  for (const token of tokens(text)) {
    if (token.text !== ";") start ??= token.start;
    else if (start !== undefined) {
      statements.push({ sql: text.slice(start, token.start), start });
      start = undefined;
    }
  }
  if (start !== undefined) statements.push({ sql: text.slice(start), start });
  return statements;
}
