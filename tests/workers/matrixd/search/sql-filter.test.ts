import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { ServiceError } from "../../../../runtime/errors/errors.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import type { LiveCorpus } from "../../../../workers/matrixd/corpora/live-corpus.ts";
import {
  createSqlFilters,
  filterStatements,
  type SqlFilters,
} from "../../../../workers/matrixd/search/sql-filter.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

const { signal } = new AbortController();
let stack: QuerydStack;
let filters: SqlFilters;
/** Statements that reached queryd. */
let statements = 0;

/** As much of a corpus as a SQL filter looks at: row n + 1000 is the row of id n. */
const corpus = (info: { dataset?: string; sql?: string }, generation = 1): LiveCorpus =>
  ({
    info: { name: "c", id_column: "id", ...info },
    index: "i",
    generation,
    numbersOf: async (ids: string[]) => ids.map((id) => (Number(id) < 90 ? Number(id) + 1000 : undefined)),
  }) as unknown as LiveCorpus;
const workers = corpus({ dataset: "workers" });
const numbers = async (live: LiveCorpus, predicate: string) =>
  (await filters.rowsWhere(live, predicate, signal)).numbers.map((number) => number - 1000);
const caught = async (live: LiveCorpus, predicate: string): Promise<ServiceError> => {
  try {
    await filters.rowsWhere(live, predicate, signal);
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error(`'${predicate}' was taken`);
};
const rows = (of: number) => `SELECT range::INTEGER AS id, 'x' || range % ${of} AS state FROM range(100)`;

beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset("workers", rows(10));
  await stack.dataset("others", "SELECT range::INTEGER AS n FROM range(3)");
  const fetch = (path: string, init?: RequestInit) => {
    statements++;
    return stack.queryd.peer.fetch(path, init);
  };
  const queryd = { ...stack.queryd.peer, fetch };
  filters = createSqlFilters({ queryd, catalogd: stack.catalogd.peer, clock: systemClock });
});
afterAll(() => stack.stop());

describe("rows where", () => {
  test("a predicate holds, over a dataset and over a statement", async () => {
    const expected = Array.from({ length: 9 }, (_, at) => at * 10 + 3);
    expect(await numbers(workers, "state = 'x3'")).toEqual(expected);
    const statement = corpus({ sql: "SELECT id, state AS s FROM workers -- all of them" });
    expect(await numbers(statement, "s = 'x3'")).toEqual(expected);
  });

  const whole: [string, string, number][] = [
    ["a comment at its end", "id < 5 -- as told", 5],
    ["a comment inside", "id /* the row's */ < 5", 5],
    ["brackets of its own", "(id < 2) OR (id = 7)", 3],
    ["quotes that hold brackets", "state = ')(' OR state = '] [' OR id = 1", 1],
    ["quotes that hold comments", "state = '--' OR state = '/*' OR id = 1", 1],
    ["a subquery", "id IN (SELECT n FROM others)", 3],
    ["several lines", "id > 2\nAND\nid < 5", 2],
    ["none", "false", 0],
    ["NULL", "NULL", 0],
    ["all that are live", "true", 90],
  ];
  test.each(whole)("%s", async (_, predicate, count) => {
    expect((await numbers(workers, predicate)).length).toBe(count);
  });
});

describe("a predicate stays inside", () => {
  const refused: [string, string][] = [
    ["closes our bracket", "1=1) OR (1=1"],
    ["closes the square one", "1=1] OR [1=1"],
    ["closes both", "1=1)] OR [(1=1"],
    ["closes in the other order", "1=1]) OR ([1=1"],
    ["ends the statement", "1=1; SELECT 1"],
    ["ends with a semicolon", "1=1;"],
    ["leaves a comment open", "1=1 /*"],
    ["leaves a comment open behind a bracket", "1=1) /*"],
    ["comments our bracket out", "1=1) --"],
    ["leaves a quote open", "state = '"],
    ["leaves a name open", '"state'],
    ["leaves a dollar quote open", "state = $$"],
    ["unites another table", "false) UNION SELECT n FROM (others"],
    ["two values", "true, true"],
    ["an order", "true ORDER BY id"],
    ["a limit", "true LIMIT 1"],
    ["a statement", "SELECT true"],
    ["a write", "DELETE FROM workers"],
    ["a file", "id IN (SELECT * FROM '/etc/passwd')"],
    ["a file by function", "EXISTS (SELECT * FROM read_text('/etc/passwd'))"],
    ["a parameter", "state = $1"],
    ["an aggregate", "count(*) > 1"],
    ["text that is no truth", "state"],
  ];
  test.each(refused)("%s", async (_, predicate) => {
    const error = await caught(workers, predicate);
    expect([400, 403]).toContain(error.status);
    expect(error.message).toStartWith("sql_filter: ");
    expect(error.message).not.toContain("/root");
  });

  test("a quote of the corpus's own statement does not close the predicate's", async () => {
    const quoting = corpus({ sql: "SELECT id, state FROM workers WHERE state <> 'x1'" });
    await caught(quoting, "state = '");
    await caught(quoting, "state = ' OR ");
    expect((await numbers(quoting, "true")).length).toBe(81);
  });
});

describe("errors", () => {
  test("say where in the predicate", async () => {
    const error = await caught(workers, "id > 1 AND\n  stat = 'x'");
    expect(error.type).toBe("sql_error");
    expect(error.message).toContain('"stat"');
    expect(error.message).toContain("(line 2, column 3 of the predicate)");
    expect(error.details).toEqual({ field: "sql_filter", position: 13, line: 2, column: 3 });
  });

  test("found only while it runs say so too", async () => {
    const error = await caught(corpus({ sql: "SELECT id,\n state\n FROM workers" }), "state::INTEGER = 1");
    expect(error.type).toBe("sql_error");
    expect(error.details).toMatchObject({ line: 1, position: 5 });
  });

  test("a dataset that is gone is told by its name", async () => {
    const error = await caught(corpus({ dataset: "gone" }), "true");
    expect(error.type).toBe("not_found");
    expect(error.message).toContain("gone");
  });
});

describe("sets are kept", () => {
  const asked = async (live: LiveCorpus, predicate: string): Promise<number> => {
    const before = statements;
    await filters.rowsWhere(live, predicate, signal);
    return statements - before;
  };

  test("for the same predicate, and not for another generation", async () => {
    expect(await asked(workers, "id < 11")).toBe(2);
    expect(await asked(workers, "id < 11")).toBe(0);
    expect(await asked(corpus({ dataset: "workers" }, 2), "id < 11")).toBe(2);
  });

  test("until the dataset changes; another dataset's change is no reason, unless it may be read", async () => {
    await asked(workers, "id < 12");
    await asked(workers, "id IN (SELECT n FROM others)");
    await stack.dataset("others", "SELECT range::INTEGER AS n FROM range(5)");
    expect(await asked(workers, "id < 12")).toBe(0);
    expect((await numbers(workers, "id IN (SELECT n FROM others)")).length).toBe(5);
    expect((await numbers(workers, "state = 'x4'")).length).toBe(9);
    await stack.dataset("workers", rows(5));
    expect((await numbers(workers, "state = 'x4'")).length).toBe(18);
  });

  test("not for words that mean another time at another time", async () => {
    expect(await asked(workers, "id < 13 AND now() > TIMESTAMP '2020-01-01'")).toBe(2);
    expect(await asked(workers, "id < 13 AND now() > TIMESTAMP '2020-01-01'")).toBe(2);
    expect(await asked(workers, "random() < 2")).toBe(2);
    expect(await asked(workers, "random() < 2")).toBe(2);
  });

  test("of a view and of a statement until what they read changes, and not where these ask for the time", async () => {
    const define = (name: string, sql: string) =>
      stack.catalogd.peer.verbs.define({
        ...{ kind: "view" as const, name, sql },
        columns: [
          { name: "id", type: "INTEGER" },
          { name: "state", type: "VARCHAR" },
        ],
      });
    await define("early", "SELECT id, state FROM workers WHERE id < 20");
    await define("now_and_then", "SELECT id, state FROM workers WHERE now() > TIMESTAMP '2020-01-01'");
    await stack.dataset("workers", rows(10));
    for (const live of [corpus({ dataset: "early" }), corpus({ sql: "SELECT * FROM early" })]) {
      expect(await numbers(live, "state = 'x7'")).toEqual([7, 17]);
      // One question, to which the answer is that nothing changed.
      expect(await asked(live, "state = 'x7'")).toBe(1);
      await stack.dataset("others", "SELECT range::INTEGER AS n FROM range(7)");
      expect(await numbers(live, "state = 'x7'")).toEqual([7, 17]);
      await stack.dataset("workers", rows(20));
      expect(await numbers(live, "state = 'x7'")).toEqual([7]);
      await stack.dataset("workers", rows(10));
    }
    for (const live of [corpus({ dataset: "now_and_then" }), corpus({ sql: "SELECT * FROM now_and_then" })]) {
      expect(await asked(live, "id < 14")).toBe(2);
      expect(await asked(live, "id < 14")).toBe(2);
    }
  });

  test("not after a failure", async () => {
    await caught(workers, "nothing = 1");
    await caught(workers, "nothing = 1");
  });
});

test("names are quoted", () => {
  const { whole } = filterStatements({ dataset: 'a"b', id_column: 'i"d' }, "true");
  expect(whole.sql).toContain('FROM "a""b"');
  expect(whole.sql).toContain('CAST("i""d" AS VARCHAR)');
});
