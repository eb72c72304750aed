/** Just enough of DuckDB's lexer to know where words, brackets and semicolons are outside strings and comments. */

export interface Token {
  /** A word in upper case, or one other character; strings, quoted names and numbers are "". */
  text: string;
  start: number;
  end: number;
}

const word = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const blank = /\s+|--[^\n]*/y;
const number = /[0-9][0-9A-Za-z_.]*/y;
const dollarTag = /\$([A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;

/** The tokens of a statement. Text that the real lexer would refuse gives some tokens: the parser has the last word. */
export function* tokens(sql: string): Generator<Token> {
  let at = 0;
  while (at < sql.length) {
    const start = at;
    const gap = match(blank, sql, at);
    if (gap !== undefined) {
      at += gap.length;
      continue;
    }
    if (sql.startsWith("/*", at)) {
      at = endOfComment(sql, at);
      continue;
    }
    const tag = match(dollarTag, sql, at);
    const found = match(word, sql, at);
    if (tag !== undefined) at = endAfter(sql, tag, at + tag.length);
    else if (sql[at] === "'" || sql[at] === '"') at = endOfQuoted(sql, at, false);
    else if (found !== undefined) {
      at += found.length;
      // E'…' has backslash escapes; X'…' and the like do not.
      if (sql[at] === "'" && /^e$/i.test(found)) at = endOfQuoted(sql, at, true);
      else {
        yield { text: found.toUpperCase(), start, end: at };
        continue;
      }
    } else {
      const digits = match(number, sql, at);
      at += digits?.length ?? 1;
      yield { text: digits === undefined ? (sql[start] ?? "") : "", start, end: at };
      continue;
    }
    yield { text: "", start, end: at };
  }
}

/** The text with others in these places, which follow one another: one copy, however many they are. */
export function replaced<Place extends Pick<Token, "start" | "end">>(
  sql: string,
  places: readonly Place[],
  text: (place: Place) => string,
): string {
  const parts: string[] = [];
  let at = 0;
  for (const place of places) {
    parts.push(sql.slice(at, place.start), text(place));
    at = place.end;
  }
  parts.push(sql.slice(at));
  return parts.join("");
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function endAfter(sql: string, mark: string, from: number): number {
  const at = sql.indexOf(mark, from);
  return at < 0 ? sql.length : at + mark.length;
}

function endOfQuoted(sql: string, start: number, escapes: boolean): number {
  const quote = sql[start];
  for (let at = start + 1; at < sql.length; at++) {
    if (escapes && sql[at] === "\\") at++;
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at++;
    }
  }
  return sql.length;
}

/** Comments nest, as in PostgreSQL. */
function endOfComment(sql: string, start: number): number {
  let depth = 0;
  for (let at = start; at < sql.length; at++) {
    if (sql.startsWith("/*", at)) {
      depth++;
      at++;
    } else if (sql.startsWith("*/", at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  return sql.length;
}
