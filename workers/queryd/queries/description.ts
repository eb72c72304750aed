/** What a statement would answer with, as clients of PostgreSQL ask before they give its parameters. */
import { emptyRows, hasSchema, systemSources } from "../catalog/catalog.ts";
import type { Described } from "../engine/engine.ts";
import { sqlError } from "../errors/errors.ts";
import { checkBound } from "../sandbox/sandbox.ts";
import { markedStatement, type Parameter } from "../statements/statements.ts";
import type { Components } from "./execution.ts";
import { checkViewText, viewSources } from "./expanded-views.ts";
import { readBy } from "./preparation.ts";

/** No object is opened, and nothing is run. `as` is the view that it is to be. Throws as a query does that the sandbox or DuckDB refuses. */
export async function describeStatement(
  components: Components,
  { sql, as }: { sql: string; as?: string },
  signal: AbortSignal,
): Promise<Described> {
  const { engines, views, hidePaths, mark } = components;
  const session = await engines.session(signal, sql);
  try {
    const question = { sql, asOf: undefined, ...(as !== undefined && { as }) };
    const { verdict, used, snapshot, views: expandedViews } = await readBy(components, question, session);
    if (as !== undefined) checkViewText(verdict);
    const viewed = viewSources(expandedViews);
    if (verdict.listing) await views.sync(session, snapshot);
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
      return verdict.statement.explain ? { ...described, columns: explainedColumns } : described;
    } catch (cause) {
      throw sqlError(cause, { sql, prefixBytes: 0 }, hidePaths);
    }
  } finally {
    session.release();
  }
}

const explainedColumns = [
  { name: "explain_key", type: "VARCHAR" },
  { name: "explain_value", type: "VARCHAR" },
];
