/** One query, from its text to its answer. */
import { join } from "node:path";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import {
  type Catalog,
  hasSchema,
  type LiveTables,
  type Manifest,
  type OpenTables,
  systemSources,
  type Versions,
  type Views,
} from "../catalog/catalog.ts";
import type { Engines, Piece, RunRequest, Session } from "../engine/engine.ts";
import { CutShortError, type HidePaths, sqlError } from "../errors/errors.ts";
import { pruned } from "../pruning/pruning.ts";
import type { RemoteEngine } from "../remote/remote.ts";
import { copyStatement, type ParquetFile, recordedForms, writeParquet } from "../results/results.ts";
import { type Analysis, checkBound, type Verdict } from "../sandbox/sandbox.ts";
import {
  boundedRowsMax,
  type Compiled,
  type GivenParameters,
  markedStatement,
  plainStatement,
  planText,
  readPlan,
  type Source,
} from "../statements/statements.ts";
import { type Column, checkColumns, type Numbers } from "../values/values.ts";
import { type Body, resultBody } from "./body.ts";
import type { CurrentViews } from "./current-views.ts";
import { viewSources } from "./expanded-views.ts";
import { prepared } from "./preparation.ts";
import { type ActiveQuery, withQueryId } from "./registry.ts";

export interface Components {
  engines: Engines;
  /** Ends the engines, and removes what they could read. */
  stop: () => Promise<void>;
  analysis: Analysis;
  catalog: Catalog;
  openTables: OpenTables;
  liveTables: LiveTables;
  versions: Versions;
  views: Views;
  currentViews: CurrentViews;
  hidePaths: HidePaths;
  clock: Clock;
  /** The name of the end marker's column; unguessable, so that no statement uses it. */
  mark: string;
  results: { directory: string; bytesMax: number };
  remoteEngines: ReadonlyMap<string, RemoteEngine>;
}

type FormatName = RunRequest["format"];
export interface SqlQuery {
  sql: string;
  params: GivenParameters | undefined;
  limit: number | undefined;
  /** RFC 3339. */
  asOf: string | undefined;
  /** Keys of the objects that are read of a version, by the name of it in the statement; with `rowIds` as `PartRequest` says. */
  objects?: Readonly<Record<string, readonly string[]>> | undefined;
  rowIds?: boolean;
  postgres?: RunRequest["postgres"] | undefined;
  /** Where the same question has the same answer while its datasets stay: what is asked, and the etags that the caller has. */
  tag?: { of: string; known: string | null } | undefined;
  full: boolean;
  numbers: Numbers;
  /** Another one than the engine here. */
  engine: string | undefined;
  /** Absent for Parquet, which is written to a file first. */
  format: FormatName | undefined;
  contentType: string;
}

/** A query whose answer may begin. `release` gives back what it holds. */
export interface Started {
  body: Body | { file: ParquetFile } | { unchanged: true };
  etag?: string;
  stale: boolean;
  release: () => void;
}

/** Runs the query until its answer may begin: the whole result when it is small, else its first rows. */
export async function startQuery(
  components: Components,
  query: SqlQuery,
  active: ActiveQuery,
): Promise<Started> {
  const { engines, catalog, versions, views, currentViews } = components;
  const session = await engines.session(active.signal, query.sql);
  const held: { release: () => void }[] = [session];
  const release = () => {
    for (const hold of held.splice(0).reverse()) hold.release();
  };
  try {
    const ready = await prepared(components, query, { session, signal: active.signal, held });
    const { verdict, parameters, used, snapshot, stale, etag } = ready;
    const tagged = etag === undefined ? {} : { etag };
    if (etag !== undefined && query.tag?.known?.includes(etag))
      return { body: { unchanged: true }, ...tagged, stale, release };
    const hold = await versions.hold(used, session, active.signal, (name, manifest) =>
      pruned(manifest, ready.predicates(name), parameters),
    );
    held.push(hold);
    const { asOf } = query;
    const listed = () =>
      asOf === undefined ? currentViews.listed(snapshot, session) : catalog.everything(asOf);
    if (verdict.listing) await views.sync(session, await listed());
    const plain = hold.sources.filter(({ name }) => !hasSchema(name));
    const viewed = viewSources(ready.views);
    const sources = [...plain, ...viewed, ...systemSources(verdict.tables.keys())];
    const run: Run = { components, query, active, session, verdict, sources, used };
    await checkBound({ verdict, used, parameters, mark: components.mark, views: viewed }, session).catch(
      (cause) => Promise.reject(translate(run, cause, { sql: query.sql, prefixBytes: 0 })),
    );
    await views.showing(session, hold.sources);
    return { body: await start(run), ...tagged, stale, release };
  } catch (cause) {
    release();
    throw withQueryId(cause, active);
  }
}

export interface Run {
  components: Components;
  query: SqlQuery;
  active: ActiveQuery;
  session: Session;
  verdict: Pick<Verdict, "statement" | "isBounded" | "wasBounded" | "renamed">;
  sources: readonly Source[];
  used: ReadonlyMap<string, Manifest>;
  /** Of rows that come once: what the columns are read from, and why the rows ended before their end. */
  once?: { columnsFrom: string; failure: (cause: unknown) => unknown };
}

/** Begins the answer of a query that holds all it needs. */
export async function start(run: Run): Promise<Started["body"]> {
  const { query, active, verdict, session } = run;
  const { format } = query;
  const explained = verdict.statement.explain ? await explain(run) : undefined;
  if (!format) return { file: await parquet(run, explained !== undefined) };
  const first = explained ? await begin(run, format, explained) : await firstPiece(run, format);
  const body = resultBody({ first, next: session.next, progress: active.progress });
  verdict.wasBounded = "buffered" in body && body.rows <= boundedRowsMax;
  return body;
}

/** One row more than asked for shows whether there are more. */
const oneMore = ({ limit }: SqlQuery): number | undefined => (limit === undefined ? undefined : limit + 1);

const marked = ({ components, query, verdict, sources }: Run): Compiled =>
  markedStatement(verdict.statement.body, sources, {
    mark: components.mark,
    limit: oneMore(query),
  });

/**
 * A bounded result is buffered, any other is streamed. A statement whose result was small last time is run with a limit
 * that shows when it gives more, and then again as a stream.
 */
async function firstPiece(run: Run, format: FormatName): Promise<Piece> {
  const { verdict, query, sources } = run;
  const buffered = (limit: number | undefined, rowsMax?: number) => {
    const statement = plainStatement(verdict.statement.body, sources, limit);
    return tryRun(run, { format, statement, isMarked: false, ...(rowsMax !== undefined && { rowsMax }) });
  };
  if (verdict.isBounded || (query.limit !== undefined && query.limit < boundedRowsMax)) {
    const piece = await buffered(oneMore(query));
    if (piece) return piece;
  }
  if (verdict.wasBounded && query.limit === undefined) {
    const piece = await buffered(boundedRowsMax + 1, boundedRowsMax);
    if (piece) return piece;
    verdict.wasBounded = false;
  }
  return begin(run, format, { statement: marked(run) });
}

interface Begin {
  statement: Compiled;
  /** The query's own, when absent. */
  params?: GivenParameters;
}

async function begin(run: Run, format: FormatName, { statement, params }: Begin): Promise<Piece> {
  const piece = await tryRun(run, { format, statement, isMarked: true, ...(params && { params }) });
  if (!piece) throw new Error("a stream was refused for its number of rows");
  return piece;
}

interface Try extends Begin {
  format: FormatName;
  isMarked: boolean;
  rowsMax?: number;
}

async function tryRun(run: Run, { format, statement, isMarked, rowsMax, params }: Try) {
  const { query, active, session, verdict } = run;
  const given = params ?? query.params;
  try {
    return await session.run({
      sql: statement.sql,
      ...(given && { params: given }),
      marked: isMarked,
      ...(rowsMax !== undefined && { rowsMax }),
      format,
      ...(query.limit !== undefined && { limit: query.limit }),
      full: query.full,
      numbers: query.numbers,
      ...(format === "csv" && { forms: recordedForms(run.used.values(), verdict.renamed) }),
      ...(format === "postgres" && query.postgres && { postgres: query.postgres }),
      queryId: active.id,
      elapsedMs: active.elapsedMs(),
    });
  } catch (cause) {
    throw cause instanceof CutShortError ? await diagnose(run, cause) : translate(run, cause, statement);
  }
}

const translate = (run: Run, cause: unknown, statement: Compiled): unknown => {
  if (run.active.signal.aborted) return run.active.signal.reason;
  const error = sqlError(
    cause,
    { sql: run.query.sql, prefixBytes: statement.prefixBytes },
    run.components.hidePaths,
  );
  // The statement here is ours: what does not fit is what came.
  const isOurs = run.once && error instanceof ServiceError && error.type === "sql_error";
  return isOurs ? run.once?.failure(error) : error;
};

/**
 * A stream that ended early does not say why; the query is run again, its rows thrown away, and this time its error is
 * reported. Only done before the answer has begun.
 */
async function diagnose(run: Run, cutShort: CutShortError): Promise<unknown> {
  if (run.active.signal.aborted) return run.active.signal.reason;
  if (run.once) return run.once.failure(cutShort);
  const inner = marked(run);
  const head = "EXPLAIN ANALYZE ";
  const statement = { sql: head + inner.sql, prefixBytes: head.length + inner.prefixBytes };
  try {
    await run.session.rows(statement.sql, run.query.params);
  } catch (cause) {
    return translate(run, cause, statement);
  }
  return fail("sql_error", "the query failed while its rows were read, and did not when it was run again", {
    cause: cutShort,
  });
}

/** The plan as a result of one row, so that every format can carry it. */
async function explain(run: Run): Promise<Begin> {
  const { session, verdict, sources, components } = run;
  const { analyze = false, json = false } = verdict.statement.explain ?? {};
  const inner = plainStatement(verdict.statement.body, sources);
  const head = `EXPLAIN (${analyze ? "ANALYZE, " : ""}FORMAT JSON) `;
  const statement = { sql: head + inner.sql, prefixBytes: head.length + inner.prefixBytes };
  const rows = await session
    .rows(statement.sql, run.query.params)
    .catch((cause) => Promise.reject(translate(run, cause, statement)));
  const plan = readPlan(rows[0]?.at(-1) ?? "[]");
  const text = components.hidePaths(json ? JSON.stringify(plan, null, 2) : planText(plan));
  const key = analyze ? "analyzed_plan" : "physical_plan";
  return { statement: explained(components.mark), params: [key, text] };
}

const explained = (mark: string): Compiled =>
  markedStatement("SELECT $1::VARCHAR AS explain_key, $2::VARCHAR AS explain_value", [], { mark });

async function parquet(run: Run, isExplained: boolean): Promise<ParquetFile> {
  if (isExplained) throw fail("not_acceptable", "EXPLAIN gives text; ask for application/json or text/csv");
  const { components, query, active, session, verdict, sources } = run;
  const columns = await columnsOf(run);
  checkColumns(columns);
  const { clock, results } = components;
  // Should a statement ever reach this folder: the mark makes the name impossible to guess.
  const path = join(results.directory, `${components.mark}-${active.id}.parquet`);
  const inner = plainStatement(verdict.statement.body, sources, query.limit);
  const statement = copyStatement(inner, columns, path);
  const stop = (reason: ServiceError) => active.stop(reason);
  const [{ sql }, { bytesMax }] = [statement, results];
  return writeParquet({ session, sql, path, params: query.params, bytesMax, clock, stop }).catch((cause) =>
    Promise.reject(translate(run, cause, statement)),
  );
}

/** The columns of the result. Only a run with the parameters' values knows them; one without rows is cheap. */
async function columnsOf(run: Run): Promise<readonly Column[]> {
  const { components, session, verdict, sources, query } = run;
  const body = run.once?.columnsFrom ?? verdict.statement.body;
  const statement = markedStatement(body, sources, { mark: components.mark, limit: 0 });
  return session
    .columns(statement.sql, query.params)
    .catch((cause) => Promise.reject(translate(run, cause, statement)));
}
