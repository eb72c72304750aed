/** queryd: the verbs and the one stream of the contract, over an engine it owns. */
import type { Static } from "@sinclair/typebox";
import { bufferedResponse, readJson } from "../../runtime/bodies/bodies.ts";
import type { InputOf, RawContext, Running } from "../../runtime/contract/contract.ts";
import { fail, invalidField, type ServiceError } from "../../runtime/errors/errors.ts";
import { pageOf } from "../../runtime/pages/pages.ts";
import { createLimiter, type Limiter, waitAtStart } from "../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { describe, type Log } from "../../runtime/telemetry/telemetry.ts";
import type { Catalogd } from "../catalogd/contract.ts";
import type { Storaged } from "../storaged/contract.ts";
import { byUrl, savedVerbs } from "./by-url/by-url.ts";
import { PartRequest, type Queryd } from "./contract.ts";
import { forgetSubject } from "./erasure/erasure.ts";
import { postgresMediaType } from "./postgres/postgres.ts";
import {
  type ActiveQuery,
  type Components,
  checkExpressions,
  chooseFormat,
  createQueries,
  describeStatement,
  limited,
  listFunctions,
  openComponents,
  type Queries,
  type SqlQuery,
  type Started,
  startQuery,
  startRemoteQuery,
  watch,
} from "./queries/queries.ts";
import { remoteEngine } from "./remote/remote.ts";
import { csv, json, ndjson, parquetType } from "./results/results.ts";

type QuerydDeps = Deps<{ catalogd: Catalogd; storaged: Storaged }>;

interface Parts {
  deps: QuerydDeps;
  components: Components;
  limiter: Limiter;
  queries: Queries;
  /** Queries that hold resources; the engine is closed after the last. */
  answering: Set<Promise<void>>;
}

const arrowType = "application/vnd.apache.arrow.stream";
/** What a result can be sent as; the first is the default. */
const offered = [
  { name: "json", ...json },
  { name: "ndjson", ...ndjson },
  { name: "csv", ...csv },
  { name: "arrow", mediaType: arrowType, contentType: arrowType },
  { name: "postgres", mediaType: postgresMediaType, contentType: postgresMediaType },
  { name: undefined, mediaType: parquetType, contentType: parquetType },
] as const;

const refusal = (running: number, waiting: number): ServiceError =>
  fail(
    "too_many_requests",
    `${running} queries run and ${waiting} wait already, as many as allowed; try again later`,
    { retryAfterSeconds: 1 },
  );

/** Starts the service, ready to read what is registered. A catalog that does not answer yet is no reason to reject. */
export async function createQueryd(deps: QuerydDeps): Promise<Running<Queryd>> {
  const { config, clock, metrics, newId, log } = deps;
  const lifetime = new AbortController();
  const components = await openComponents(deps, lifetime.signal);
  const { max_concurrent_queries: runningMax, max_waiting_queries: waitingMax } = config.queryd;
  const limiter = createLimiter(runningMax, { waitingMax, refusal });
  const queries = createQueries({ clock, metrics, newId, keptMax: config.queryd.queries_kept });
  metrics.gauge("queryd_queries_running", "Queries being run.", limiter.running);
  metrics.gauge("queryd_queries_waiting", "Queries waiting for a free slot.", limiter.waiting);
  const answering = new Set<Promise<void>>();
  await waitAtStart(clock, refresh(components, log));
  const refreshing = refreshForEver(components, deps, lifetime.signal);
  const parts: Parts = { deps, components, limiter, queries, answering };
  const describing = (statement: { sql: string; as?: string }, signal: AbortSignal) =>
    limited(limiter, signal, () => describeStatement(components, statement, signal));

  return {
    verbs: {
      queries: async (asked) => {
        const { page, next } = pageOf(queries.list(), asked, ({ query_id: id }) => id);
        return { queries: page, ...next };
      },
      functions: (_, { signal }) =>
        limited(limiter, signal, async () => ({ functions: await listFunctions(components, signal) })),
      interrupt: async ({ id }) => queries.interrupt(id),
      expressions: ({ texts }, { signal }) =>
        limited(limiter, signal, async () => {
          await checkExpressions(components, texts, signal);
          return {};
        }),
      describe: ({ sql }, { signal }) => describing({ sql }, signal),
      ...savedVerbs({
        catalogd: deps.peers.catalogd.verbs,
        describe: describing,
        currentViews: (views, signal) =>
          limited(limiter, signal, () => components.currentViews.of(views, signal)),
      }),
      ...components.liveTables.verbs,
    },
    raw: {
      sql: (input, context) => answerSql(parts, input, context),
      ...byUrl({
        ...{
          components,
          limiter,
          config,
          catalogd: deps.peers.catalogd.verbs,
          storaged: deps.peers.storaged,
        },
        ask: (question, context) => answerQuestion(parts, question, context),
      }),
    },
    notReady: () => notReady(components),
    erase: (erasing) => forgetSubject(components, queries, erasing),
    stop: async () => {
      lifetime.abort(stopping());
      queries.stopAll(stopping());
      await Promise.allSettled([...answering]);
      await refreshing;
      await components.stop();
      log.debug("the engines are closed");
    },
  };
}

const stopping = () => fail("unavailable", "the service is stopping", { retryAfterSeconds: 1 });

function notReady({ catalog, engines, versions }: Components): string[] {
  const unread = catalog.known() ? [] : ["the catalog has not been read yet"];
  return [...unread, ...engines.problems(), ...versions.broken().values()];
}

/** Refreshes the snapshot also while no queries come. */
async function refreshForEver(
  components: Components,
  { clock, config, log }: QuerydDeps,
  signal: AbortSignal,
) {
  while (!signal.aborted) {
    const waitMs = components.catalog.known() ? config.queryd.refresh_every_ms : firstReadEveryMs;
    await clock.sleep(waitMs, signal).catch(() => {});
    if (!signal.aborted) await refresh(components, log);
  }
}

const refresh = ({ catalog }: Components, log: Log): Promise<unknown> =>
  catalog.current().catch((cause) => log.debug("the catalog cannot be read yet", describe(cause)));

/** How often a catalog that was never read is asked for, in milliseconds. */
const firstReadEveryMs = 200;

type SqlInput = InputOf<Queryd["endpoints"]["sql"]>;

async function answerSql(parts: Parts, input: SqlInput, context: RawContext): Promise<Response> {
  const { config } = parts.deps;
  const accept = context.request.headers.get("accept");
  const { tag, ...body } = await readJson(context.request, PartRequest, config.queryd.max_json_bytes);
  const tagged = tag && { tag: { of: tag.of, known: tag.known ?? null } };
  return answerQuestion(parts, { ...body, ...input, ...tagged, accept }, context);
}

type Question = Omit<Static<typeof PartRequest>, "tag"> &
  Pick<SqlInput, "shape" | "numbers"> & { accept: string | null } & Pick<SqlQuery, "tag">;

async function answerQuestion(parts: Parts, body: Question, context: RawContext): Promise<Response> {
  const { config } = parts.deps;
  const chosen = chooseFormat(body.accept, offered);
  const { default_timeout_ms: timeoutDefault, max_timeout_ms: timeoutMax } = config.queryd;
  const timeoutMs = body.timeout_ms ?? Math.min(timeoutDefault, timeoutMax);
  if (timeoutMs > timeoutMax) throw invalidField("timeout_ms", `at most ${timeoutMax}, got ${timeoutMs}`);
  const query: SqlQuery = {
    sql: body.sql,
    params: body.params,
    limit: body.limit,
    asOf: body.as_of,
    engine: body.engine,
    objects: body.objects,
    rowIds: body.row_ids === true,
    postgres: body.postgres,
    tag: body.tag,
    full: body.shape === "full",
    numbers: body.numbers ?? config.queryd.numbers,
    format: chosen.name,
    contentType: chosen.contentType,
  };
  if (query.full && query.format !== "json")
    throw fail(
      "invalid_field",
      "shape: only JSON results have a shape; leave it out or ask for application/json",
    );
  if (body.numbers !== undefined && query.format !== "json" && query.format !== "ndjson")
    throw fail(
      "invalid_field",
      "numbers: only JSON and NDJSON write numbers in two ways; leave it out or ask for one of these",
    );
  return answer(parts, query, { context, timeoutMs });
}

/** Runs one query when a slot is free. What it holds is given back when its answer has ended, however it ends. */
async function answer(
  parts: Parts,
  query: SqlQuery,
  { context, timeoutMs }: { context: RawContext; timeoutMs: number },
): Promise<Response> {
  const active = parts.queries.begin(query.sql);
  const over = Promise.withResolvers<void>();
  parts.answering.add(over.promise);
  const unwatch = watch(active, context.signal, { clock: parts.deps.clock, timeoutMs });
  const cleanup: (() => void)[] = [unwatch];
  const end = (failure?: unknown) => {
    active.end(failure);
    for (const undo of cleanup.splice(0)) undo();
    over.resolve();
    parts.answering.delete(over.promise);
  };
  try {
    const releaseSlot = await parts.limiter.take(active.signal);
    cleanup.push(releaseSlot);
    active.running();
    const engine = remoteEngine(parts.components.remoteEngines, query.engine);
    const started = engine
      ? await startRemoteQuery(parts.components, { query, engine }, active)
      : await startQuery(parts.components, query, active);
    cleanup.unshift(started.release);
    if ("file" in started.body) {
      // The query is done; only its file is still to be sent.
      started.release();
      releaseSlot();
    }
    return respond(parts, { query, active, started, end });
  } catch (cause) {
    const failure = active.signal.aborted ? active.signal.reason : cause;
    end(failure);
    throw failure;
  }
}

interface Answer {
  query: SqlQuery;
  active: ActiveQuery;
  started: Started;
  end: (failure?: unknown) => void;
}

function respond(parts: Parts, { query, active, started, end }: Answer): Response {
  const headers = new Headers({
    "content-type": query.contentType,
    "cache-control": "no-store",
    "x-lakehouse-query-id": active.id,
  });
  if (started.stale) headers.set("x-lakehouse-catalog", "stale");
  if (started.etag !== undefined) headers.set("etag", started.etag);
  if (started.etag !== undefined) headers.set("cache-control", "no-cache");
  const { body } = started;
  if ("unchanged" in body) {
    end();
    return new Response(null, { status: 304, headers });
  }
  if ("buffered" in body) {
    if (body.truncated) headers.set("x-lakehouse-truncated", "true");
    end();
    return bufferedResponse(body.buffered, { headers });
  }
  const ended = (failure?: unknown) => {
    if (failure !== undefined)
      parts.deps.log.info("a result was cut off", { query_id: active.id, ...describe(failure) });
    end(failure);
  };
  if ("stream" in body) return new Response(body.stream(active.signal, ended), { headers });
  headers.set("content-length", String(body.file.bytes));
  active.progress(0, body.file.bytes);
  return new Response(body.file.stream(active.signal, ended), { headers });
}
