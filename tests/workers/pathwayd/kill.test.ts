/** A short slice of the campaign: `bun tests/campaigns/kills/pathway.ts --count 100 --seed 1`. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const campaign = join(import.meta.dir, "../../campaigns/kills/pathway.ts");

test("kill -9 at random instants loses nothing that was acknowledged", async () => {
  const run = Bun.spawn([process.execPath, campaign, "--count", "4", "--seed", "5"], { stderr: "inherit" });
  const text = await new Response(run.stdout).text();
  const outcome = JSON.parse(text);
  expect({ code: await run.exited, wrong: outcome.wrong, cycles: outcome.cycles }).toEqual({
    code: 0,
    wrong: [],
    cycles: 4,
  });
  expect(outcome.acknowledged).toBeGreaterThan(4);
});
