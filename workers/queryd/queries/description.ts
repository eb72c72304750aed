/** What a statement would answer with, as clients of PostgreSQL ask before they give its parameters. */
import { emptyRows, hasSchema, type Snapshot, systemSources } from "../catalog/catalog.ts";
import type { Described, Session } from "../engine/engine.ts";
import { sqlError } from "../errors/errors.ts";
import { checkBound } from "../sandbox/sandbox.ts";
import { markedStatement, type Parameter } from "../statements/statements.ts";
import type { Components } from "./execution.ts";
import { checkViewText, viewSources } from "./expanded-views.ts";
import { readBy } from "./preparation.ts";

export interface StatementDescription extends Described {
  /** The datasets and views that it reads, also through views. */
  reads: string[];
}

interface Question {
  sql: string;
  /** The view that it is to be. */
  as?: string;
}

/** No object is opened, and nothing is run. Throws as a query does that the sandbox or DuckDB refuses. */
export async function describeStatement(
  components: Components,
  question: Question,
  signal: AbortSignal,
): Promise<StatementDescription> {
  const session = await components.engines.session(signal, question.sql);
  try {
    const { description } = await describeIn(session, components, question);
    return description;
  } finally {
    session.release();
  }
}

/** The same in a session that is there, with the catalog by which it is so. */
export async function describeIn(
  session: Session,
  components: Components,
  { sql, as }: Question,
): Promise<{ description: StatementDescription; snapshot: Snapshot }> {
  const { views, hidePaths, mark } = components;
  const question = { sql, asOf: undefined, ...(as !== undefined && { as }) };
  const { verdict, used, snapshot, views: expandedViews } = await readBy(components, question, session);
  if (as !== undefined) checkViewText(verdict);
  const viewed = viewSources(expandedViews);
  if (verdict.listing) await views.sync(session, await components.currentViews.listed(snapshot, session));
  const open: Parameter = { type: "null", value: null };
  const parameters = new Map(verdict.parameters.map((name) => [name, open]));
  const empty = [...used].map(([name, manifest]) => ({ name, relation: `(${emptyRows(manifest)})` }));
  const sources = [
    ...empty.filter(({ name }) => !hasSchema(name)),
    ...viewed,
    ...systemSources(verdict.tables.keys()),
  ];
  const statement = markedStatement(verdict.statement.body, sources, { mark });
  try {
    await checkBound({ verdict, used, parameters, mark, views: viewed }, session);
    await views.showing(session, empty);
    const described = await session.describe(statement.sql);
    const names = [...used.values(), ...expandedViews.map(({ view }) => view)].map(({ name }) => name);
    const columns = verdict.statement.explain ? explainedColumns : described.columns;
    return { description: { ...described, columns, reads: [...new Set(names)].sort() }, snapshot };
  } catch (cause) {
    throw sqlError(cause, { sql, prefixBytes: 0 }, hidePaths);
  }
}

const explainedColumns = [
  { name: "explain_key", type: "VARCHAR" },
  { name: "explain_value", type: "VARCHAR" },
];
