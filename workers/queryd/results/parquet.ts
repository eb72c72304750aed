/** Parquet: DuckDB writes the whole file first, so that it is complete or an error; then it is sent. */

import { type FileHandle, stat } from "node:fs/promises";
import { discard, opened } from "../../../runtime/durable/durable.ts";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Compiled, GivenParameters } from "../statements/statements.ts";
import { type Column, type ColumnType, findType } from "../values/values.ts";
import { streamOf } from "./stream.ts";

export const parquetType = "application/vnd.apache.parquet";

export interface ParquetFile {
  bytes: number;
  /** The file, read as the stream is; it is gone from the disk already. `end` is called once. */
  stream: (signal: AbortSignal, end: (failure?: unknown) => void) => ReadableStream<Uint8Array>;
}

interface ParquetOptions {
  session: { rows: (sql: string, params?: GivenParameters) => Promise<unknown> };
  /** From `copyStatement`, to the same path. */
  sql: string;
  path: string;
  params: GivenParameters | undefined;
  bytesMax: number;
  clock: Clock;
  stop: (reason: ServiceError) => void;
}

/** How often the size of a growing file is looked at, in milliseconds. */
const watchEveryMs = 100;

/** Runs the statement into a file. Rejects with `resource_exhausted` when the file outgrows its bound. */
export async function writeParquet(options: ParquetOptions): Promise<ParquetFile> {
  const { session, sql, path, params } = options;
  const watching = new AbortController();
  void watchSize(path, options, watching.signal);
  try {
    await session.rows(sql, params);
    return await opened(path, "r", async (handle) => {
      const { size } = await handle.stat();
      return { bytes: size, stream: (signal, end) => fileStream(handle, signal, end) };
    });
  } finally {
    watching.abort();
    await discard(path);
  }
}

async function watchSize(
  path: string,
  { clock, bytesMax, stop }: ParquetOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > bytesMax && !signal.aborted) {
      stop(
        fail(
          "resource_exhausted",
          `the Parquet result has more than ${bytesMax} bytes, all the disk a query may use`,
        ),
      );
      return;
    }
    await clock.sleep(watchEveryMs, signal).catch(() => {});
  }
}

/** The statement that writes the rows of another to a file. */
export function copyStatement(inner: Compiled, columns: readonly Column[], path: string): Compiled {
  const head = `COPY (SELECT ${exact(columns)} FROM (`;
  return {
    sql: `${head}${inner.sql})) TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd)`,
    prefixBytes: Buffer.byteLength(head) + inner.prefixBytes,
  };
}

/**
 * Types of which DuckDB's Parquet keeps only a part: a double for 128-bit integers, milliseconds for intervals, no
 * offset for times. As a DECIMAL(38,0), which fails when it is too small, or as text nothing is lost.
 */
const stored: Partial<Record<ColumnType["kind"], string>> = {
  hugeint: "DECIMAL(38,0)",
  uhugeint: "DECIMAL(38,0)",
  interval: "VARCHAR",
  time_tz: "VARCHAR",
};

/** `row(1, 'x')`: fields of Parquet need names. */
const isRow = (type: ColumnType): boolean =>
  type.kind === "struct" && type.fields.every(({ name }) => name === "");

const exact = (columns: readonly Column[]): string =>
  columns
    .map(({ name, type }) =>
      findType(type, (inside) => stored[inside.kind] !== undefined || isRow(inside))
        ? `CAST(${quoteName(name)} AS ${storedType(type)}) AS ${quoteName(name)}`
        : quoteName(name),
    )
    .join(", ");

function storedType(type: ColumnType): string {
  const fields = (list: readonly { name: string; type: ColumnType }[]) =>
    list
      .map((field, at) => `${quoteName(field.name || String(at + 1))} ${storedType(field.type)}`)
      .join(", ");
  switch (type.kind) {
    case "list":
      return `${storedType(type.item)}[]`;
    case "array":
      return `${storedType(type.item)}[${type.length}]`;
    case "map":
      return `MAP(${storedType(type.key)}, ${storedType(type.value)})`;
    case "struct":
      return `STRUCT(${fields(type.fields)})`;
    case "union":
      return `UNION(${fields(type.fields)})`;
    default:
      return stored[type.kind] ?? type.name;
  }
}

const pieceBytes = 256 * 1024;

/** The file as a stream; it is closed before `end` is called. */
function fileStream(
  handle: FileHandle,
  signal: AbortSignal,
  end: (failure?: unknown) => void,
): ReadableStream<Uint8Array> {
  const read = async () => {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(pieceBytes));
    return { bytes: buffer.subarray(0, bytesRead), done: bytesRead === 0 };
  };
  return streamOf(read, signal, (failure) => void handle.close().finally(() => end(failure)));
}
