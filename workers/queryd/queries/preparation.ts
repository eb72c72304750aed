/** What a statement reads, before anything of it runs: its verdict, the versions of its datasets, its views. */

import { fold } from "../../../runtime/sql/sql.ts";
import { type Manifest, resolveDatasets, type Snapshot, withObjects } from "../catalog/catalog.ts";
import type { Session } from "../engine/engine.ts";
import type { Predicates } from "../pruning/pruning.ts";
import type { Verdict } from "../sandbox/sandbox.ts";
import { type Parameter, parametersOf } from "../statements/statements.ts";
import type { Components, SqlQuery } from "./execution.ts";
import { type ExpandedViews, expanded, inView } from "./expanded-views.ts";

interface Read extends ExpandedViews {
  /** The datasets by the names that the statement and its views use. */
  used: ReadonlyMap<string, Manifest>;
  snapshot: Snapshot;
  stale: boolean;
}

interface Prepared extends Read {
  parameters: ReadonlyMap<string, Parameter>;
  /** What all of them ask of the rows of a dataset. */
  predicates: (name: string) => ReturnType<Predicates["get"]>;
  /** Of the question and the versions that answer it, where it has one. */
  etag: string | undefined;
}

interface Preparing {
  session: Session;
  signal: AbortSignal;
  /** What the query holds until it has ended. */
  held: { release: () => void }[];
}

/** Throws as the sandbox does, and for names that are none of datasets. `as` is the view that it is to be. */
export async function readBy(
  { catalog, analysis, openTables }: Pick<Components, "catalog" | "analysis" | "openTables">,
  { sql, asOf, as }: Pick<SqlQuery, "sql" | "asOf"> & { as?: string },
  session: Session,
): Promise<Read> {
  const { snapshot, stale } = await catalog.current();
  const { verdict, views: all } = await expanded(sql, { snapshot, analysis, session, as: as && fold(as) });
  const lookup = { snapshot, asOf, past: catalog.past };
  const own = await resolveDatasets({ ...verdict, sql, ...lookup });
  const resolved = new Map(own);
  const known = new Set([...own.keys()].map(fold));
  // At a time past a dataset may have had the name that a view has now.
  const views = all.filter(({ view }) => !known.has(fold(view.name)));
  for (const { view, verdict: inner } of views) {
    const found = await inView(view.name, () => resolveDatasets({ ...inner, sql: view.sql, ...lookup }));
    for (const [name, manifest] of found) {
      if (!known.has(fold(name))) resolved.set(name, manifest);
      known.add(fold(name));
    }
  }
  return { verdict, views, used: await openTables.filled(resolved), snapshot, stale };
}

/** The same with its parameters, and with the rows of tables that another service keeps. */
export async function prepared(
  components: Pick<Components, "catalog" | "analysis" | "openTables" | "liveTables">,
  query: Pick<SqlQuery, "sql" | "params" | "asOf" | "objects" | "rowIds" | "tag">,
  { session, signal, held }: Preparing,
): Promise<Prepared> {
  const read = await readBy(components, query, session);
  const { verdict, views } = read;
  const parameters = parametersOf(verdict.parameters, query.params);
  const live = await components.liveTables.hold(read.used, signal);
  held.push(live);
  const used = query.objects ? withObjects(live.used, query.objects, query.rowIds) : live.used;
  const predicates = (name: string) => asked([verdict, ...views.map((each) => each.verdict)], fold(name));
  return { ...read, used, parameters, predicates, etag: etagOf(query, used, views) };
}

/** One that reads it without a condition reads all of it. */
function asked(verdicts: readonly Verdict[], folded: string): ReturnType<Predicates["get"]> {
  const reading = verdicts.filter(({ tables }) => [...tables.keys()].some((each) => fold(each) === folded));
  const all = reading.map(({ predicates }) => predicates.get(folded));
  return all.every((each) => each !== undefined) ? all.flat() : undefined;
}

/** Of what is asked, and of the versions that answer it; none where the caller wants none, or time and chance answer too. */
function etagOf(
  { sql, tag }: Pick<SqlQuery, "sql" | "tag">,
  used: ReadonlyMap<string, Manifest>,
  views: ExpandedViews["views"],
): string | undefined {
  if (!tag || [sql, ...views.map(({ view }) => view.sql)].some(isVolatile)) return undefined;
  const all = [...used.values(), ...views.map(({ view }) => view)];
  const versions = all.map(({ name, version, created_at }) => [name, version, created_at]);
  return `"${Bun.SHA256.hash(JSON.stringify([tag.of, versions.sort()]), "hex").slice(0, 32)}"`;
}

/** The text has a word by which it may give other rows from the same data: the time, chance, the session. */
const isVolatile = (sql: string): boolean =>
  /\b(now|today|tomorrow|yesterday|age|ago|random|setseed|uuid\w*|gen_random_uuid|current\w*|get_current\w*|local(time|timestamp)|transaction_timestamp|txid_current|user|session_user|stats|tablesample|sample|pg_\w+|information_schema|show|explain)\b/i.test(
    sql,
  );
