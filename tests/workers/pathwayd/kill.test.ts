/** A short slice of the campaign: `bun tests/campaigns/kills/pathway.ts --count 100 --seed 1`. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";

test("kill -9 at random instants loses nothing that was acknowledged", async () => {
  const { cycles, acknowledged } = await slice("kills/pathway.ts", "--count=2", "--seed=5");
  expect(cycles).toBe(2);
  expect(acknowledged).toBeGreaterThan(0);
});
