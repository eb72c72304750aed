/** A short slice of the campaign: `bun tests/campaigns/kills/playbooks.ts --count 100 --seed 1`. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const campaign = join(import.meta.dir, "../../../campaigns/kills/playbooks.ts");

test("playbooks and profiles survive SIGKILL at random instants: nothing acknowledged is lost", async () => {
  const run = Bun.spawn([process.execPath, campaign, "--count", "2", "--seed", "7"], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const outcome = JSON.parse(await new Response(run.stdout).text());
  expect(outcome).toMatchObject({ cycles: 2, wrong: [] });
  expect(outcome.acknowledged).toBeGreaterThan(10);
  expect(await run.exited).toBe(0);
});
