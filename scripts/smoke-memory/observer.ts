import {
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  type Lake,
  type Product,
  postJson,
  type Smoke,
  type Stage,
} from "../smoke-product/smoke-product.ts";

interface Stats {
  total: number;
  successes: number;
  failures: number;
  by_source: Record<string, number>;
  recent_scenario_ops: { run_id?: string }[];
}

const get = async <T>({ send }: Pick<Lake, "send">, path: string): Promise<T> => {
  const answer = await send(path);
  expectStatus(answer, 200);
  return answer.body as T;
};
const stats = (lake: Pick<Lake, "send">) => get<Stats>(lake, "/v1/observer/stats");

const operations = [
  { source: "mcp", success: true },
  { source: "mcp", success: false, error: "TimeoutError: query 17 took 900 ms" },
  { source: "scenario", success: true },
  { source: "scenario", success: true },
  { source: "mcp", success: false, error: "TimeoutError: query 18 took 1200 ms" },
];

/** What is refused, what comes by OTLP, what runs beside. */
async function others(check: Stage["check"], lake: Lake): Promise<void> {
  await check("an operation without an endpoint is a 400", async () => {
    const answer = await postJson(lake, "/v1/observer/event", { success: true, duration_ms: 1 });
    expectTrue(expectError(answer, 400, "invalid_field").includes("endpoint"), "the field is named");
    expectEqual((await stats(lake)).total, 5);
  });
  await check("OTLP spans are operations", async () => {
    const span = {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      name: "plan",
      kind: 1,
      startTimeUnixNano: "1767225600000000000",
      endTimeUnixNano: "1767225600250000000",
      status: { code: 1 },
    };
    const body = { resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans: [span] }] }] };
    expectStatus(await postJson(lake, "/v1/observer/otlp/v1/traces", body), 200);
    expectEqual((await stats(lake)).by_source.otlp, 1);
  });
  await check("the background loops are listed", async () => {
    const { loops } = await get<{ loops: { name: string; enabled: boolean }[] }>(lake, "/v1/observer/loops");
    expectEqual(
      loops.map(({ name, enabled }) => [name, enabled]),
      ["error_analysis", "playbook_consolidation", "overseer_corrections", "escalation"].map((name) => [
        name,
        true,
      ]),
    );
  });
}

/** What is asked of operations and reviews. */
async function asked(check: Stage["check"], lake: Lake): Promise<void> {
  await check("they are a table of SQL, and have latencies over time", async () => {
    const sql = "SELECT source, count(*) AS n FROM observer.operations GROUP BY source ORDER BY source";
    const counted = await postJson(lake, "/v1/sql", { sql });
    expectEqual(counted.body, [
      { source: "mcp", n: 3 },
      { source: "scenario", n: 2 },
    ]);
    const { groups } = await get<{ groups: { total: number; p90_ms: number }[] }>(
      lake,
      "/v1/observer/stats?window=24h&by=endpoint",
    );
    expectEqual(
      groups.map(({ total, p90_ms }) => [total, p90_ms]),
      [[5, 5]],
    );
  });
  await check("what needs a human waits for one", async () => {
    const review = { task: "Who is it?", output: "It is John Smith of Boston.", heuristic_only: true };
    const made = await postJson(lake, "/v1/observer/review", review);
    const { id } = made.body as { id: string };
    const waiting = async () =>
      (
        await get<{ reviews: { review: { id: string } }[] }>(lake, "/v1/observer/reviews/waiting")
      ).reviews.map((each) => each.review.id);
    expectEqual(await waiting(), [id]);
    expectStatus(await postJson(lake, "/v1/observer/scores", { review_id: id, score: 1, by: "ann" }), 201);
    expectEqual(await waiting(), []);
  });
}

export const observer: Smoke = {
  about: "operations: recorded, counted, clustered, there after a kill",
  ownProduct: true,
  async run({ check, start, directory }) {
    const own = { directory: directory() };
    let lake: Product = await start(own);
    await check("an operation is in the statistics when its POST has answered", async () => {
      for (const [at, operation] of operations.entries()) {
        const event = { endpoint: "/v1/sql", duration_ms: 5, run_id: `run ${at}`, ...operation };
        expectStatus(await postJson(lake, "/v1/observer/event", event), 200);
        expectEqual((await stats(lake)).total, at + 1);
      }
    });
    const expected = { total: 5, successes: 3, failures: 2, by_source: { mcp: 3, scenario: 2 } };
    await check("the statistics have their documented shape", async () => {
      const { recent_scenario_ops, ...rest } = await stats(lake);
      expectEqual(rest, expected);
      expectEqual(
        recent_scenario_ops.map(({ run_id }) => run_id),
        ["run 2", "run 3"],
      );
    });
    await check("failures alike are one cluster", async () => {
      const { clusters } = await get<{ clusters: { count: number; message: string; error_class: string }[] }>(
        lake,
        "/v1/observer/failures",
      );
      expectEqual(
        clusters.map(({ count, message, error_class }) => [count, message, error_class]),
        [[2, "TimeoutError: query <n> took <n> ms", "TimeoutError"]],
      );
    });
    await asked(check, lake);
    await others(check, lake);
    await check("kill -9 and a start change nothing", async () => {
      const before = await stats(lake);
      await lake.end("SIGKILL");
      lake = await start(own);
      expectEqual(await stats(lake), before);
      const { events } = await get<{ events: { run_id?: string }[] }>(lake, "/v1/observer/events?source=mcp");
      expectEqual(
        events.map(({ run_id }) => run_id),
        ["run 4", "run 1", "run 0"],
      );
    });
  },
};
