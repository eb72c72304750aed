/** A short slice of the campaign: `bun tests/campaigns/kills/vectors.ts` is the long one. */
import { expect, test } from "bun:test";

test("vectors survive SIGKILL at random instants: nothing acknowledged is lost, nothing half done", async () => {
  const run = Bun.spawn(
    [process.execPath, "tests/campaigns/kills/vectors.ts", "--count", "2", "--seed", "7"],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const outcome = JSON.parse(await new Response(run.stdout).text());
  expect(outcome).toMatchObject({ cycles: 2, wrong: [] });
  expect(outcome.acknowledged).toBeGreaterThan(3);
  expect(await run.exited).toBe(0);
});
