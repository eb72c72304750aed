/** What may be sent to an engine of others: one statement that reads, with its parameters as text. */
import { fail } from "../../../runtime/errors/errors.ts";
import { quoteText, tokens } from "../../../runtime/sql/sql.ts";
import type { GivenParameters } from "../statements/statements.ts";

/** First words of what reads. That the engine's user may not write is the engine's to hold (its README says how). */
const readingWords = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "("];
/** What may stand between EXPLAIN and the statement that it runs or plans. */
const explainWords = new Set(["EXPLAIN", "ANALYZE", "VERBOSE"]);

/**
 * The text to send, without the semicolons behind it. Throws `statement_not_allowed` for what is not one reading
 * statement, `invalid_field` for parameters that have no such text.
 */
export function reading(sql: string, params: GivenParameters | undefined): string {
  const all = [...tokens(sql)];
  const end = all.findIndex(({ text }) => text === ";");
  const body = end < 0 ? all : all.slice(0, end);
  if (body.length === 0) throw fail("sql_error", "the statement is empty; expected SQL, as SELECT 1");
  if (end >= 0 && all.slice(end).some(({ text }) => text !== ";"))
    throw fail("statement_not_allowed", "expected one statement; there is more behind a semicolon");
  const words = body.map(({ text }) => text);
  const verb = words[0] === "EXPLAIN" ? explainedVerb(words) : words[0];
  if (verb === undefined || !readingWords.includes(verb))
    throw fail(
      "statement_not_allowed",
      `${verb ?? "nothing"} does not read; expected one of ${readingWords.slice(0, -1).join(", ")}`,
    );
  const text = sql.slice(0, body.at(-1)?.end);
  const given = literalsOf(params);
  return given.length === 0 ? text : `EXECUTE IMMEDIATE ${quoteText(text)} USING ${given.join(", ")}`;
}

function explainedVerb(words: readonly string[]): string | undefined {
  let depth = 0;
  for (const word of words) {
    if (word === "(") depth += 1;
    else if (word === ")") depth -= 1;
    else if (depth === 0 && !explainWords.has(word)) return word;
  }
  return undefined;
}

function literalsOf(params: GivenParameters | undefined): string[] {
  if (params === undefined) return [];
  if (!Array.isArray(params))
    throw fail("invalid_field", "params: this engine takes parameters by position alone; expected a list");
  return params.map((value, at) => literal(value, `params[${at}]`));
}

function literal(value: unknown, place: string): string {
  if (value === null) return "NULL";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return quoteText(value);
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value) : `DOUBLE '${value}'`;
  if (Array.isArray(value))
    return `ARRAY[${value.map((item, at) => literal(item, `${place}[${at}]`)).join(", ")}]`;
  throw fail("invalid_field", `${place}: expected null, true, false, a number, text or a list of these`);
}
