/**
 * What a statement reads once DuckDB has bound it, by DuckDB's own plan, before anything runs. The statement is planned
 * with columns without rows in place of its datasets: then no scan may be left in the plan. The check of the text
 * (`syntax-tree.ts`) decides the same by names; this one by what the names came to mean.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import { tooDeep, typeNestingMax } from "../../../runtime/sql/sql.ts";
import {
  emptyRows,
  hasSchema,
  type Manifest,
  schemaViews,
  systemReads,
  systemSources,
} from "../catalog/catalog.ts";
import type { Session } from "../engine/engine.ts";
import { EngineError, kindOf } from "../errors/errors.ts";
import { markedStatement, type Parameter, type Source, withValues } from "../statements/statements.ts";
import type { Verdict } from "./analysis.ts";
import { tableFunctions } from "./name-lists.ts";

interface Bound {
  verdict: Verdict;
  /** The datasets by the names the statement uses; their types have been checked. */
  used: ReadonlyMap<string, Manifest>;
  /** The values of the parameters by name. */
  parameters: ReadonlyMap<string, Parameter>;
  mark: string;
  /** Views that it reads, in their order. */
  views: readonly Source[];
}

/** Combinations of versions and types that are remembered for one statement. */
const rememberedMax = 8;
const planSql = "SELECT json_serialize_plan($1::VARCHAR)";

interface PlanReply {
  error: boolean;
  error_type?: string;
  error_message?: string;
  position?: string;
  plans?: unknown;
}

/**
 * Throws `statement_not_allowed` when the statement reads anything but its datasets. What DuckDB finds wrong with it
 * is an `EngineError`, with the byte in the caller's text.
 */
export async function checkBound(bound: Bound, session: Pick<Session, "rows" | "execute">): Promise<void> {
  const { verdict, used, parameters, mark, views } = bound;
  const key = keyOf(bound);
  if (verdict.bound.has(key)) return;
  const { body } = verdict.statement;
  const written = withValues(body, verdict.parameters, parameters);
  const empty = [...used].map(([name, manifest]) => ({ name, relation: `(${emptyRows(manifest)})` }));
  const shown = schemaViews(empty);
  if (shown.length > 0) await session.execute(shown);
  const plain = empty.filter(({ name }) => !hasSchema(name));
  const sources = [...plain, ...views, ...systemSources(verdict.tables.keys())];
  const { sql, prefixBytes } = markedStatement(written.sql, sources, { mark });
  const [[text = "null"] = []] = await session.rows(planSql, [sql]);
  const reply: PlanReply = JSON.parse(text);
  if (reply.error) {
    const { error_type: kind = "", error_message: message = "", position } = reply;
    const place = position === undefined ? undefined : written.placeIn(Number(position) - prefixBytes);
    throw new EngineError(kindOf(kind), message, place);
  }
  const { reads, levels, types } = factsOf(reply.plans);
  if (!reads.every((name) => mayRead(name, verdict.listing)))
    throw fail("statement_not_allowed", "the statement reads something that is no registered dataset");
  if (types.has("VARIANT")) throw fail("sql_error", "VARIANT is not supported: use JSON, or CAST to VARCHAR");
  if (levels > typeNestingMax) throw fail("sql_error", `a value of the statement ${tooDeep(levels)}`);
  if (verdict.bound.size >= rememberedMax) verdict.bound.clear();
  verdict.bound.add(key);
}

/** The datasets' versions, the views and the parameters' types: all that the plan depends on beside the text. Hashed, as there may be many. */
const keyOf = ({ used, parameters, views }: Bound): string => {
  const parts = [
    [...used].map(([as, { name, dataset_id, version }]) => [as, name, dataset_id, version]),
    [...parameters].map(([name, { type }]) => [name, type]),
    views,
  ];
  return Bun.CryptoHasher.hash("sha256", JSON.stringify(parts), "hex");
};

const mayRead = (name: string, listing: boolean): boolean =>
  tableFunctions.has(name) || (listing && systemReads.test(name));

interface Facts {
  /** The functions by which the plan reads: tables, files and lists alike. */
  reads: string[];
  /** The names of all types in it. */
  types: Set<string>;
  /** The levels of its deepest type. */
  levels: number;
}

/** Types with a level of their own; a MAP appears as a list of structs, which have it. */
const nesting = new Set(["LIST", "ARRAY", "STRUCT", "UNION"]);

function factsOf(plan: unknown): Facts {
  const facts: Facts = { reads: [], types: new Set(), levels: 0 };
  /** `levels` are those of the type that holds the value. */
  const walk = (value: unknown, levels: number): void => {
    if (typeof value !== "object" || value === null) return;
    const { type, name, id } = value as { type?: unknown; name?: unknown; id?: unknown };
    if (type === "LOGICAL_GET") facts.reads.push(String(name));
    const isType = typeof id === "string" && "type_info" in value;
    if (isType) facts.types.add(id);
    const inside = isType && nesting.has(id) ? levels + 1 : levels;
    facts.levels = Math.max(facts.levels, inside);
    for (const part of Object.values(value)) walk(part, inside);
  };
  walk(plan, 0);
  return facts;
}
