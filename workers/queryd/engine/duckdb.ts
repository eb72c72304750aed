/** DuckDB, the only file here that knows it: one instance, and a session for each query on a connection of a pool. */
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBMaterializedResult,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  LIST,
  listValue,
  SQLNULL,
  StatementType,
  VARCHAR,
} from "@duckdb/node-api";
import { LRUCache } from "lru-cache";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { CutShortError, EngineError } from "../errors/errors.ts";
import type { Parameter, ParameterType, ParameterValue } from "../statements/statements.ts";
import type { Batch, Column } from "../values/values.ts";
import type { Described } from "./child.ts";
import { createCalls, drain } from "./interrupts.ts";
import { batchOf, columnTypeOf, markedBatch } from "./memory.ts";
import { bounds, configuration, type EngineSettings, locks } from "./settings.ts";

/** Gives the values for a statement's parameters by their names; throws when they do not fit. */
type Bind = (names: readonly string[]) => Parameter[];

/** The rows of a running query. */
export interface Cursor {
  columns: readonly Column[];
  /** The next rows, null after the last; rejects with `CutShortError` when the rows ended before their end. */
  next: () => Promise<Batch | null>;
}

/** One connection, held by one query. Its calls reject with `EngineError`. */
export interface Session {
  /** Runs a marked statement (see `markedStatement`) and streams its rows. */
  open: (sql: string, bind: Bind) => Promise<Cursor>;
  /** Runs an unmarked statement that gives few rows, to its end; says how many they are. */
  openBuffered: (sql: string, bind: Bind) => Promise<Cursor & { rows: number }>;
  /** Runs one of the service's own statements. */
  execute: (sql: string) => Promise<void>;
  /** Binds a statement of the service's own without running it. */
  bind: (sql: string) => Promise<void>;
  /** The types of a marked statement's parameters and its columns, without running it. */
  describe: (sql: string) => Promise<Described>;
  /** Runs to the end; few rows, as text. */
  rows: (sql: string, bind?: Bind) => Promise<string[][]>;
  /** Waits until DuckDB has let go of the query, then gives the connection back. */
  release: () => Promise<void>;
}

/** It ends with its process. */
export interface Engine {
  /** A session whose calls are interrupted when the signal aborts. */
  session: (signal: AbortSignal) => Promise<Session>;
  /** Bounds memory and temporary files anew; what is in use cannot be taken away. */
  limit: (memoryBytes: number, tempBytes: number) => Promise<void>;
}

/**
 * Prepared statements kept on each connection; each may hold a file open. A session runs a few, one after the other, so
 * that the one that runs is never among those used longest ago.
 */
const preparedMax = 16;
/** Chunks are freed by the garbage collector, which does not see their native memory: it runs after so many of them. */
const chunksPerCollection = 256;

interface PooledConnection {
  connection: DuckDBConnection;
  /** How many times definitions had changed when its statements were prepared. */
  preparedAt: number;
  prepared: LRUCache<string, DuckDBPreparedStatement>;
}

const pooled = (connection: DuckDBConnection): PooledConnection => ({
  connection,
  preparedAt: 0,
  prepared: new LRUCache({ max: preparedMax, dispose: (statement) => statement.destroySync() }),
});

export async function openEngine(options: EngineSettings & { clock: Clock }): Promise<Engine> {
  const instance = await DuckDBInstance.create(":memory:", configuration(options));
  const first = await instance.connect();
  for (const statement of locks(options.readable)) await first.run(statement);
  /** Settings change beside what runs. */
  const control = await instance.connect();
  const idle = [pooled(first)];
  let changes = 0;
  return {
    session: async (signal) => {
      const connection = idle.pop() ?? pooled(await instance.connect());
      // DuckDB binds a prepared statement again when a table that it reads has changed, not when a view or a macro has.
      if (connection.preparedAt !== changes) connection.prepared.clear();
      connection.preparedAt = changes;
      const changed = () => {
        changes += 1;
      };
      return createSession(connection, { signal, clock: options.clock, changed }, () =>
        idle.push(connection),
      );
    },
    limit: async (memoryBytes, tempBytes) => {
      for (const statement of bounds(memoryBytes, tempBytes))
        await control.run(statement).catch(() => undefined);
    },
  };
}

function createSession(
  { connection, prepared }: PooledConnection,
  { signal, clock, changed }: { signal: AbortSignal; clock: Clock; changed: () => void },
  giveBack: () => void,
): Session {
  const { call, end } = createCalls(connection, signal, clock);
  let streaming: DuckDBResult | undefined;
  let released: Promise<void> | undefined;

  const prepare = async (sql: string): Promise<DuckDBPreparedStatement> => {
    const known = prepared.get(sql);
    if (known) return known;
    const statement = await call(() => connection.prepare(sql));
    prepared.set(sql, statement);
    return statement;
  };
  const reading = async (sql: string, bind: Bind): Promise<DuckDBPreparedStatement> => {
    const statement = await prepare(sql);
    bindAll(statement, bind);
    if (statement.statementType === StatementType.SELECT) return statement;
    throw new EngineError("Permission", "not a SELECT");
  };
  const drop = async (): Promise<void> => {
    await end();
    // A stream that was not read to its end still holds threads and memory: the interrupt ends it.
    if (streaming) await drain(connection, streaming, clock);
    giveBack();
  };
  return {
    open: async (sql, bind) => {
      const statement = await reading(sql, bind);
      const result = await call(() => statement.stream());
      streaming = result;
      const onEnd = () => {
        streaming = undefined;
      };
      return streamCursor(result, () => call(() => result.fetchChunk()), onEnd);
    },
    openBuffered: async (sql, bind) => {
      const statement = await reading(sql, bind);
      const result = await call(() => statement.run());
      return bufferedCursor(result);
    },
    execute: async (sql) => {
      await call(() => connection.run(sql)).finally(changed);
    },
    bind: async (sql) => {
      const statement = await call(() => connection.prepare(sql));
      statement.destroySync();
    },
    describe: async (sql) => describedBy(await prepare(sql)),
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

/** The last column of a marked statement is its end marker. */
function describedBy(statement: DuckDBPreparedStatement): Described {
  const names = Array.from({ length: statement.parameterCount }, (_, at) => statement.parameterName(at + 1));
  const parameters = names.flatMap((name, at): [string, string][] =>
    openTypes.has(statement.parameterTypeId(at + 1)) ? [] : [[name, String(statement.parameterType(at + 1))]],
  );
  const ids = Array.from({ length: statement.columnCount }, (_, at) => statement.columnTypeId(at));
  if (ids.includes(DuckDBTypeId.INVALID))
    return { parameters: Object.fromEntries(parameters), columns: [], open: true };
  const columns = ids.slice(0, -1).map((_, at) => ({
    name: statement.columnName(at),
    type: String(statement.columnType(at)),
  }));
  return { parameters: Object.fromEntries(parameters), columns };
}

/** What DuckDB has for a parameter of which nothing says what it must be. */
const openTypes: ReadonlySet<number> = new Set([
  DuckDBTypeId.INVALID,
  DuckDBTypeId.ANY,
  DuckDBTypeId.SQLNULL,
]);

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

type Fetch = () => Promise<Awaited<ReturnType<DuckDBResult["fetchChunk"]>>>;

const columnsOf = (result: DuckDBResult, names: readonly string[]): Column[] =>
  names.map((name, at) => ({ name, type: columnTypeOf(result.columnLogicalType(at).logical_type) }));

/** The last column of a marked statement is NULL on every row and true on the one row that ends it. */
function streamCursor(result: DuckDBResult, fetch: Fetch, onEnd: () => void): Cursor {
  const columns = columnsOf(result, result.columnNames().slice(0, -1));
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
    const { batch, marked } = markedBatch(chunk.chunk, types);
    complete = marked;
    return batch.rows === 0 ? next() : batch;
  };
  return { columns, next };
}

function bufferedCursor(result: DuckDBMaterializedResult): Cursor & { rows: number } {
  const columns = columnsOf(result, result.columnNames());
  const types = columns.map((column) => column.type);
  const { chunkCount, rowCount } = result;
  let at = 0;
  // They are in memory: no thread has to be asked for them.
  const next = async (): Promise<Batch | null> =>
    at === chunkCount ? null : batchOf(result.getChunk(at++).chunk, types);
  return { columns, next, rows: rowCount };
}
