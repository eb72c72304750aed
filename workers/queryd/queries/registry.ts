/** The queries under way and the latest that ended: their ids, states and how to stop them. */

import type { Static } from "@sinclair/typebox";
import { LRUCache } from "lru-cache";
import { fail, ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { Query } from "../schemas/schemas.ts";

type QueryInfo = Static<typeof Query>;

/** One query from its arrival to its end. */
export interface ActiveQuery {
  id: string;
  /** Aborted, with a ServiceError, when the query must stop. */
  signal: AbortSignal;
  stop: (reason: ServiceError) => void;
  running: () => void;
  progress: (rows: number, bytes: number) => void;
  elapsedMs: () => number;
  /** Once; later calls change nothing. */
  end: (failure?: unknown) => void;
}

export interface Queries {
  begin: (sql: string) => ActiveQuery;
  list: () => QueryInfo[];
  /** Stops the query; one that has ended already is left as it is. */
  interrupt: (id: string) => QueryInfo;
  stopAll: (reason: ServiceError) => void;
  /** Forgets ended queries whose statements are told so. */
  forget: (isMeant: (sql: string) => boolean) => void;
}

interface Entry {
  info: QueryInfo;
  begun: number;
  controller: AbortController;
}

/** Characters of the statement that are kept for the list. */
const sqlShownMax = 200;

export function createQueries(options: {
  clock: Clock;
  metrics: Metrics;
  newId: () => string;
  keptMax: number;
}): Queries {
  const { clock, metrics, newId, keptMax } = options;
  const open = new Map<string, Entry>();
  const ended = new LRUCache<string, QueryInfo>({ max: keptMax });
  const outcomes = metrics.counter("queryd_queries_total", "Queries that ended, by outcome.");
  const seconds = metrics.histogram("queryd_query_seconds", "From the arrival of a query to its last byte.");
  const rowsTotal = metrics.counter("queryd_rows_total", "Rows answered.");
  const bytesTotal = metrics.counter("queryd_result_bytes_total", "Bytes of results.");

  const shown = ({ info, begun }: Entry): QueryInfo => ({ ...info, elapsed_ms: clock.elapsed() - begun });
  const finish = (entry: Entry, failure: unknown) => {
    if (!open.delete(entry.info.query_id)) return;
    const info = shown(entry);
    info.state = stateOf(failure);
    ended.set(info.query_id, info);
    outcomes.add(1, { outcome: failure === undefined ? "done" : toWire(failure).type });
    seconds.observe(info.elapsed_ms / 1000);
  };
  const find = (id: string): QueryInfo => {
    const running = open.get(id);
    const info = running ? shown(running) : ended.peek(id);
    if (!info) throw fail("not_found", `there is no query '${id}' among those running or lately ended`);
    return info;
  };
  return {
    begin: (sql) => {
      const entry = newEntry(newId(), sql, clock);
      open.set(entry.info.query_id, entry);
      return {
        id: entry.info.query_id,
        signal: entry.controller.signal,
        stop: (reason) => entry.controller.abort(reason),
        running: () => {
          entry.info.state = "running";
        },
        progress: (rows, bytes) => {
          entry.info.rows += rows;
          rowsTotal.add(rows);
          bytesTotal.add(bytes);
        },
        elapsedMs: () => clock.elapsed() - entry.begun,
        end: (failure) => finish(entry, failure),
      };
    },
    list: () =>
      [...open.values()]
        .map(shown)
        .reverse()
        .concat([...ended.values()]),
    interrupt: (id) => {
      open
        .get(id)
        ?.controller.abort(fail("conflict", `the query was interrupted by DELETE /sql/queries/${id}`));
      return find(id);
    },
    forget: (isMeant) => {
      for (const [id, { sql }] of [...ended]) if (isMeant(sql)) ended.delete(id);
    },
    stopAll: (reason) => {
      for (const { controller } of open.values()) controller.abort(reason);
    },
  };
}

const newEntry = (id: string, sql: string, clock: Clock): Entry => ({
  info: {
    query_id: id,
    sql: sql.slice(0, sqlShownMax),
    state: "queued",
    started_at: timestamp(clock),
    elapsed_ms: 0,
    rows: 0,
  },
  begun: clock.elapsed(),
  controller: new AbortController(),
});

const stopTypes = new Set(["conflict", "client_closed", "timeout", "unavailable"]);

const stateOf = (failure: unknown): QueryInfo["state"] => {
  if (failure === undefined) return "done";
  return failure instanceof ServiceError && stopTypes.has(failure.type) ? "interrupted" : "failed";
};

/** An `engine_crashed` error names the query. */
export const withQueryId = (cause: unknown, { id }: ActiveQuery): unknown =>
  cause instanceof ServiceError && cause.type === "engine_crashed"
    ? fail(cause.type, cause.message, { details: { query_id: id }, cause: cause.cause })
    : cause;
