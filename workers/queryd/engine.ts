/** DuckDB: the only file here that knows it. One instance, a pool of sessions, and an end that is safe. */
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  type DuckDBType,
  type DuckDBValue,
  LIST,
  listValue,
  SQLNULL,
  StatementType,
  VARCHAR,
} from "@duckdb/node-api";
import type { Clock } from "../../runtime/clock.ts";
import type { Column } from "./column-type.ts";
import { CutShortError, EngineError, engineError } from "./engine-error.ts";
import { batchOf, columnTypeOf } from "./engine-memory.ts";
import { configuration, type EngineSettings, locks } from "./engine-settings.ts";
import type { Parameter, ParameterType, ParameterValue } from "./parameters.ts";
import type { Batch } from "./vector.ts";

/** Gives the values for a statement's parameters by their names; throws when they do not fit. */
export type Bind = (names: readonly string[]) => Parameter[];

/** The rows of a running query. */
export interface Cursor {
  columns: readonly Column[];
  /** The next rows, null after the last; rejects with `CutShortError` when the rows ended before their end. */
  next: () => Promise<Batch | null>;
}

/** One connection, held by one query. Its calls reject with `EngineError`. */
export interface Session {
  /** Runs a marked statement (see `statement.ts`) and streams its rows. */
  open: (sql: string, bind: Bind) => Promise<Cursor>;
  /** Runs one of the service's own statements. */
  execute: (sql: string) => Promise<void>;
  /** Binds a statement of the service's own without running it. */
  bind: (sql: string) => Promise<void>;
  /** Runs to the end; few rows, as text. */
  rows: (sql: string, bind?: Bind) => Promise<string[][]>;
  /** Waits until DuckDB has let go of the query, then gives the connection back. */
  release: () => Promise<void>;
}

export interface Engine {
  version: string;
  /** A session whose calls are interrupted when the signal aborts. */
  session: (signal: AbortSignal) => Promise<Session>;
  /** Interrupts every call, waits for all to return and closes DuckDB: the thread may end then. */
  stop: () => Promise<void>;
}

/** An interrupt that comes before its call has begun is lost: it is repeated until the call has returned. */
const interruptEveryMs = 10;
/** Prepared statements kept on each connection; each may hold a file open. */
const preparedMax = 16;
/** Chunks are freed by the collector, which does not see their memory: it is told to look now and then. */
const chunksPerCollection = 256;

interface Lane {
  connection: DuckDBConnection;
  prepared: Map<string, DuckDBPreparedStatement>;
}

export async function openEngine(options: EngineSettings & { clock: Clock }): Promise<Engine> {
  const instance = await DuckDBInstance.create(":memory:", configuration(options));
  const first = await instance.connect();
  try {
    for (const statement of [...options.before, ...locks(options.readable)]) await first.run(statement);
  } catch (cause) {
    first.closeSync();
    instance.closeSync();
    throw engineError(cause);
  }
  const version = String((await first.runAndReadAll("SELECT version()")).getRows()[0]?.[0]);
  const idle: Lane[] = [{ connection: first, prepared: new Map() }];
  const lanes = new Set<Lane>(idle);
  const sessions = new Set<Session>();
  const connecting = new Set<Promise<unknown>>();
  let stopping = false;

  const connect = async (): Promise<Lane> => {
    const lane = { connection: await instance.connect(), prepared: new Map() };
    lanes.add(lane);
    return lane;
  };
  const take = async (): Promise<Lane> => {
    const ready = idle.pop();
    if (ready) return ready;
    const made = connect();
    connecting.add(made);
    return made.finally(() => connecting.delete(made));
  };
  return {
    version,
    session: async (signal) => {
      if (stopping) throw stopped();
      const lane = await take();
      if (stopping) throw stopped();
      const session = createSession(lane, signal, options.clock, () => {
        sessions.delete(session);
        idle.push(lane);
      });
      sessions.add(session);
      return session;
    },
    stop: async () => {
      stopping = true;
      await Promise.allSettled([...connecting, ...[...sessions].map((session) => session.release())]);
      for (const { connection, prepared } of lanes) {
        for (const statement of prepared.values()) statement.destroySync();
        connection.closeSync();
      }
      instance.closeSync();
    },
  };
}

const stopped = () => new EngineError("INTERRUPT", "the service is stopping");

/** One call at a time on a connection, interrupted when the signal aborts. */
function createCalls({ connection }: Lane, signal: AbortSignal, clock: Clock) {
  let busy: Promise<unknown> | undefined;
  let ended = false;
  const quiet = async (): Promise<void> => {
    while (busy) {
      connection.interrupt();
      await Promise.race([busy.catch(() => {}), clock.sleep(interruptEveryMs)]);
    }
  };
  const onAbort = () => void quiet();
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    call: async <T>(work: () => Promise<T>): Promise<T> => {
      if (signal.aborted || ended) throw stopped();
      const running = work();
      busy = running;
      try {
        return await running;
      } catch (cause) {
        throw engineError(cause);
      } finally {
        busy = undefined;
      }
    },
    /** Interrupts what runs and waits for it; nothing runs afterwards. */
    end: (): Promise<void> => {
      ended = true;
      signal.removeEventListener("abort", onAbort);
      return quiet();
    },
  };
}

function createSession(lane: Lane, signal: AbortSignal, clock: Clock, giveBack: () => void): Session {
  const { connection } = lane;
  const { call, end } = createCalls(lane, signal, clock);
  let streaming: DuckDBResult | undefined;
  let released: Promise<void> | undefined;

  const prepare = async (sql: string): Promise<DuckDBPreparedStatement> => {
    const known = lane.prepared.get(sql);
    if (known) lane.prepared.delete(sql);
    const statement = known ?? (await call(() => connection.prepare(sql)));
    lane.prepared.set(sql, statement);
    return statement;
  };
  const drop = async (): Promise<void> => {
    await end();
    // A stream that was not read to its end still holds threads and memory: the interrupt ends it.
    if (streaming) await drain(connection, streaming, clock);
    trim(lane.prepared);
    giveBack();
  };
  return {
    open: async (sql, bind) => {
      const statement = await prepare(sql);
      bindAll(statement, bind);
      if (statement.statementType !== StatementType.SELECT)
        throw new EngineError("Permission", "not a SELECT");
      const result = await call(() => statement.stream());
      streaming = result;
      const onEnd = () => {
        streaming = undefined;
      };
      return createCursor(result, () => call(() => result.fetchChunk()), onEnd);
    },
    execute: async (sql) => {
      await call(() => connection.run(sql));
    },
    bind: async (sql) => {
      const statement = await call(() => connection.prepare(sql));
      statement.destroySync();
    },
    rows: async (sql, bind = () => []) => {
      const statement = await prepare(sql);
      bindAll(statement, bind);
      const reader = await call(() => statement.runAndReadAll());
      return reader.getRows().map((row) => row.map(String));
    },
    release: () => {
      released ??= drop();
      return released;
    },
  };
}

/** Forgets the statements used longest ago; done between queries, because one of them may be running. */
function trim(prepared: Map<string, DuckDBPreparedStatement>): void {
  for (const [sql, statement] of prepared) {
    if (prepared.size <= preparedMax) return;
    prepared.delete(sql);
    statement.destroySync();
  }
}

/** Reads what is left of a stream while interrupting it, so that DuckDB lets go of it. */
async function drain(connection: DuckDBConnection, result: DuckDBResult, clock: Clock): Promise<void> {
  for (let over = false; !over; ) {
    const fetched = result.fetchChunk().then(
      (chunk) => !chunk?.rowCount,
      () => true, // Interrupted: it holds nothing any more.
    );
    let settled = false;
    const watched = fetched.then((value) => {
      settled = true;
      over = value;
    });
    while (!settled) {
      connection.interrupt();
      await Promise.race([watched, clock.sleep(interruptEveryMs)]);
    }
  }
}

function bindAll(statement: DuckDBPreparedStatement, bind: Bind): void {
  const names = Array.from({ length: statement.parameterCount }, (_, at) => statement.parameterName(at + 1));
  const parameters = bind(names);
  statement.clearBindings();
  parameters.forEach((parameter, at) => {
    statement.bindValue(at + 1, toValue(parameter.value, parameter.type), toType(parameter.type));
  });
}

function toType(type: ParameterType): DuckDBType {
  if (typeof type === "object") return LIST(toType(type.list));
  return { null: SQLNULL, boolean: BOOLEAN, integer: BIGINT, double: DOUBLE, text: VARCHAR }[type];
}

function toValue(value: ParameterValue, type: ParameterType): DuckDBValue {
  if (value === null) return null;
  if (typeof type === "object")
    return listValue((value as readonly ParameterValue[]).map((item) => toValue(item, type.list)));
  return type === "integer" ? BigInt(value as number) : (value as string | number | boolean);
}

/** The last column of a marked statement is NULL on every row and true on the one row that ends it. */
function createCursor(
  result: DuckDBResult,
  fetch: () => Promise<Awaited<ReturnType<DuckDBResult["fetchChunk"]>>>,
  onEnd: () => void,
): Cursor {
  const columns = result
    .columnNames()
    .slice(0, -1)
    .map((name, at) => ({ name, type: columnTypeOf(result.columnLogicalType(at).logical_type) }));
  const types = columns.map((column) => column.type);
  let chunks = 0;
  let complete = false;

  const next = async (): Promise<Batch | null> => {
    const chunk = await fetch();
    if (!chunk?.rowCount) {
      onEnd();
      if (complete) return null;
      throw new CutShortError("the rows ended before their end marker");
    }
    if (complete) throw new CutShortError("rows came after the end marker");
    if (++chunks % chunksPerCollection === 0) Bun.gc(false);
    const { batch, marked } = batchOf(chunk.chunk, types);
    complete = marked;
    return batch.rows === 0 ? next() : batch;
  };
  return { columns, next };
}
