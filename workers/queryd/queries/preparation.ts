/** What a statement reads, before anything of it runs: its verdict, the versions of its datasets, its parameters. */

import type { Manifest, Snapshot } from "../catalog/catalog.ts";
import { resolveDatasets, withObjects } from "../catalog/catalog.ts";
import type { Session } from "../engine/engine.ts";
import type { Verdict } from "../sandbox/sandbox.ts";
import { type Parameter, parametersOf } from "../statements/statements.ts";
import type { Components, SqlQuery } from "./execution.ts";

interface Prepared {
  verdict: Verdict;
  parameters: ReadonlyMap<string, Parameter>;
  /** The datasets by the names the statement uses. */
  used: ReadonlyMap<string, Manifest>;
  snapshot: Snapshot;
  stale: boolean;
  /** Of the question and the versions that answer it, where it has one. */
  etag: string | undefined;
}

interface Preparing {
  session: Session;
  signal: AbortSignal;
  /** What the query holds until it has ended. */
  held: { release: () => void }[];
}

/** Throws as the sandbox does, and for names that are none of datasets. */
export async function prepared(
  {
    catalog,
    analysis,
    openTables,
    liveTables,
  }: Pick<Components, "catalog" | "analysis" | "openTables" | "liveTables">,
  {
    sql,
    params,
    asOf,
    objects,
    rowIds,
    tag,
  }: Pick<SqlQuery, "sql" | "params" | "asOf" | "objects" | "rowIds" | "tag">,
  { session, signal, held }: Preparing,
): Promise<Prepared> {
  const { snapshot, stale } = await catalog.current();
  const verdict = await analysis.verdict(sql, session);
  const parameters = parametersOf(verdict.parameters, params);
  const resolved = await resolveDatasets({ ...verdict, sql, snapshot, asOf, past: catalog.past });
  const live = await liveTables.hold(await openTables.filled(resolved), signal);
  held.push(live);
  const used = objects ? withObjects(live.used, objects, rowIds) : live.used;
  return { verdict, parameters, used, snapshot, stale, etag: tag && etagOf(tag.of, used) };
}

/** Of what is asked, and of the versions that answer it. */
function etagOf(asked: string, used: ReadonlyMap<string, Manifest>): string {
  const versions = [...used.values()].map(({ name, version, created_at }) => [name, version, created_at]);
  return `"${Bun.SHA256.hash(JSON.stringify([asked, versions.sort()]), "hex").slice(0, 32)}"`;
}
