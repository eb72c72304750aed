/** What a statement would answer with, as clients of PostgreSQL ask before they give its parameters. */
import { emptyRows, hasSchema, resolveDatasets, systemSources } from "../catalog/catalog.ts";
import type { Described } from "../engine/engine.ts";
import { sqlError } from "../errors/errors.ts";
import { checkBound } from "../sandbox/sandbox.ts";
import { markedStatement, type Parameter } from "../statements/statements.ts";
import type { Components } from "./execution.ts";

/** No object is opened, and nothing is run. Throws as a query does that the sandbox or DuckDB refuses. */
export async function describeStatement(
  { engines, analysis, catalog, openTables, views, hidePaths, mark }: Components,
  sql: string,
  signal: AbortSignal,
): Promise<Described> {
  const session = await engines.session(signal, sql);
  try {
    const { snapshot } = await catalog.current();
    const verdict = await analysis.verdict(sql, session);
    const lookup = { ...verdict, sql, snapshot, asOf: undefined, past: catalog.past };
    const used = await openTables.filled(await resolveDatasets(lookup));
    if (verdict.listing) await views.sync(session, snapshot);
    const open: Parameter = { type: "null", value: null };
    const parameters = new Map(verdict.parameters.map((name) => [name, open]));
    const empty = [...used].map(([name, manifest]) => ({ name, relation: `(${emptyRows(manifest)})` }));
    const sources = [
      ...empty.filter(({ name }) => !hasSchema(name)),
      ...systemSources(verdict.tables.keys()),
    ];
    const statement = markedStatement(verdict.statement.body, sources, { mark });
    try {
      await checkBound({ verdict, used, parameters, mark }, session);
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
