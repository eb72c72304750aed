/** What the MCP server adds to a call: the same query through it and straight to the gateway. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { latencies, quantile, report, timed } from "../../support/campaigns/measure.ts";
import { type Session, startLines, startSession } from "../../support/clients/mcp-session.ts";
import { type Product, sql, startProduct } from "../../support/product/product.ts";

let product: Product;
let session: Session;
beforeAll(async () => {
  product = await startProduct();
  session = await startSession({ gateway: product.url });
});
afterAll(async () => {
  await session.close();
  await product.end();
});

const p50 = (values: number[]): number => quantile(values, 0.5);
const p99 = (values: number[]): number => quantile(values, 0.99);

test("mcp latency", async () => {
  const statement = "SELECT 1 AS one";
  const through = () => session.call("query_sql", { sql: statement });
  const straight = () => sql(product.url, statement);
  await latencies(100, through);
  const [mcp, http] = [await latencies(500, through), await latencies(500, straight)];
  report("mcp.query_sql", {
    "through p50 ms": p50(mcp),
    "through p99 ms": p99(mcp),
    "straight p50 ms": p50(http),
    "straight p99 ms": p99(http),
  });
});

test("mcp start and large results", async () => {
  const starts: number[] = [];
  for (let round = 0; round < 5; round++) {
    starts.push(
      await timed(async () => {
        const lines = startLines(["--gateway", product.url]);
        await lines.initialize();
        lines.kill("SIGKILL");
      }),
    );
  }
  let rows = 0;
  const first = await latencies(10, async () => {
    const { data } = await session.call("query_sql", {
      sql: "SELECT i, repeat('x', 100) AS x FROM range(10000) t(i)",
    });
    rows = Number(data.rows_taken);
  });
  expect(rows).toBe(10_000);
  report("mcp.start", { "to the answer of initialize, median ms": p50(starts) });
  report("mcp.large", { "first page of 10,000 rows taken, p50 ms": p50(first) });
});
