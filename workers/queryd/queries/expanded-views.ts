/**
 * The views that a statement reads, and those that they read: each becomes a relation before the statement, as a dataset
 * does. A view's text has been through the sandbox by itself, and stands in brackets of its own as it stood there; its
 * names mean datasets and views, never what the statement's WITH gives.
 */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { columnProblem, fold } from "../../../runtime/sql/sql.ts";
import type { Snapshot, View } from "../catalog/catalog.ts";
import type { Session } from "../engine/engine.ts";
import type { Analysis, Cost, Verdict } from "../sandbox/sandbox.ts";
import type { Source } from "../statements/statements.ts";

export interface ExpandedViews {
  /** Views in an order in which each comes after those that it reads. */
  views: readonly { view: View; verdict: Verdict }[];
  /** The statement's own, with what its views cost. */
  verdict: Verdict;
}

interface Expanding {
  snapshot: Pick<Snapshot, "datasets" | "views">;
  analysis: Pick<Analysis, "verdict">;
  session: Session;
  /** The folded name of a view that is about to be this statement. */
  as?: string | undefined;
}

/** Views in views, one deeper than the other; and views of one statement. */
const depthMax = 16;
const viewsMax = 100;

/** Throws `sql_error` where views read each other in a circle, nest too deep, or may not be run. */
export async function expanded(sql: string, expanding: Expanding): Promise<ExpandedViews> {
  const { analysis, session, snapshot, as } = expanding;
  const views = new Map<string, { view: View; verdict: Verdict; cost: Cost }>();
  const expand = async (text: string, path: readonly string[]): Promise<Verdict> => {
    const verdict = await analysis.verdict(text, session);
    const costs = new Map<string, Cost>();
    for (const name of verdict.tables.keys()) {
      const folded = fold(name);
      const view = snapshot.views.get(folded);
      if (path.includes(folded)) throw circle([...path.slice(path.indexOf(folded)), folded]);
      if (!view || snapshot.datasets.has(view.name)) continue;
      if (path.length >= depthMax)
        throw fail("sql_error", `views nest deeper than ${depthMax}: ${chain(path)}`);
      if (views.size >= viewsMax) throw fail("sql_error", `the statement reads more than ${viewsMax} views`);
      if (!views.has(folded)) {
        const inner = await inView(view.name, () => expand(view.sql, [...path, folded]));
        views.set(folded, { view, verdict: inner, cost: inner.cost });
      }
      costs.set(folded, views.get(folded)?.cost ?? { tables: 1, joins: 0 });
    }
    return costs.size === 0 ? verdict : analysis.verdict(text, session, costs);
  };
  const verdict = await expand(sql, as === undefined ? [] : [as]);
  return { views: [...views.values()], verdict };
}

const chain = (path: readonly string[]): string => path.join(" → ");
const circle = (path: readonly string[]) =>
  fail("sql_error", `views read each other in a circle: ${chain(path)}`);

/** What is wrong within a view is said of the view: the place in its text is nothing to whoever reads it. */
export async function inView<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof ServiceError)) throw cause;
    throw fail(cause.type, `view '${name}': ${cause.message}`, { cause });
  }
}

/** The views as relations of ours. */
export const viewSources = (views: ExpandedViews["views"]): Source[] =>
  views.map(({ view, verdict }) => ({ name: view.name, relation: `(\n${verdict.statement.body}\n)` }));

/** Throws `invalid_field` for a statement that no view can be. */
export function checkViewText({ statement, parameters, listing }: Verdict): void {
  const problem = statement.explain
    ? "EXPLAIN is none"
    : parameters.length > 0
      ? "a view has no parameters: save a query for that"
      : listing
        ? "lists of tables are none"
        : undefined;
  if (problem !== undefined)
    throw fail("invalid_field", `sql: expected a statement that reads datasets and views; ${problem}`, {
      details: { field: "sql" },
    });
}

/** Throws `invalid_field` for columns that no table has. */
export function checkViewColumns(columns: readonly { name: string; type: string }[]): void {
  const wrong = columnProblem(columns);
  if (wrong)
    throw fail("invalid_field", `sql: ${wrong.problem}: name it, or CAST it, in the SELECT`, {
      details: { field: "sql" },
    });
}
