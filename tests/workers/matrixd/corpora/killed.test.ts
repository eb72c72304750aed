/** A short slice of the campaign: `bun tests/campaigns/kills/matrix.ts` is the long one. */
import { expect, test } from "bun:test";

test("killed at random instants, corpora are one state whole, and leave nothing behind", async () => {
  const run = Bun.spawn(
    [process.execPath, "tests/campaigns/kills/matrix.ts", "--count", "3", "--seed", "7"],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const told = JSON.parse(await new Response(run.stdout).text());
  expect(told).toMatchObject({ cycles: 3, wrong: [] });
  expect(told.searches).toBeGreaterThan(3);
});
