/** Objects of a version as queryd reads them: by the same SQL, in the same sandbox, in its own child processes. */
import { open } from "node:fs/promises";
import { peerError } from "../../../runtime/errors/errors.ts";
import type { IngestDeps } from "../jobs/jobs.ts";

export interface Reading {
  deps: Pick<IngestDeps, "peers" | "config">;
  requestId: string;
  signal: AbortSignal;
}

/** A statement that names a version as `jobs@3`, of which these objects alone are read. */
interface Statement {
  sql: string;
  version?: string;
  keys?: readonly string[];
  /** Also what a table of format 3 tells rows apart by. */
  rowIds?: boolean;
}

/** A few rows that the statement gives; numbers of 64 bits and decimals are texts, so that no digit is lost. */
export async function askRows(reading: Reading, sql: string): Promise<Record<string, unknown>[]> {
  const response = await ask(reading, { sql }, "application/json", "?numbers=string");
  return (await response.json()) as Record<string, unknown>[];
}

/** The one row that the statement gives. */
export async function readRow(reading: Reading, statement: Statement): Promise<Record<string, unknown>> {
  const response = await ask(reading, statement, "application/json");
  const [row] = (await response.json()) as Record<string, unknown>[];
  if (!row) throw new Error("a count gave no row");
  return row;
}

/** The rows that the statement gives, as a Parquet file at this path. */
export async function readRows(reading: Reading, statement: Statement, path: string): Promise<void> {
  const { body } = await ask(reading, statement, "application/vnd.apache.parquet");
  const handle = await open(path, "wx");
  try {
    for await (const chunk of body ?? []) {
      reading.signal.throwIfAborted();
      await handle.writeFile(chunk);
    }
  } finally {
    await handle.close();
  }
}

async function ask(
  { deps, requestId, signal }: Reading,
  { sql, version, keys, rowIds }: Statement,
  accept: string,
  query = "",
): Promise<Response> {
  const response = await deps.peers.queryd.fetch(`/sql${query}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept, "x-request-id": requestId },
    body: JSON.stringify({
      sql,
      ...(version !== undefined && { objects: { [version]: keys } }),
      ...(rowIds === true && { row_ids: true }),
      timeout_ms: deps.config.queryd.max_timeout_ms,
    }),
    signal,
  });
  if (!response.ok) throw await peerError("queryd", response);
  return response;
}
