/** An ingest's session with DuckDB: statements in a child process that it has leased, one after the other. */

import type { Lease } from "../../../runtime/child/child.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Described, EngineRow, IngestEngine, OpenRequest, Refusal } from "./child.ts";

export interface Session {
  /** Runs one statement; integers of 64 bits and more come as text. Rejects with `EngineError`. */
  run: (sql: string) => Promise<EngineRow[]>;
  /** The columns that a query gives. */
  describe: (query: string) => Promise<Described[]>;
  /** Share of the running statement that is done, 0 to 1, where DuckDB knows it. */
  progress: () => number | undefined;
  close: () => void;
}

/** DuckDB refused or failed; what that means for the caller depends on the statement. */
export class EngineError extends Error {
  override name = "EngineError";
}

/** True when the memory of the session did not suffice: another one may have more. */
export const isExhausted = (error: unknown): boolean =>
  error instanceof ServiceError && error.type === "resource_exhausted";

/** A statement may take as long as the ingest that it belongs to: its signal alone ends it. */
const statementTimeoutMs = 2 ** 31 - 1;
/** How often the progress of a measured statement is asked for. */
const progressEveryMs = 200;

/** Opens a session in a child process that was leased for it, and is given back when the session ends. */
export async function openSession(
  lease: Lease<IngestEngine>,
  request: OpenRequest,
  signal: AbortSignal,
): Promise<Session> {
  const options = { signal, timeoutMs: statementTimeoutMs };
  let share: number | undefined;
  const answered = async <T extends object>(work: Promise<T | Refusal>): Promise<T> => {
    const answer = await work.catch((error) => {
      signal.throwIfAborted();
      throw error;
    });
    if (!("refused" in answer)) return answer as T;
    const { refused, broken } = answer as Refusal;
    signal.throwIfAborted();
    if (!broken) throw new EngineError(refused);
    const why = fail("engine_crashed", "DuckDB met a fault of its own while it worked on the file", {
      cause: new EngineError(refused),
    });
    lease.kill(why);
    throw why;
  };
  const measured = async <T>(work: Promise<T>): Promise<T> => {
    if (!request.measured) return work;
    const ask = () =>
      lease.verbs.progress({}).then(
        (answer) => {
          share = answer.share;
        },
        () => undefined, // Its statement reports what became of it.
      );
    const timer = setInterval(ask, progressEveryMs);
    return work.finally(() => {
      clearInterval(timer);
      share = undefined;
    });
  };
  try {
    await answered(lease.verbs.open(request, options).then(() => ({})));
  } catch (error) {
    lease.release();
    throw error;
  }
  return {
    run: async (sql) =>
      (await measured(answered<{ rows: EngineRow[] }>(lease.verbs.run({ sql }, options)))).rows,
    describe: async (query) =>
      (await answered<{ columns: Described[] }>(lease.verbs.describe({ query }, options))).columns,
    progress: () => share,
    close: lease.release,
  };
}
