/** One query, from its text to its answer. */
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { fail, type ServiceError } from "../../runtime/errors.ts";
import { describe, type Log } from "../../runtime/log.ts";
import type { Analysis, Verdict } from "./analysis.ts";
import { checkBound } from "./bound-plan.ts";
import type { Catalog, Manifest } from "./catalog.ts";
import { type Column, findType } from "./column-type.ts";
import { resolveDatasets } from "./datasets.ts";
import type { Bind, Cursor, Engine, Session } from "./engine.ts";
import { CutShortError } from "./engine-error.ts";
import { planText, readPlan } from "./explain.ts";
import { fewRowsMax } from "./few-rows.ts";
import type { Numbers } from "./number-writer.ts";
import { ownSources } from "./own-schema.ts";
import { type GivenParameters, matchParameters, parametersOf } from "./parameters.ts";
import type { QueryLife } from "./queries.ts";
import { type Body, resultBody } from "./result-body.ts";
import type { ResultFormat } from "./result-format.ts";
import { copyStatement, type ParquetFile, writeParquet } from "./result-parquet.ts";
import { type HidePaths, sqlError } from "./sql-error.ts";
import { type Compiled, markedStatement, plainStatement, type Source } from "./statement.ts";
import { formsOf } from "./text-form.ts";
import type { Versions } from "./versions.ts";

export interface Machinery {
  engine: Engine;
  analysis: Analysis;
  catalog: Catalog;
  versions: Versions;
  hidePaths: HidePaths;
  clock: Clock;
  log: Log;
  /** The name of the end marker's column; unguessable, so that no statement uses it. */
  mark: string;
  results: { directory: string; bytesMax: number };
}

export interface SqlQuery {
  sql: string;
  params: GivenParameters | undefined;
  limit: number | undefined;
  full: boolean;
  numbers: Numbers;
  /** Absent for Parquet, which is written to a file first. */
  format: ResultFormat | undefined;
}

/** A query whose answer may begin. `release` gives back what it holds; it never rejects. */
export interface Started {
  body: Body | { file: ParquetFile };
  stale: boolean;
  release: () => Promise<void>;
}

/** Runs the query until its answer may begin: the whole result when it is small, else its first rows. */
export async function startQuery(machinery: Machinery, query: SqlQuery, life: QueryLife): Promise<Started> {
  const { engine, catalog, versions, analysis, log } = machinery;
  const session = await engine.session(life.signal);
  const held: { release: () => void }[] = [];
  const release = async () => {
    for (const hold of held.splice(0)) hold.release();
    await session.release().catch((cause) => log.error("a session could not be given back", describe(cause)));
  };
  try {
    const { snapshot, stale } = await catalog.current();
    const verdict = await analysis.verdict(query.sql, session);
    const parameters = parametersOf(verdict.parameters, query.params);
    const used = resolveDatasets(verdict, snapshot, query.sql);
    const hold = await versions.hold(used, life.signal);
    held.push(hold);
    const sources = [...hold.sources, ...ownSources(verdict.tables.keys())];
    const run: Run = { machinery, query, life, session, verdict, sources, used };
    await checkBound({ verdict, used, parameters, mark: machinery.mark }, session).catch((cause) =>
      Promise.reject(translate(run, cause, { sql: query.sql, prefixBytes: 0 })),
    );
    return { body: await start(run), stale, release };
  } catch (cause) {
    await release();
    throw cause;
  }
}

interface Run {
  machinery: Machinery;
  query: SqlQuery;
  life: QueryLife;
  session: Session;
  verdict: Verdict;
  sources: readonly Source[];
  used: ReadonlyMap<string, Manifest>;
}

async function start(run: Run): Promise<Started["body"]> {
  const { format } = run.query;
  const cursor = run.verdict.statement.explain ? await explain(run) : undefined;
  if (!format) return { file: await parquet(run, cursor) };
  const rows = cursor ?? (await openRows(run));
  checkColumns(rows.columns);
  const { query, life } = run;
  const forms = formsOf(rows.columns, run.verdict.renamed ?? new Map(), run.used.values());
  const encoder = format.open(rows.columns, {
    queryId: life.id,
    full: query.full,
    numbers: query.numbers,
    forms,
  });
  try {
    const { limit } = query;
    const body = await resultBody({
      cursor: rows,
      encoder,
      limit,
      elapsedMs: life.elapsedMs,
      progress: life.progress,
    });
    run.verdict.fewRowsLately = "whole" in body && body.rows <= fewRowsMax;
    return body;
  } catch (cause) {
    throw cause instanceof CutShortError ? await diagnose(run, cause) : translate(run, cause, marked(run));
  }
}

const bindOf =
  ({ query }: Run): Bind =>
  (names) =>
    matchParameters(names, query.params);

/** One row more than asked for shows whether there are more. */
const oneMore = ({ limit }: SqlQuery): number | undefined => (limit === undefined ? undefined : limit + 1);

const marked = ({ machinery, query, verdict, sources }: Run): Compiled =>
  markedStatement(verdict.statement.body, sources, {
    mark: machinery.mark,
    limit: oneMore(query),
  });

/**
 * Few rows are taken whole, many are streamed. A statement that gave few rows last time is run with a limit that
 * shows when it gives more, and then again as a stream.
 */
async function openRows(run: Run): Promise<Cursor> {
  const { verdict, query } = run;
  if (verdict.fewRows || (query.limit !== undefined && query.limit < fewRowsMax))
    return openWhole(run, oneMore(query));
  if (verdict.fewRowsLately && query.limit === undefined) {
    const cursor = await openWhole(run, fewRowsMax + 1);
    if (cursor.rows <= fewRowsMax) return cursor;
    verdict.fewRowsLately = false;
  }
  const statement = marked(run);
  return run.session
    .open(statement.sql, bindOf(run))
    .catch((cause) => Promise.reject(translate(run, cause, statement)));
}

function openWhole(run: Run, limit: number | undefined): Promise<Cursor & { rows: number }> {
  const statement = plainStatement(run.verdict.statement.body, run.sources, limit);
  return run.session
    .openWhole(statement.sql, bindOf(run))
    .catch((cause) => Promise.reject(translate(run, cause, statement)));
}

const translate = (run: Run, cause: unknown, statement: Compiled): unknown => {
  if (run.life.signal.aborted) return run.life.signal.reason;
  return sqlError(cause, { sql: run.query.sql, prefixBytes: statement.prefixBytes }, run.machinery.hidePaths);
};

/** Types that exist inside DuckDB but have no form outside of it. */
function checkColumns(columns: readonly Column[]): void {
  for (const { name, type } of columns) {
    const bad = findType(type, ({ kind }) => kind === "unsupported");
    if (bad)
      throw fail(
        "sql_error",
        `column '${name}' has the type ${bad.name}, which no result format holds: CAST it to VARCHAR or JSON`,
      );
  }
}

/**
 * A stream that ended early does not say why; the query is run again, its rows thrown away, and this time its error
 * is told. Only done before the answer has begun.
 */
async function diagnose(run: Run, cutShort: CutShortError): Promise<unknown> {
  if (run.life.signal.aborted) return run.life.signal.reason;
  const inner = marked(run);
  const head = "EXPLAIN ANALYZE ";
  const statement = { sql: head + inner.sql, prefixBytes: head.length + inner.prefixBytes };
  try {
    await run.session.rows(statement.sql, bindOf(run));
  } catch (cause) {
    return translate(run, cause, statement);
  }
  return fail("sql_error", "the query failed while its rows were read, and did not when it was run again", {
    cause: cutShort,
  });
}

/** The plan as a result of one row, so that every format can carry it. */
async function explain(run: Run): Promise<Cursor> {
  const { session, verdict, sources, machinery } = run;
  const { analyze = false, json = false } = verdict.statement.explain ?? {};
  const inner = plainStatement(verdict.statement.body, sources);
  const head = `EXPLAIN (${analyze ? "ANALYZE, " : ""}FORMAT JSON) `;
  const statement = { sql: head + inner.sql, prefixBytes: head.length + inner.prefixBytes };
  const rows = await session
    .rows(statement.sql, bindOf(run))
    .catch((cause) => Promise.reject(translate(run, cause, statement)));
  const plan = readPlan(rows[0]?.at(-1) ?? "[]");
  const text = machinery.hidePaths(json ? JSON.stringify(plan, null, 2) : planText(plan));
  const key = analyze ? "analyzed_plan" : "physical_plan";
  return session.open(explained(machinery.mark).sql, () => [
    { type: "text", value: key },
    { type: "text", value: text },
  ]);
}

const explained = (mark: string): Compiled =>
  markedStatement("SELECT $1::VARCHAR AS explain_key, $2::VARCHAR AS explain_value", [], { mark });

async function parquet(run: Run, explained: Cursor | undefined): Promise<ParquetFile> {
  if (explained) throw fail("not_acceptable", "EXPLAIN gives text; ask for application/json or text/csv");
  const { machinery, query, life, session, verdict, sources } = run;
  const columns = await columnsOf(run);
  checkColumns(columns);
  const { clock, results } = machinery;
  // Other statements may read this folder too, if anything let them: the mark is what nobody can guess.
  const path = join(results.directory, `${machinery.mark}-${life.id}.parquet`);
  const inner = plainStatement(verdict.statement.body, sources, query.limit);
  const statement = copyStatement(inner, columns, path);
  const stop = (reason: ServiceError) => life.stop(reason);
  const { sql } = statement;
  return writeParquet({
    session,
    sql,
    path,
    bind: bindOf(run),
    bytesMax: results.bytesMax,
    clock,
    stop,
  }).catch((cause) => Promise.reject(translate(run, cause, statement)));
}

/** The columns of the result. Only a run with the parameters' values knows them; one without rows is cheap. */
async function columnsOf(run: Run): Promise<readonly Column[]> {
  const { machinery, session, verdict, sources } = run;
  const statement = markedStatement(verdict.statement.body, sources, { mark: machinery.mark, limit: 0 });
  try {
    const cursor = await session.open(statement.sql, bindOf(run));
    while (await cursor.next()) {}
    return cursor.columns;
  } catch (cause) {
    throw translate(run, cause, statement);
  }
}
