/** Statements are parsed once, however long they are, as long as their verdicts are kept. */
import { afterAll, expect, test } from "bun:test";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Session } from "../../../../workers/queryd/engine/engine.ts";
import { createAnalysis } from "../../../../workers/queryd/sandbox/sandbox.ts";

const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

const listOf = (length: number) =>
  `SELECT 1 WHERE 1 IN (${Array.from({ length }, (_, at) => `$${at + 1}`).join(", ")})`;
const rows: [name: string, sql: string, parses: number][] = [
  ["a short one", "SELECT 42", 1],
  ["a list of 60,000 parameters", listOf(60_000), 1],
  ["more than a million characters", `SELECT '${"x".repeat(1_000_000)}'`, 2],
];
test.each(rows)("%s", async (_, sql, expected) => {
  let parses = 0;
  const session = {
    rows: async (statement: string, [text]: [string]) => {
      parses += text.includes(sql) ? 1 : 0;
      const reader = await connection.runAndReadAll(statement, [text]);
      return reader.getRows().map((row) => row.map(String));
    },
  } as unknown as Session;
  const { verdict } = createAnalysis("end");
  await verdict(sql, session);
  const again = await verdict(sql, session);
  expect(again.parameters).toHaveLength(sql.split("$").length - 1);
  expect(parses).toBe(expected);
});
