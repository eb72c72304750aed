/** DuckDB, the only file here that knows it: one instance, one connection a session. */
import { mkdir } from "node:fs/promises";
import {
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
} from "@duckdb/node-api";
import { fail, ServiceError } from "../../runtime/errors.ts";
import { storageErrorInWords } from "../../runtime/files.ts";

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type EngineRow = Record<string, Value>;

/** A type with its parts: `child` of a list, `fields` of a struct, `key` and `child` of a map. */
export interface Shape {
  fields?: { name: string; shape: Shape }[];
  key?: Shape;
  child?: Shape;
}

export interface Described {
  name: string;
  /** As DuckDB writes it, such as DECIMAL(18,2). */
  type: string;
  shape: Shape;
}

export interface Session {
  /** Runs one statement; integers of 64 bits and more come as text. Rejects with `EngineError`. */
  run: (sql: string) => Promise<EngineRow[]>;
  /** The columns that a query gives. */
  describe: (query: string) => Promise<Described[]>;
  /** Share of the running statement that is done, 0 to 1, where DuckDB knows it. */
  progress: () => number | undefined;
  close: () => void;
}

export interface SessionOptions {
  /** Whether statements tell their progress, which costs them a fortieth of their time. */
  measured?: boolean;
}

export interface Engine {
  /** A session whose statements are interrupted when the signal aborts. */
  open: (signal: AbortSignal, options?: SessionOptions) => Promise<Session>;
  /** Interrupts every statement, waits until all have returned, and closes DuckDB: the thread may end then. */
  stop: () => Promise<void>;
}

/** DuckDB refused or failed; what that means for the caller depends on the statement. */
export class EngineError extends Error {
  override name = "EngineError";
}

/** True when the memory of the session did not suffice: another one may have more. */
export const isExhausted = (error: unknown): boolean =>
  error instanceof ServiceError && error.type === "resource_exhausted";

/** DuckDB found a mistake of its own. */
class BrokenEngine extends Error {
  override name = "BrokenEngine";
}

export interface EngineOptions {
  /** 0: one a core. */
  threads: number;
  memoryBytes: number;
  /** Of its own: for what does not fit into memory. */
  directory: string;
}

/** An interrupt that comes before the statement has begun is lost: it is repeated until the statement has returned. */
const interruptEveryMs = 20;

export async function openEngine(options: EngineOptions): Promise<Engine> {
  let instance = await create(options);
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();
  /** Nothing native may be in flight when the thread ends: every call is waited for by `stop`. */
  const tracked = <T>(work: Promise<T>): Promise<T> => {
    const kept = work.catch(() => undefined).finally(() => running.delete(kept));
    running.add(kept);
    return work;
  };
  const connect = async ({ measured = false }: SessionOptions) => {
    const connection = await instance.connect();
    if (measured) await connection.run("SET enable_progress_bar = true");
    if (measured) await connection.run("SET enable_progress_bar_print = false");
    return connection;
  };
  /** After an error inside DuckDB itself its instance takes no more statements; another one does. */
  const replaceBroken = async (error: unknown, broken: DuckDBInstance) => {
    if (!(error instanceof BrokenEngine) || stopping.signal.aborted || instance !== broken) return;
    instance = await create(options);
  };

  return {
    open: async (signal, options = {}) => {
      stopping.signal.throwIfAborted();
      const own = instance;
      const connection = await tracked(connect(options));
      const ended = AbortSignal.any([signal, stopping.signal]);
      const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
        try {
          return await tracked(interruptible(connection, ended, work));
        } catch (error) {
          await tracked(replaceBroken(error, own));
          throw error;
        }
      };
      return {
        run: (sql) =>
          guarded(async () => (await connection.runAndReadAll(sql)).getRowObjectsJson() as EngineRow[]),
        describe: (query) => guarded(() => describe(connection, query)),
        progress: () => share(connection),
        close: () => connection.closeSync(),
      };
    },
    stop: async () => {
      stopping.abort(fail("unavailable", "ingestd is stopping", { retryAfterSeconds: 1 }));
      while (running.size > 0) await Promise.all(running);
      instance.closeSync();
      // Native results belong to the collector; those that it has not seen when the thread ends are never freed.
      Bun.gc(true);
    },
  };
}

async function create({ threads, memoryBytes, directory }: EngineOptions): Promise<DuckDBInstance> {
  await mkdir(directory, { recursive: true });
  return DuckDBInstance.create(":memory:", {
    ...(threads > 0 && { threads: String(threads) }),
    memory_limit: `${memoryBytes}B`,
    temp_directory: directory,
    // Rows stay in the order of the file, and the same file gives the same bytes (ADR 0032).
    preserve_insertion_order: "true",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
}

async function interruptible<T>(
  connection: DuckDBConnection,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  let timer: ReturnType<typeof setInterval> | undefined;
  const interrupt = () => {
    connection.interrupt();
    timer ??= setInterval(() => connection.interrupt(), interruptEveryMs);
  };
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    return await work();
  } catch (cause) {
    signal.throwIfAborted();
    throw translate(cause);
  } finally {
    signal.removeEventListener("abort", interrupt);
    clearInterval(timer);
  }
}

const share = (connection: DuckDBConnection): number | undefined => {
  const { percentage } = connection.progress;
  return percentage >= 0 ? Math.min(1, percentage / 100) : undefined;
};

/** DuckDB tells causes apart by text alone; these are the machine's, not the data's. */
function translate(cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  // Its temporary files are bounded by the room that the disk has, and by nothing else.
  if (/max_temp_directory_size|failed to offload data block/.test(message))
    return fail(
      "storage_full",
      "the disk is full: nothing was registered; free space on it, or raise ingestd.memory_limit",
      { cause },
    );
  if (/^Out of Memory Error/.test(message)) {
    const advice = "raise ingestd.memory_limit, or lower ingestd.row_group_rows";
    return fail("resource_exhausted", `the file needs more memory than ingestd may use: ${advice}`, {
      cause,
    });
  }
  const full = storageErrorInWords(message, "keep the file while it is read", cause);
  if (full) return full;
  if (/^(INTERNAL|FATAL) Error/.test(message)) return new BrokenEngine(message, { cause });
  return new EngineError(message, { cause });
}

async function describe(connection: DuckDBConnection, query: string): Promise<Described[]> {
  const described = (await connection.runAndReadAll(`DESCRIBE ${query}`)).getRowObjectsJson();
  const prepared = await connection.prepare(query);
  const columns = described.map(({ column_name: name, column_type: type }, index) => ({
    name: String(name),
    type: String(type),
    shape: shapeOf(prepared.columnType(index)),
  }));
  prepared.destroySync();
  return columns;
}

function shapeOf(type: DuckDBType): Shape {
  if (type instanceof DuckDBListType) return { child: shapeOf(type.valueType) };
  if (type instanceof DuckDBMapType) return { key: shapeOf(type.keyType), child: shapeOf(type.valueType) };
  if (!(type instanceof DuckDBStructType)) return {};
  return {
    fields: type.entryNames.map((name, index) => ({ name, shape: shapeOf(type.entryTypes[index] ?? type) })),
  };
}
