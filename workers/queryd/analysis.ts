/** Parses and checks a statement once; the verdict depends on the text alone and is kept. */
import { fail } from "../../runtime/errors.ts";
import type { Session } from "./engine.ts";
import { checkTree } from "./sandbox.ts";
import { placeIn } from "./sql-error.ts";
import { markedStatement, readStatement, type Statement } from "./statement.ts";

export interface Verdict {
  statement: Statement;
  /** Names that must be datasets, with the byte of their first use. */
  tables: ReadonlyMap<string, number | undefined>;
}

export interface Analysis {
  /** Throws `sql_error` or `statement_not_allowed`. */
  verdict: (sql: string, session: Session) => Promise<Verdict>;
}

/** Verdicts kept, and the longest statement whose verdict is. */
const keptMax = 1000;
const keptCharactersMax = 16_384;

export function createAnalysis(mark: string): Analysis {
  const kept = new Map<string, Verdict>();
  return {
    verdict: async (sql, session) => {
      const known = kept.get(sql);
      if (known) return known;
      const verdict = await analyse(sql, session, mark);
      if (sql.length <= keptCharactersMax) kept.set(sql, verdict);
      for (const oldest of kept.keys()) {
        if (kept.size <= keptMax) break;
        kept.delete(oldest);
      }
      return verdict;
    },
  };
}

async function analyse(sql: string, session: Session, mark: string): Promise<Verdict> {
  const statement = readStatement(sql);
  const tree = await parse(statement, { sql, session });
  const { tables } = checkTree(tree);
  // What was checked must be what runs: the text inside the statement that runs parses to the same tree.
  const { sql: marked } = markedStatement(statement.body, [], { mark });
  const outer = readReply(await session.rows(parseSql, () => [{ type: "text", value: marked }]));
  const inner = outer.statements?.[0]?.node?.left?.from_table?.subquery?.node?.from_table?.subquery?.node;
  if (outer.statements?.length !== 1 || shape(inner) !== shape((tree as { node: unknown }).node))
    throw fail("statement_not_allowed", "the statement is not one query that stands for itself");
  return { statement, tables };
}

const parseSql = "SELECT json_serialize_sql($1::VARCHAR)";

interface TreeNode {
  left?: TreeNode;
  from_table?: { subquery?: { node?: TreeNode } };
}

interface ParseReply {
  error: boolean;
  error_type?: string;
  error_message?: string;
  position?: string;
  statements?: { node?: TreeNode }[];
}

function readReply(rows: string[][]): ParseReply {
  try {
    return JSON.parse(rows[0]?.[0] ?? "null");
  } catch (cause) {
    // Only a tree that nests deeper than the JSON parser goes.
    throw fail("sql_error", "the statement is too complex to plan: it nests too deep", { cause });
  }
}

async function parse(
  statement: Statement,
  { sql, session }: { sql: string; session: Session },
): Promise<unknown> {
  const { body, verb } = statement;
  const reply = readReply(await session.rows(parseSql, () => [{ type: "text", value: body }]));
  if (reply.error) throw parseError(reply, { sql, verb });
  const [first, ...rest] = reply.statements ?? [];
  if (!first) throw fail("sql_error", "the statement is empty; expected SQL, as SELECT 1");
  if (rest.length > 0)
    throw fail("sql_error", `expected one statement, got ${rest.length + 1}: send them one by one`);
  return first;
}

function parseError(reply: ParseReply, { sql, verb }: { sql: string; verb: string }) {
  if (reply.error_type === "parser") {
    const place =
      reply.position === undefined ? undefined : placeIn({ sql, prefixBytes: 0 }, Number(reply.position));
    return fail("sql_error", `Parser Error: ${reply.error_message}`, { ...(place && { details: place }) });
  }
  if (verb === "PIVOT")
    return fail(
      "sql_error",
      "PIVOT needs its columns spelled out here: PIVOT … ON column IN (value, …) USING …",
    );
  if (/^(SELECT|FROM|VALUES|TABLE|\()?$/.test(verb))
    return fail("sql_error", `Parser Error: ${reply.error_message}`);
  return fail(
    "statement_not_allowed",
    `${verb} is not allowed: only reading statements run (SELECT, WITH, VALUES, FROM, PIVOT, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN)`,
  );
}

/** The tree as text, without the places in the source. */
const shape = (node: unknown): string =>
  JSON.stringify(node, (key, value) => (key === "query_location" ? undefined : value)) ?? "";
