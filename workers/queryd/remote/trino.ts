/**
 * Trino's client protocol (https://trino.io/docs/current/develop/client-protocol.html), which Kyuubi speaks as
 * well: a statement is posted, and its pages follow one another by `nextUri`.
 */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { fetchUpstream, quoted, retryAfterMs, rootOf, textOf } from "../../../runtime/upstream/upstream.ts";
import type { RemoteColumn, TypeSignature } from "./column-types.ts";
import type { RemoteEngine } from "./engines.ts";

export interface Page {
  columns: readonly RemoteColumn[];
  rows: readonly (readonly unknown[])[];
}

interface Answer {
  nextUri?: string;
  columns?: readonly { name: string; type: string; typeSignature?: TypeSignature }[];
  data?: readonly (readonly unknown[])[];
  error?: {
    message?: string;
    errorName?: string;
    errorType?: string;
    errorLocation?: { lineNumber: number; columnNumber: number };
  };
}

/** A page is 16 MB by Trino's own bound; a row is never split. */
const pageBytesMax = 512 * 1024 * 1024;
/** The protocol asks to try again after these. */
const passing = new Set([429, 502, 503, 504]);
const firstWaitMs = 50;
const longestWaitMs = 5000;
/** Time for others to see that nobody reads on, in milliseconds. */
const cancelMs = 5000;

/**
 * The pages that have columns, as they come. A reader that stops early, or whose signal aborts, cancels the statement.
 * Throws `sql_error` for what the engine refuses, `resource_exhausted`, `unavailable` and `bad_gateway` for the rest.
 */
export async function* pagesOf(
  engine: RemoteEngine,
  sql: string,
  { signal, clock }: { signal: AbortSignal; clock: Clock },
): AsyncGenerator<Page> {
  const asking = { engine, signal, clock };
  let answer = await ask(asking, `${engine.url}/v1/statement`, sql);
  let columns: readonly RemoteColumn[] = [];
  let next = answer.nextUri;
  try {
    for (;;) {
      next = answer.nextUri;
      if (answer.error) {
        next = undefined;
        throw refusal(engine, answer.error);
      }
      if (answer.columns) columns = answer.columns.map(columnOf);
      if (answer.columns || answer.data) yield { columns, rows: answer.data ?? [] };
      if (next === undefined) return;
      answer = await ask(asking, ofSameServer(engine, next));
    }
  } finally {
    if (next !== undefined) await cancel(engine, next);
  }
}

const columnOf = ({ name, type, typeSignature }: NonNullable<Answer["columns"]>[number]): RemoteColumn => ({
  name,
  signature: typeSignature ?? { rawType: type },
});

/** Asked of the configured server, whatever host an answer names: the key is for that one, and a proxy has another name inside. */
const ofSameServer = ({ url }: RemoteEngine, next: string): string => {
  const { pathname, search } = new URL(next, url);
  return `${new URL(url).origin}${pathname}${search}`;
};

function headersOf({ user, catalog, schema, key }: RemoteEngine): Record<string, string> {
  const credentials = key?.includes(":") ? `Basic ${Buffer.from(key).toString("base64")}` : `Bearer ${key}`;
  return {
    "x-trino-user": user,
    "x-trino-source": "lakehouse",
    // Without it times are sent with three digits, whatever the column has.
    "x-trino-client-capabilities": "PARAMETRIC_DATETIME",
    ...(catalog !== undefined && { "x-trino-catalog": catalog }),
    ...(schema !== undefined && { "x-trino-schema": schema }),
    ...(key !== undefined && { authorization: credentials }),
  };
}

interface Asking {
  engine: RemoteEngine;
  signal: AbortSignal;
  clock: Clock;
}

async function ask({ engine, signal, clock }: Asking, url: string, body?: string): Promise<Answer> {
  for (let waitMs = firstWaitMs; ; waitMs *= 2) {
    const response = await fetchUpstream(url, {
      method: body === undefined ? "GET" : "POST",
      headers: headersOf(engine),
      signal,
      ...(body !== undefined && { body }),
    }).catch((cause) => Promise.reject(signal.aborted ? signal.reason : unreachable(engine, cause)));
    const text = await textOf(response, {
      bytesMax: pageBytesMax,
      tooMuch: () =>
        fail("bad_gateway", `engine ${engine.name} sent a page of more than ${pageBytesMax} bytes`),
    }).catch((cause) =>
      Promise.reject(
        signal.aborted ? signal.reason : cause instanceof ServiceError ? cause : unreachable(engine, cause),
      ),
    );
    if (response.ok) return parsed(engine, text);
    if (!passing.has(response.status) || waitMs > longestWaitMs) throw strange(engine, response, text);
    await clock.sleep(retryAfterMs(response.headers, clock) ?? waitMs, signal);
  }
}

/** Whole numbers that a double does not hold stay the digits that they were sent as. */
function parsed({ name }: RemoteEngine, text: string): Answer {
  const revive = (_: string, value: unknown, { source = "" }: { source?: string }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? source : value;
  try {
    return JSON.parse(text, revive as never) as Answer;
  } catch (cause) {
    throw fail("bad_gateway", `engine ${name} answered something that is no JSON: ${quoted(text)}`, {
      cause,
    });
  }
}

const unreachable = ({ name, url }: RemoteEngine, cause: unknown): ServiceError => {
  const root = rootOf(cause);
  const why = root instanceof Error ? root.message : String(root);
  return fail("unavailable", `engine ${name} does not answer at ${new URL(url).host}: ${quoted(why)}`, {
    retryAfterSeconds: 5,
    cause,
  });
};

function strange({ name, key }: RemoteEngine, { status }: Response, text: string): ServiceError {
  if (status === 401 || status === 403)
    return fail("bad_gateway", `engine ${name} refuses the key with ${status}: ${quoted(text, key)}`);
  const type = passing.has(status) ? "unavailable" : "bad_gateway";
  return fail(type, `engine ${name} answered ${status}: ${quoted(text, key)}`, {
    ...(type === "unavailable" && { retryAfterSeconds: 5 }),
  });
}

/** By Trino's kinds of errors: the statement's own, too little memory or time there, and all else. */
function refusal({ name, key }: RemoteEngine, error: NonNullable<Answer["error"]>): ServiceError {
  const { message = "no message", errorName = "UNKNOWN", errorType, errorLocation: at } = error;
  const words = `engine ${name}: ${errorName}: ${quoted(message, key)}`;
  if (errorType === "USER_ERROR")
    return fail("sql_error", words, {
      ...(at && { details: { line: at.lineNumber, column: at.columnNumber } }),
    });
  if (errorType === "INSUFFICIENT_RESOURCES") return fail("resource_exhausted", words);
  return fail("bad_gateway", words);
}

async function cancel(engine: RemoteEngine, next: string): Promise<void> {
  await fetchUpstream(ofSameServer(engine, next), {
    method: "DELETE",
    headers: headersOf(engine),
    signal: AbortSignal.timeout(cancelMs),
  }).then(
    (answer) => answer.body?.cancel(),
    () => undefined,
  );
}
