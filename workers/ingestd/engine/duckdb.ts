/** DuckDB, the only file of ingestd that knows it: one instance, and the connection of the ingest that has the process. */
import {
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
} from "@duckdb/node-api";
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { storageErrorInWords } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Described, EngineRow, IngestEngine, Refusal, Shape } from "./child.ts";

/** An interrupt that comes before the statement has begun is lost: it is repeated until the statement has returned. */
const interruptEveryMs = 20;

/** Opens DuckDB, with a folder of its own for what does not fit into memory. */
export async function openDuckDb(directory: string): Promise<VerbsOf<IngestEngine>> {
  const instance = await DuckDBInstance.create(":memory:", {
    temp_directory: directory,
    // Rows stay in the order of the file, and the same file gives the same bytes (ADR 0032).
    preserve_insertion_order: "true",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
  /** Settings change beside a statement that runs. */
  const control = await instance.connect();
  // Instants are written as text by it: the machine's zone must not change what a file means.
  await control.run("SET GLOBAL TimeZone = 'UTC'");
  let connection = await instance.connect();
  const useThreads = whenOther((count: number) =>
    control.run(count > 0 ? `SET GLOBAL threads = ${count}` : "RESET GLOBAL threads"),
  );
  const limit = whenOther((bytes: number) => control.run(`SET GLOBAL memory_limit = '${bytes}B'`));
  const guarded = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | Refusal> =>
    interruptible(connection, signal, work).catch(refusal);

  return {
    open: async ({ threads, memoryBytes, measured }) => {
      connection.closeSync();
      connection = await instance.connect();
      await useThreads(threads);
      await limit(memoryBytes);
      if (measured) await connection.run("SET enable_progress_bar = true");
      if (measured) await connection.run("SET enable_progress_bar_print = false");
      return null;
    },
    run: ({ sql }, { signal }) =>
      guarded(signal, async () => ({
        rows: (await connection.runAndReadAll(sql)).getRowObjectsJson() as EngineRow[],
      })),
    describe: ({ query }, { signal }) =>
      guarded(signal, async () => ({ columns: await describe(connection, query) })),
    progress: async () => {
      const { percentage } = connection.progress;
      return percentage >= 0 ? { share: Math.min(1, percentage / 100) } : {};
    },
    limit: async ({ memoryBytes }) => {
      // What is in use cannot be taken away: the pool's own bound holds for that.
      await limit(memoryBytes).catch(() => undefined);
      return null;
    },
  };
}

/**
 * Sets what is other than before. When DuckDB's threads or its bound are set, even to what they are, it gives the
 * memory that it keeps for reuse back to the system, and the next statement has to ask for each page of it again.
 */
function whenOther<T>(set: (value: T) => Promise<unknown>): (value: T) => Promise<void> {
  let current: T | undefined;
  return async (value) => {
    if (value === current) return;
    current = value;
    try {
      await set(value);
    } catch (error) {
      current = undefined;
      throw error;
    }
  };
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
  } finally {
    signal.removeEventListener("abort", interrupt);
    clearInterval(timer);
  }
}

/** DuckDB tells causes apart by text alone. Rejects where the machine failed and not the data. */
function refusal(cause: unknown): Refusal {
  const message = cause instanceof Error ? cause.message : String(cause);
  // Its temporary files are bounded by the room that the disk has, and by nothing else.
  if (/max_temp_directory_size|failed to offload data block/.test(message))
    throw fail(
      "storage_full",
      "the disk is full: nothing was registered; free space on it, or raise ingestd.memory_limit",
      { cause },
    );
  if (/^Out of Memory Error/.test(message)) {
    const advice = "raise ingestd.memory_limit, or lower ingestd.row_group_rows";
    throw fail("resource_exhausted", `the file needs more memory than ingestd may use: ${advice}`, { cause });
  }
  const full = storageErrorInWords(message, "keep the file while it is read", cause);
  if (full) throw full;
  return { refused: message, broken: /^(INTERNAL|FATAL) Error/.test(message) };
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
