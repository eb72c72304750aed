/** Parses and checks a statement once; the verdict depends on the text alone and is kept. */
import { LRUCache } from "lru-cache";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Session } from "../engine/engine.ts";
import { type Origin, placeIn } from "../errors/errors.ts";
import { type Predicates, predicatesOf } from "../pruning/pruning.ts";
import { renamedColumns } from "../results/results.ts";
import {
  givesBoundedResult,
  markedStatement,
  readStatement,
  type Statement,
} from "../statements/statements.ts";
import { withoutSchemas, withoutShowAll } from "./rewritten-names.ts";
import { type Checked, type Cost, checkTree } from "./syntax-tree.ts";

export interface Verdict extends Omit<Checked, "schemas" | "showAll"> {
  statement: Statement;
  /** Its result is small whatever the data. */
  isBounded: boolean;
  /** It was small when the statement last ran: likely so again, which is checked. */
  wasBounded: boolean;
  /** Aliases of plain columns, for the form in which their numbers were written. */
  renamed?: ReadonlyMap<string, string>;
  /** What it asks of the rows of each dataset. */
  predicates: Predicates;
  /** Versions and parameter types with which its bound plan has been checked; see `bound-plan.ts`. */
  bound: Set<string>;
}

export interface Analysis {
  /** Throws `sql_error` or `statement_not_allowed`. With the costs of the views that it reads, it costs as much more. */
  verdict: (sql: string, session: Session, views?: ReadonlyMap<string, Cost>) => Promise<Verdict>;
  /** Throws `sql_error` unless the text is one expression, as it may stand in a WHERE. */
  expression: (text: string, session: Session) => Promise<void>;
}

/** Verdicts kept, the characters of all their statements, and those of the longest: a list of 60,000 parameters has 413,000. */
const keptMax = 1000;
const keptCharactersMax = 16_000_000;
const keptStatementMax = 1_000_000;

export function createAnalysis(mark: string): Analysis {
  const kept = new LRUCache<string, Verdict>({
    max: keptMax,
    maxSize: keptCharactersMax,
    maxEntrySize: keptStatementMax,
    sizeCalculation: (_, sql) => Math.max(1, sql.length),
  });
  let expected: string | undefined;
  return {
    expression: checkExpression,
    verdict: async (sql, session, views) => {
      const key = views ? `${JSON.stringify([...views])}\0${sql}` : sql;
      const known = kept.get(key);
      if (known) return known;
      expected ??= await frameOf(mark, session);
      const verdict = await analyse(sql, session, { mark, expected, ...(views && { views }) });
      kept.set(key, verdict);
      return verdict;
    },
  };
}

/** In brackets the text may still end them: as the argument of a function it must be one argument, and nothing else. */
async function checkExpression(text: string, session: Session): Promise<void> {
  if (text.includes("\0")) throw fail("sql_error", "the expression holds a NUL character");
  const callOf = async (argument: string) => {
    const reply = await parse(`${beforeExpression}${argument}\n)`, session);
    const call = (reply.statements?.[0]?.node as { where_clause?: Call } | undefined)?.where_clause;
    const { children = [] } = call ?? {};
    delete call?.children;
    return { reply, count: children.length, around: frame(reply) };
  };
  const given = await callOf(text);
  const { error, error_message: message, position } = given.reply;
  if (error) {
    const at = Number(position ?? 0) - beforeExpression.length;
    const place = placeIn({ sql: text, prefixBytes: 0 }, Math.max(0, at));
    throw fail("sql_error", `Parser Error: ${message}`, { ...(place && { details: place }) });
  }
  if (given.count !== 1 || given.around !== (await callOf("true")).around)
    throw fail("sql_error", "expected one SQL expression, such as state = 'open' AND id < 100");
}

interface Call {
  children?: unknown[];
}
const beforeExpression = "SELECT 1 WHERE abs(\n";

async function analyse(
  sql: string,
  session: Session,
  given: { mark: string; expected: string; views?: ReadonlyMap<string, Cost> },
): Promise<Verdict> {
  const { mark, expected, views } = given;
  const statement = readStatement(sql);
  // What is checked is what runs: the tree of the marked statement, in which the caller's is one node.
  const marked = markedStatement(statement.body, [], { mark });
  const reply = await parse(marked.sql, session);
  const place = placeOfBody(reply);
  if (!place) throw await refusal(statement, { sql, session });
  const { node } = place;
  delete place.node;
  if (frame(reply) !== expected) throw await refusal(statement, { sql, session });
  const { schemas, showAll, ...checked } = check(node, { sql, prefixBytes: marked.prefixBytes }, views);
  // Schemas first: replacing SHOW ALL TABLES may move what follows it.
  if (schemas.length > 0) return analyse(withoutSchemas(sql, schemas), session, given);
  if (showAll > 0) return analyse(withoutShowAll(sql, showAll), session, given);
  return {
    ...checked,
    statement,
    isBounded: givesBoundedResult(node),
    wasBounded: false,
    renamed: renamedColumns(node),
    predicates: predicatesOf(node),
    bound: new Set(),
  };
}

/** Checks the tree; positions are those in the caller's text. */
function check(node: unknown, origin: Origin, views?: ReadonlyMap<string, Cost>): Checked {
  try {
    const { tables, schemas, ...rest } = checkTree(node, views);
    const moved = [...tables].map(
      ([name, at]) => [name, at === undefined ? at : at - origin.prefixBytes] as const,
    );
    return {
      ...rest,
      tables: new Map(moved),
      schemas: schemas.map((at) => at - origin.prefixBytes),
    };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const { position } = (error.details ?? {}) as { position?: number };
    const details = position === undefined ? undefined : placeIn(origin, position);
    throw fail(error.type, error.message, { ...(details && { details }) });
  }
}

/** The tree of a marked statement without the caller's statement. */
async function frameOf(mark: string, session: Session): Promise<string> {
  const reply = await parse(markedStatement("SELECT 1", [], { mark }).sql, session);
  const place = placeOfBody(reply);
  if (place) delete place.node;
  return frame(reply);
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

/** Where the caller's statement stands in a marked one. */
const placeOfBody = ({ statements }: ParseReply): { node?: TreeNode } | undefined => {
  const place = statements?.[0]?.node?.left?.from_table?.subquery?.node?.from_table?.subquery;
  return place?.node === undefined ? undefined : place;
};

async function parse(sql: string, session: Session): Promise<ParseReply> {
  const [[text = "null"] = []] = await session.rows(parseSql, [sql]);
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Only a tree that nests deeper than the JSON parser goes.
    throw fail("sql_error", "the statement is too complex to plan: it nests too deep", { cause });
  }
}

/** Why a statement does not stand in the marked one: found by parsing it alone. */
async function refusal(
  { body, verb }: Statement,
  { sql, session }: { sql: string; session: Session },
): Promise<ServiceError> {
  const reply = await parse(body, session);
  if (reply.error) return parseError(reply, { sql, verb });
  const count = reply.statements?.length ?? 0;
  if (count === 0) return fail("sql_error", "the statement is empty; expected SQL, as SELECT 1");
  if (count > 1) return fail("sql_error", `expected one statement, got ${count}: send them one by one`);
  return fail("statement_not_allowed", "the statement is not one query that stands for itself");
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

/** A tree as text, without positions and the names of its parameters. */
const frame = (reply: unknown): string =>
  JSON.stringify(reply, (key, value) =>
    key === "query_location" || key === "named_param_map" ? undefined : value,
  );
