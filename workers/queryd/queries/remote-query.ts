/**
 * A query that another engine runs. Its rows come through a pipe into a child, whose DuckDB reads them as it reads a file:
 * every format, limit and bound is the one of a query here.
 */
import { join } from "node:path";
import { fail } from "../../../runtime/errors/errors.ts";
import {
  openRowPipe,
  type Page,
  pagesOf,
  type RemoteEngine,
  type RowPipe,
  reading,
  rowReader,
} from "../remote/remote.ts";
import { type Components, type Run, type SqlQuery, type Started, start } from "./execution.ts";
import { type ActiveQuery, withQueryId } from "./registry.ts";

/** Bytes of rows that are written at once. */
const pieceCharacters = 256 * 1024;

/** Sends the statement to the engine and begins the answer with its first rows. */
export async function startRemoteQuery(
  components: Components,
  { query, engine }: { query: SqlQuery; engine: RemoteEngine },
  active: ActiveQuery,
): Promise<Started> {
  if (query.asOf !== undefined)
    throw fail(
      "invalid_field",
      `as_of: engine ${engine.name} takes it in the statement alone: FROM t FOR TIMESTAMP AS OF TIMESTAMP '…'`,
    );
  const { clock, mark, results, engines } = components;
  const over = new AbortController();
  const signal = AbortSignal.any([active.signal, over.signal]);
  const pages = pagesOf(engine, reading(query.sql, query.params), { signal, clock });
  const undo: (() => void)[] = [
    () => over.abort(ended),
    () => void pages.return(undefined).catch(() => undefined),
  ];
  const release = () => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const first = await pages.next();
    const columns = first.value?.columns ?? [];
    if (first.done || columns.length === 0)
      throw fail("bad_gateway", `engine ${engine.name} answered the statement with no columns`);
    const pipe = await openRowPipe(join(results.directory, `${mark}-${active.id}.rows`), { signal, clock });
    undo.push(() => void pipe.discard());
    const reader = rowReader(columns);
    const session = await engines.session(active.signal, query.sql);
    undo.push(session.release);
    const feeding = feed(pipe, { first: first.value, pages, line: reader.line });
    feeding.catch((cause) => {
      if (!signal.aborted) active.stop(cause);
    });
    const body = reader.from(pipe.path);
    const run: Run = {
      components,
      query: { ...query, params: undefined },
      active,
      session,
      verdict: {
        statement: { body, explain: undefined, verb: "SELECT" },
        isBounded: false,
        wasBounded: false,
      },
      sources: [],
      used: new Map(),
      once: {
        columnsFrom: reader.empty,
        failure: (cause) =>
          fail("bad_gateway", `engine ${engine.name} sent rows that are not of the types it named`, {
            cause,
          }),
      },
    };
    return { body: await start(run), stale: false, release };
  } catch (cause) {
    release();
    throw withQueryId(cause, active);
  }
}

/** What the signal says when the answer has ended; nobody reads it. */
const ended = new Error("the query has ended");

interface Rows {
  first: Page;
  pages: AsyncIterable<Page>;
  line: (row: readonly unknown[]) => string;
}

/** Writes all rows, until the end or until nobody reads them. Without an end where it fails: the reader must not take it for one. */
async function feed(pipe: RowPipe, { first, pages, line }: Rows): Promise<void> {
  if (!(await writePage(pipe, first, line))) return;
  for await (const page of pages) if (!(await writePage(pipe, page, line))) return;
  await pipe.end();
}

async function writePage(pipe: RowPipe, { rows }: Page, line: Rows["line"]): Promise<boolean> {
  let text = "";
  for (const row of rows) {
    text += line(row);
    if (text.length < pieceCharacters) continue;
    if (!(await pipe.write(text))) return false;
    text = "";
  }
  return text === "" || pipe.write(text);
}
