/** What to write when text meets a number or a time: a column of text whose values are nearly all numbers is common. */
import { quoteName } from "../../../runtime/sql/sql.ts";

/** A column's name where it ends a text, or begins it. */
const name = `(?:[A-Za-z_][\\w$]*|"(?:[^"]|"")+")`;
const nameBefore = new RegExp(`(${name}(?:\\.${name})*)\\s*$`);
const nameAfter = new RegExp(`^\\s*(${name}(?:\\.${name})*)(?!\\s*\\()`);
const argument = new RegExp(`^[^()]*\\(\\s*(?:'[^']*'\\s*,\\s*)?(${name}(?:\\.${name})*)\\s*[,)]`);

/**
 * A sentence that names the cast, for DuckDB's complaint of text where it expected something else; undefined for any
 * other message. `at` is the place of the complaint in the caller's statement.
 */
export function castHint(message: string, sql: string, at: number | undefined): string | undefined {
  const column = columnOf(message, sql, at);
  const type = expectedType(message);
  if (type === undefined) return undefined;
  const cast = `TRY_CAST(${column ?? "…"} AS ${type})`;
  return `it is text where ${type} is expected: write ${cast}, which is NULL for values that are none`;
}

const number = /\b(U?(TINY|SMALL|BIG|HUGE)?INT(EGER|\d+)?|INTEGER_LITERAL|DECIMAL|DOUBLE|FLOAT)\b/;

function expectedType(message: string): string | undefined {
  const compared = /^Cannot (?:compare|mix) values of type (.+?) and (?:type )?(.+?) (?:-|in )/.exec(message);
  if (compared) return compared.includes("VARCHAR") ? typeFor(compared.slice(1).join(" ")) : undefined;
  const converted =
    /^Could not convert string '.*' to (\w+)/s.exec(message) ??
    /^invalid (\w+) field format: "/.exec(message);
  if (converted) return typeFor((converted[1] ?? "").toUpperCase());
  if (!/^No function matches the given name and argument types '[^']*\bVARCHAR\b[^']*'/.test(message))
    return undefined;
  return typeFor(message.slice(message.indexOf("\n")).replace(/->.*/g, ""));
}

function typeFor(types: string): string | undefined {
  if (number.test(types)) return "DOUBLE";
  return /\bTIMESTAMP\b/.test(types) ? "TIMESTAMP" : /\b(DATE|TIME)\b/.exec(types)?.[0];
}

/**
 * Characters that are looked at on either side of the place: no name is longer, and an expression that begins anywhere
 * costs the square of what it looks at.
 */
const nearMax = 400;

/** The column, where the text names one. */
function columnOf(message: string, sql: string, at: number | undefined): string | undefined {
  const source = /when casting from source column (.+)$/s.exec(message)?.[1];
  if (source !== undefined) return /^[A-Za-z_]\w*$/.test(source) ? source : quoteName(source);
  if (at === undefined) return undefined;
  const here = sql.slice(at, at + nearMax);
  if (/^\w/.test(here) && !/^(between|in|not)\b/i.test(here)) return argument.exec(here)?.[1];
  const alone = /'\W+\(VARCHAR\)'/.test(message);
  const textFirst = !alone && /of type VARCHAR|'[^'(]*\(VARCHAR\b/.test(message);
  const before = nameBefore.exec(sql.slice(Math.max(0, at - nearMax), at))?.[1];
  const after = nameAfter.exec(here.replace(/^\W+?(?=[\s\w"])/, ""))?.[1];
  return textFirst ? (before ?? after) : after;
}
