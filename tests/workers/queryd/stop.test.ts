/** The end of the service with queries in flight: nothing is left running, open or held, and nothing aborts. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { startQuerydStack } from "../../support/stacks/queryd.ts";

/** A campaign may ask for hundreds. */
const cycles = Number(Bun.env.LAKEHOUSE_STOP_CYCLES ?? 4);

const poolThreads = Number(Bun.env.UV_THREADPOOL_SIZE ?? 0);

const threads = () => readdirSync("/proc/self/task").length;
const files = () => readdirSync("/proc/self/fd").length;

const endless = "SELECT i, md5(i::VARCHAR) AS m FROM range(1_000_000_000_000) r(i)";
const formats = [
  "application/json",
  "application/x-ndjson",
  "text/csv",
  "application/vnd.apache.arrow.stream",
  "application/vnd.apache.parquet",
];

test(`${cycles} cycles of start, queries in every format, stop`, async () => {
  const stack = await startQuerydStack({ queryd: { max_concurrent_queries: 12, memory_limit: "256MB" } });
  try {
    await stack.dataset("data", "SELECT range AS i, 'text ' || range AS t FROM range(100_000)");
    const marks: { threads: number; files: number; rss: number }[] = [];
    for (let cycle = 0; cycle < cycles; cycle++) {
      const answers = [
        ...formats.map((accept) => stack.sql(endless, { accept })),
        ...formats.map((accept) => stack.sql("SELECT * FROM data ORDER BY t", { accept })),
        stack.sql(
          "SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b WHERE hash(a.range + b.range) = 7",
        ),
        stack.sql("SELECT list(md5(range::VARCHAR)) FROM range(100_000_000)"),
        stack.sql("SELECT nothing FROM data"),
        stack.sql(endless),
      ];
      // Some have begun to answer, some wait for their first row, some for their turn.
      while (
        (await stack.queryd.peer.verbs.queries({})).queries.filter(({ state }) => state === "running")
          .length < 8
      )
        await Bun.sleep(1);
      await Bun.sleep(cycle * 7);
      await stack.restart();
      for (const answer of answers) {
        const response = await answer;
        if (!response.bodyUsed) await response.text().catch(() => {});
        expect([200, 400, 422, 503]).toContain(response.status);
      }
      expect(await stack.rows("SELECT count(*) AS n FROM data")).toEqual([{ n: 100_000 }]);
      Bun.gc(true);
      marks.push({ threads: threads(), files: files(), rss: Math.round(process.memoryUsage().rss / 1e6) });
    }
    const [, first] = marks;
    const last = marks.at(-1);
    expect(readdirSync(`${stack.directory}/queryd/results`)).toEqual([]);
    // DuckDB has two threads in each run; one leaked a cycle would show. The work pool makes its own when they are needed.
    expect(last?.threads).toBeLessThanOrEqual((first?.threads ?? 0) + 3 + poolThreads);
    expect(last?.files).toBeLessThanOrEqual((first?.files ?? 0) + 3);
    expect(last?.rss).toBeLessThan((first?.rss ?? 0) + 150);
    if (cycles > 20)
      process.stderr.write(`${JSON.stringify([marks[1], marks[Math.floor(cycles / 2)], last])}\n`);
  } finally {
    await stack.stop();
  }
});
