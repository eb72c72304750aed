/** Long calls: cancelling one ends its query behind the gateway, progress tells how long it runs, and each call is observed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Session, startSession } from "../../support/clients/mcp-session.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

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

const longQuery = (mark: string): string => `SELECT count(*) AS ${mark} FROM range(1000000000000)`;

/** The state of the query with this mark, when it is one of these. */
async function stateOf(mark: string, states: readonly string[]): Promise<string> {
  for (;;) {
    const { queries } = await (await fetch(`${product.url}/v1/sql/queries`)).json();
    const query = queries.find(({ sql }: { sql: string }) => sql.includes(mark));
    if (query !== undefined && states.includes(query.state)) return query.state;
  }
}

test("notifications/cancelled interrupts the query, and the session goes on", async () => {
  const controller = new AbortController();
  const sql = longQuery("cancelled_one");
  const ended = session
    .call("query_sql", { sql }, { signal: controller.signal })
    .catch((cause: Error) => cause.message);
  expect(await stateOf("cancelled_one", ["running"])).toBe("running");
  controller.abort(new Error("enough"));
  expect(await ended).toContain("enough");
  expect(await stateOf("cancelled_one", ["interrupted", "failed", "done"])).toBe("interrupted");
  expect((await session.call("query_sql", { sql: "SELECT 1 AS a" })).data.rows).toEqual([{ a: 1 }]);
});

test("a client that goes away interrupts its queries", async () => {
  const own = await startSession({ gateway: product.url });
  const call = own.call("query_sql", { sql: longQuery("left_alone") }).catch(() => "gone");
  expect(await stateOf("left_alone", ["running"])).toBe("running");
  await own.close();
  expect(await call).toBe("gone");
  expect(await stateOf("left_alone", ["interrupted", "failed", "done"])).toBe("interrupted");
});

test("progress grows while a query runs, when the client asked for it", async () => {
  const told: { progress: number; message?: string }[] = [];
  const controller = new AbortController();
  const call = session.call(
    "query_sql",
    { sql: longQuery("watched") },
    {
      signal: controller.signal,
      onprogress: (progress) => {
        told.push(progress as (typeof told)[number]);
        if (told.length === 2) controller.abort(new Error("seen enough"));
      },
    },
  );
  await expect(call).rejects.toThrow("seen enough");
  expect(told.map(({ progress }) => progress)).toEqual([1, 2]);
  expect(told[0]?.message).toBe("waiting for the first rows (1 s)");
});

test("every call is observed: its tool, outcome and duration, and nothing of the session waits for it", async () => {
  const own = await startSession({ gateway: product.url });
  await own.call("list_datasets");
  await own.call("query_sql", { sql: "SELECT 42 AS answer" });
  await own.call("query_sql", { sql: "SELEC" });
  await own.call("get_manifest", {});
  // Its end waits for what is on its way.
  await own.close();
  const { events } = await (await fetch(`${product.url}/v1/observer/events?source=mcp&page_size=50`)).json();
  type Event = {
    endpoint: string;
    success: boolean;
    duration_ms: number;
    run_id: string;
    error?: string;
    input_summary: string;
  };
  const [newest] = events as Event[];
  const ours = (events as Event[]).filter(({ run_id }) => run_id === newest?.run_id).reverse();
  expect(ours.map(({ endpoint, success }) => [endpoint, success]).sort()).toEqual(
    [
      ["list_datasets", true],
      ["query_sql", true],
      ["query_sql", false],
      ["get_manifest", false],
    ].sort(),
  );
  for (const { duration_ms } of ours) expect(duration_ms).toBeGreaterThan(0);
  expect(ours.find(({ endpoint, success }) => endpoint === "query_sql" && !success)?.error).toContain(
    "syntax error",
  );
  expect(ours.find(({ endpoint, success }) => endpoint === "query_sql" && success)?.input_summary).toBe(
    '{"sql":"SELECT 42 AS answer"}',
  );
});
