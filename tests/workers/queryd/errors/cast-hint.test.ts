/** Statements that take text for numbers or times are told the cast. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset("t", `SELECT '9.5' AS price, 'NA' AS "my col", 5 AS n`);
});
afterAll(() => stack.stop());

const hinted: [sql: string, cast: string | undefined][] = [
  ["SELECT sum(price) FROM t", "TRY_CAST(price AS DOUBLE)"],
  ["SELECT n, avg(t.price) FROM t", "TRY_CAST(t.price AS DOUBLE)"],
  ['SELECT sum("my col") FROM t', 'TRY_CAST("my col" AS DOUBLE)'],
  ["SELECT * FROM t WHERE price > 5", "TRY_CAST(price AS DOUBLE)"],
  ["SELECT * FROM t WHERE 5 < price", "TRY_CAST(price AS DOUBLE)"],
  ["SELECT * FROM t WHERE price BETWEEN 1 AND 2", "TRY_CAST(price AS DOUBLE)"],
  ["SELECT price * n FROM t", "TRY_CAST(price AS DOUBLE)"],
  ["SELECT -price FROM t", "TRY_CAST(price AS DOUBLE)"],
  ["SELECT round(price, 2) FROM t", "TRY_CAST(price AS DOUBLE)"],
  ["SELECT sum(lower(price)) FROM t", "TRY_CAST(… AS DOUBLE)"],
  [`SELECT CAST("my col" AS DOUBLE) FROM t`, 'TRY_CAST("my col" AS DOUBLE)'],
  [`SELECT * FROM t WHERE "my col" = 5`, 'TRY_CAST("my col" AS DOUBLE)'],
  ["SELECT year(price) FROM t", "TRY_CAST(price AS TIMESTAMP)"],
  ["SELECT price > DATE '2024-01-01' FROM t", "TRY_CAST(price AS DATE)"],
  ["SELECT nothing FROM t", undefined],
  ["SELECT date_trunc('day', n) FROM t", undefined],
];

test.each(hinted)("%s", async (sql, cast) => {
  const response = await stack.sql(sql);
  const { error } = (await response.json()) as { error: { message: string } };
  expect(response.status).toBe(400);
  if (cast === undefined) expect(error.message).not.toContain("Hint:");
  else expect(error.message).toContain(`write ${cast}`);
});

test("the cast that is told is one that the statement takes", async () => {
  expect(await stack.rows("SELECT sum(TRY_CAST(price AS DOUBLE)) AS s FROM t")).toEqual([{ s: 9.5 }]);
});
