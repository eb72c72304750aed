/** The text of a statement: what kind it is, and the text that is run in its place. */

import { fail } from "../../../runtime/errors/errors.ts";
import { quoteName, replaced, type Token, tokens } from "../../../runtime/sql/sql.ts";

interface Explain {
  analyze: boolean;
  json: boolean;
}

export interface Statement {
  /** The reading part: without EXPLAIN and without the semicolons behind it, each blanked so that places stay. */
  body: string;
  explain: Explain | undefined;
  /** The first word, in upper case, for messages. */
  verb: string;
}

/** Reads the outside of a statement. Throws `sql_error` when there is none, or EXPLAIN has an unknown option. */
export function readStatement(sql: string): Statement {
  if (sql.includes("\0")) throw fail("sql_error", "the statement holds a NUL character");
  const all = [...tokens(sql)];
  const first = all[0];
  if (!first || all.every((token) => token.text === ";"))
    throw fail("sql_error", "the statement is empty; expected SQL, as SELECT 1");
  const body = withoutSemicolons(sql, all);
  if (first.text !== "EXPLAIN") return { body, explain: undefined, verb: first.text };
  const { explain, end, verb } = readExplain(all);
  return { body: " ".repeat(end) + body.slice(end), explain, verb };
}

function withoutSemicolons(sql: string, all: readonly Token[]): string {
  const at = all.findIndex((token) => token.text === ";");
  const rest = at < 0 ? [] : all.slice(at);
  if (rest.some((token) => token.text !== ";")) return sql; // Two statements: the check refuses them.
  return replaced(sql, rest, () => " ");
}

function readExplain(all: readonly Token[]): { explain: Explain; end: number; verb: string } {
  const explain = { analyze: false, json: false };
  let at = 1;
  const next = () => all[at++]?.text ?? "";
  if (all[at]?.text === "(") {
    at++;
    for (let option = next(); option !== ")"; option = next()) {
      if (option === "ANALYZE") explain.analyze = true;
      else if (option === "FORMAT" && /^(JSON|TEXT)$/.test(all[at]?.text ?? ""))
        explain.json = next() === "JSON";
      else if (option !== ",") throw badOption(option);
    }
  }
  if (all[at]?.text === "ANALYZE") {
    explain.analyze = true;
    at++;
  }
  return { explain, end: all[at - 1]?.end ?? 0, verb: all[at]?.text ?? "" };
}

const badOption = (option: string) =>
  fail("sql_error", `EXPLAIN: unknown option ${option || "at the end"}; expected ANALYZE or FORMAT JSON`);

/** What a dataset's name stands for in one statement: a relation of ours that holds one version of it. */
export interface Source {
  name: string;
  relation: string;
}

export interface Compiled {
  sql: string;
  /** UTF-8 bytes before the user's text: places in DuckDB's errors count from the start of `sql`. */
  prefixBytes: number;
}

/**
 * Names go before the statement, not into a shared view: each statement reads the versions that were current
 * when it began, whatever the catalog does meanwhile.
 */
const prelude = (sources: readonly Source[]): string =>
  sources.length === 0
    ? ""
    : `WITH ${sources.map(({ name, relation }) => `${quoteName(name)} AS NOT MATERIALIZED (FROM ${relation})`).join(", ")} `;

const compiled = (before: string, body: string, after: string): Compiled => ({
  sql: `${before}${body}${after}`,
  prefixBytes: Buffer.byteLength(before),
});

/** The statement itself, for COPY and EXPLAIN. The line end closes a comment at the end of the text. */
export function plainStatement(body: string, sources: readonly Source[], limit?: number): Compiled {
  const limited = limit === undefined ? "" : ` LIMIT ${limit}`;
  return compiled(`${prelude(sources)}SELECT * FROM (\n`, body, `\n)${limited}`);
}

/**
 * The statement with an end marker: a last row with a last column that is true, and NULL everywhere else. DuckDB's
 * stream ends without an error when the query fails half way; only a result with its marker is complete.
 */
export function markedStatement(
  body: string,
  sources: readonly Source[],
  { mark, limit }: { mark: string; limit?: number | undefined },
): Compiled {
  const limited = limit === undefined ? "" : ` LIMIT ${limit}`;
  const before = `${prelude(sources)}SELECT * FROM (SELECT * FROM (\n`;
  return compiled(before, body, `\n)${limited}) UNION ALL BY NAME SELECT true AS ${quoteName(mark)}`);
}
