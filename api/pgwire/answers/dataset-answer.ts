/** Rows of datasets: queryd runs the statement as it runs those of every door, and writes the messages itself. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import { type ErrorType, errorStatus, fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { inTrace, traceOf } from "../../../runtime/trace-context/trace-context.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import type { Nested } from "../parameters/parameters.ts";
import type { CopyOptions } from "../statements/statements.ts";
import { type Answer, answerOf } from "./messages.ts";

export interface DatasetQuestion {
  sql: string;
  parameters: readonly Nested[];
  formats: readonly number[];
  copy?: CopyOptions;
  /** The deadline that the client has set; queryd's own where it is absent. */
  timeoutMs?: number | undefined;
  signal: AbortSignal;
}

const mediaType = "application/vnd.lakehouse.postgres";

/** Begins the answer. Rejects as queryd refuses. */
export async function datasetAnswer(queryd: Peer<Queryd>, question: DatasetQuestion): Promise<Answer> {
  const { sql, parameters, formats, copy, timeoutMs, signal } = question;
  const ask = (init: RequestInit) => inTrace(traceIn(sql), () => queryd.fetch("/sql", init));
  const response = await ask({
    method: "POST",
    headers: { accept: mediaType, "content-type": "application/json" },
    body: JSON.stringify({
      sql,
      ...(parameters.length > 0 && { params: parameters }),
      ...(timeoutMs !== undefined && { timeout_ms: timeoutMs }),
      postgres: { formats, ...(copy && { copy }) },
    }),
    signal,
  });
  if (!response.ok) throw failureIn(await response.text());
  if (!response.body) throw fail("internal", "queryd answered without a body");
  return answerOf(chunksOf(response.body));
}

/** The caller's trace, as sqlcommenter writes it behind a statement: the protocol has no headers. */
const traceIn = (sql: string) =>
  traceOf(/\/\*.*?\btraceparent='([\da-f-]{55})'.*?\*\/\s*;?\s*$/s.exec(sql)?.[1]);

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) if (chunk.length > 0) yield chunk;
}

/** The error of an HTTP answer. */
function failureIn(text: string): ServiceError {
  try {
    const { type, message, details } = (
      JSON.parse(text) as { error: { type: string; message: string; details?: unknown } }
    ).error;
    if (Object.hasOwn(errorStatus, type)) return fail(type as ErrorType, message, { details });
  } catch {
    // What is no error of ours is one that nobody expected.
  }
  return fail("internal", "internal error");
}

export interface Described {
  parameters: Record<string, string>;
  columns: { name: string; type: string }[];
  /** The columns depend on parameters that have no type yet. */
  open?: boolean;
}

/** What the statement would answer with. */
export const describeDatasets = (
  queryd: Peer<Queryd>,
  sql: string,
  signal: AbortSignal,
): Promise<Described> => queryd.verbs.describe({ sql }, { signal });
