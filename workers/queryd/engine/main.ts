/** The program of a child process of queryd. */

import { serveChild } from "../../../runtime/child-main/child-main.ts";
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { systemClock } from "../../../runtime/scheduling/scheduling.ts";
import { CutShortError, EngineError } from "../errors/errors.ts";
import { type GivenParameters, matchParameters } from "../statements/statements.ts";
import { type EngineInit, type Failure, type QueryEngine, queryEngine } from "./child.ts";
import { openEngine, type Session } from "./duckdb.ts";
import { createRuns } from "./run.ts";

/** DuckDB's errors are answers: the parent knows the statement that they refer to. */
const outcome = <T>(work: Promise<T>): Promise<T | Failure> =>
  work.catch((cause): Failure => {
    if (cause instanceof CutShortError) return { cutShort: true };
    if (!(cause instanceof EngineError)) throw cause;
    const { kind, message, position } = cause;
    return { refused: { kind, message, ...(position !== undefined && { position }) } };
  });

async function serve(init: EngineInit, scratch: string): Promise<VerbsOf<QueryEngine>> {
  const engine = await openEngine({ ...init, clock: systemClock, tempDirectory: scratch });
  const runs = createRuns(engine, systemClock);
  const during = async <T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> => {
    const session = await engine.session(signal);
    try {
      return await work(session);
    } finally {
      await session.release();
    }
  };
  const bindTo = (params: GivenParameters | undefined) => (names: readonly string[]) =>
    matchParameters(names, params);
  const executed = (statements: readonly string[], signal: AbortSignal) =>
    during(signal, async (session) => {
      for (const statement of statements) await session.execute(statement);
      return { done: true as const };
    });
  await executed(init.first, new AbortController().signal);
  return {
    execute: ({ statements }, { signal }) => outcome(executed(statements, signal)) as never,
    describe: ({ sql }, { signal }) => outcome(during(signal, (session) => session.describe(sql))) as never,
    bind: ({ sql }, { signal }) =>
      outcome(
        during(signal, async (session) => {
          await session.bind(sql);
          return { done: true as const };
        }),
      ) as never,
    rows: ({ sql, params }, { signal }) =>
      outcome(
        during(signal, async (session) => ({ rows: await session.rows(sql, bindTo(params)) })),
      ) as never,
    columns: ({ sql, params }, { signal }) =>
      outcome(
        during(signal, async (session) => {
          const cursor = await session.open(sql, bindTo(params));
          while (await cursor.next()) {}
          return { columns: cursor.columns };
        }),
      ),
    run: (request, { signal }) => outcome(runs.run(request, signal)),
    next: (_, { signal }) => outcome(runs.next(signal)),
    end: async () => {
      await runs.end();
      return { done: true };
    },
    limit: async ({ memoryBytes, tempBytes }) => {
      await engine.limit(memoryBytes, tempBytes);
      return { done: true };
    },
  };
}

await serveChild(queryEngine, async (init: EngineInit, scratch) => ({ verbs: await serve(init, scratch) }));
