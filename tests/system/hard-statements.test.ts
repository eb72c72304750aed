/**
 * Statements each of which ends, hangs or bloats a plain DuckDB: here each ends in a clear error within its time, while
 * others get all their answers, and nothing is restarted. A campaign may add statements by a file: LAKEHOUSE_STATEMENTS.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Product, startProduct } from "../support/product.ts";

/** Long enough for those that end by themselves on a busy machine. */
const timeoutMs = 4000;
const statements = Bun.env.LAKEHOUSE_STATEMENTS
  ? readFileSync(Bun.env.LAKEHOUSE_STATEMENTS, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("--"))
  : [
      "SELECT repeat('a', 200) LIKE repeat('%_a', 22) || 'b'",
      "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))",
      "SELECT length(list_transform(range(100000), x -> repeat('x', 1000000))::VARCHAR)",
      "SELECT string_agg(repeat('x', 1000000)) FROM range(50000)",
      "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
    ];
const others = 16;

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(async () => {
  await product.end();
});

const ask = (sql: string) =>
  fetch(`${product.url}/v1/sql`, { method: "POST", body: JSON.stringify({ sql, timeout_ms: timeoutMs }) });

test(`${statements.length} hard statements beside ${others} callers`, async () => {
  let going = true;
  let answered = 0;
  const other = async () => {
    while (going) {
      const response = await fetch(`${product.url}/v1/sql`, {
        method: "POST",
        body: JSON.stringify({ sql: "SELECT count(*) AS n FROM range(1000)" }),
      });
      expect([response.status, await response.text()]).toEqual([200, '[{"n":1000}]']);
      answered += 1;
    }
  };
  const callers = Array.from({ length: others }, other);
  for (const sql of statements) {
    const response = await ask(sql);
    const { error } = (await response.json()) as { error?: { type: string; message: string } };
    const outcome = `${sql}: ${response.status} ${error?.type ?? "answered"}`;
    expect(outcome).toMatch(
      /: (200 answered|400 sql_error|403 statement_not_allowed|408 timeout|422 (resource_exhausted|engine_crashed))$/,
    );
  }
  going = false;
  await Promise.all(callers);
  expect(answered).toBeGreaterThan(0);
  const system = (await (await fetch(`${product.url}/v1/system`)).json()) as {
    services: { name: string; restarts: number }[];
  };
  expect(system.services.filter(({ restarts }) => restarts > 0)).toEqual([]);
});
