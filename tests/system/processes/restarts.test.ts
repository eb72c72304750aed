import { expect, test } from "bun:test";

test("queryd and ingestd are restarted under load: no abort, no wrong answer, no leak", async () => {
  const run = Bun.spawn(
    [process.execPath, "tests/campaigns/kills/restarts.ts", "--count", "8", "--seed", "5"],
    {
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [printed, logged, code] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
    run.exited,
  ]);
  expect(`${code} ${code === 0 ? "" : logged.slice(-2000)}`).toBe("0 ");
  const { wrong, samples, answered } = JSON.parse(printed);
  expect(wrong).toEqual([]);
  expect(answered).toBeGreaterThan(0);
  const threads = samples.map((sample: { threads: number }) => sample.threads);
  // The first sample is before any restart: the pool of native calls grows up to its size, no further.
  expect(Math.max(...threads) - threads[0]).toBeLessThan(40);
});
