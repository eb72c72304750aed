/**
 * Files by name: whatever a statement calls a table and wherever it stands, no byte of a file comes back that is no
 * registered object. Each layer is tried alone too: the names, what DuckDB has bound, and what its process may open.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { openEngine } from "../../../../workers/queryd/engine/duckdb.ts";
import { checkBound } from "../../../../workers/queryd/sandbox/bound-plan.ts";
import { type GivenParameters, matchParameters } from "../../../../workers/queryd/statements/parameters.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import {
  fileStatement,
  fileStatementByChance,
  shapes,
  waysToWrite,
} from "../../../support/hard-inputs/file-statements.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

const canary = "canary-7f3a91";
let stack: QuerydStack;
/** Paths of objects that no statement may read. */
let dropped: string;
let raw: string;
let manifests: string;

beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset("workers", "SELECT range AS id, 'n' || range AS name FROM range(10)");
  const { objects } = await stack.dataset("gone", `SELECT '${canary}' AS id`);
  const found = await stack.storaged.peer.verbs.locate({ key: objects[0]?.key ?? "" });
  dropped = found.kind === "local" ? found.path : "";
  await stack.catalogd.peer.verbs.drop({ name: "gone" });
  await stack.storaged.send(
    new Request("http://localhost/storage/put/private/raw.csv", { method: "PUT", body: `id\n${canary}\n` }),
  );
  const other = await stack.storaged.peer.verbs.locate({ key: "private/raw.csv" });
  raw = other.kind === "local" ? other.path : "";
  manifests = join(stack.directory, "buckets", "primary", "_catalog", "**", "*.parquet");
});
afterAll(() => stack.stop());

const namesOf = (): string[] =>
  [dropped, raw, manifests, join(stack.directory, "queryd", "readable", "*.parquet")].flatMap(waysToWrite);

const own = (text: string, name: string) => text.replaceAll(JSON.stringify(name).slice(1, -1), "");

async function refused(sql: string, name: string): Promise<void> {
  const response = await stack.sql(sql);
  const text = await response.text();
  expect(`${sql}\n${response.status} ${text}`).toMatch(/\n40[03] /);
  expect(text).not.toContain(canary);
  for (const trace of [stack.directory, process.cwd(), "IO Error", "No files found"])
    expect(own(text, name)).not.toContain(trace);
}

describe("a file by name", () => {
  for (const shape of shapes)
    test(shape, async () => {
      for (const name of namesOf()) await refused(fileStatement(shape, name), name);
    });

  test("in 300 statements put together by chance", async () => {
    const random = seeded(20_261_130);
    const names = namesOf();
    for (let round = 0; round < 300; round++) {
      const { sql, name } = fileStatementByChance(random, names);
      await refused(sql, name);
    }
  });
});

describe("names fold as DuckDB folds them", () => {
  test("a Kelvin sign is no k: neither dataset nor name of its own", async () => {
    await refused('SELECT * FROM "wor\u212Aers"', "wor\u212Aers");
    await refused('WITH "wor\u212Aers" AS (SELECT 1 AS id) SELECT * FROM "workerz"', "workerz");
    expect(await stack.rows('WITH "wor\u212Aers" AS (SELECT 1 AS id) SELECT id FROM "wor\u212Aers"')).toEqual(
      [{ id: 1 }],
    );
    expect(
      await stack.rows('WITH "wor\u212Aers" AS (SELECT 1 AS id) SELECT count(*)::INT AS n FROM WORKERS'),
    ).toEqual([{ n: 10 }]);
  });

  test("a name of WITH means what DuckDB takes it for", async () => {
    for (const [sql, n] of [
      // The first part of a recursive WITH sees the dataset, not itself.
      ["WITH RECURSIVE workers AS (FROM workers UNION ALL FROM workers WHERE false) FROM workers", 10],
      ["WITH workers AS (SELECT * FROM workers WHERE id < 3) FROM workers", 3],
      ["FROM workers, (WITH workers AS (SELECT 1) FROM workers)", 10],
      ["WITH a AS (FROM workers), workers AS (FROM a LIMIT 2) FROM workers", 2],
    ] as const)
      expect(await stack.rows(`SELECT count(*)::INT AS n FROM (${sql})`)).toEqual([{ n }]);
  });
});

describe("what DuckDB has bound", () => {
  test("a statement that reads more than its datasets is refused from its plan", async () => {
    const folder = join(stack.directory, "bound");
    const link = join(folder, "x.parquet");
    mkdirSync(folder);
    linkSync(dropped, link);
    const engine = await openEngine({
      clock: systemClock,
      threads: 1,
      memoryLimit: "1GB",
      tempDirectory: join(stack.directory, "bound-spill"),
      maxTempBytes: 1e9,
      readable: [`${folder}/`],
    });
    const session = await engine.session(new AbortController().signal);
    const own = {
      execute: async () => {},
      rows: (sql: string, params: GivenParameters = []) =>
        session.rows(sql, (names) => matchParameters(names, params)),
    };
    const check = (body: string) => {
      const statement = { body, explain: undefined, verb: "SELECT" };
      const none = { tables: new Map(), cteNames: new Set<string>(), parameters: [], listing: false };
      const verdict = {
        ...none,
        statement,
        isBounded: false,
        wasBounded: false,
        bound: new Set<string>(),
        predicates: new Map(),
        cost: { tables: 0, joins: 0 },
      };
      return checkBound({ verdict, used: new Map(), parameters: new Map(), mark: "end", views: [] }, own);
    };
    try {
      await check("SELECT * FROM range(3), json_each('[1]')");
      for (const body of [
        `SELECT * FROM '${link}'`,
        `SELECT count(*) FROM read_parquet('${link}')`,
        `WITH RECURSIVE "${link}" AS (FROM "${link}" UNION ALL FROM "${link}" WHERE false) FROM "${link}"`,
        "FROM duckdb_settings()",
        `SELECT * FROM glob('${folder}/*')`,
        "SHOW TABLES",
      ])
        expect(`${body} ${await check(body).catch((cause) => cause.type ?? cause)}`).toEndWith(
          " statement_not_allowed",
        );
    } finally {
      await session.release();
    }
  });
});

describe("what DuckDB's process may open", () => {
  const links = () => readdirSync(join(stack.directory, "queryd", "readable")).length;

  test("holds the objects of versions in use, and no others", async () => {
    await stack.rows("SELECT count(*) FROM workers");
    expect(links()).toBe(1);
    await stack.dataset("shifts", "SELECT range AS id FROM range(9)", { objects: 3 });
    expect(links()).toBe(1);
    await stack.rows("SELECT count(*) FROM shifts");
    expect(links()).toBe(4);
    await stack.dataset("shifts", "SELECT range AS id FROM range(9)", { mode: "append" });
    await stack.rows("SELECT count(*) FROM shifts");
    expect(links()).toBe(5);
    await stack.catalogd.peer.verbs.drop({ name: "shifts" });
    await stack.rows("SELECT 1");
    expect(links()).toBe(1);
    await stack.restart();
    expect(links()).toBe(0);
    expect(await stack.rows("SELECT count(*)::INT AS n FROM workers")).toEqual([{ n: 10 }]);
  });
});
