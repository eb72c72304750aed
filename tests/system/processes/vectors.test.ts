/** A short slice of the campaign: `bun tests/campaigns/kills/vectors.ts` is the long one. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";

test("vectors survive SIGKILL at random instants: nothing acknowledged is lost, nothing half done", async () => {
  const { cycles, acknowledged } = await slice("kills/vectors.ts", "--count=1", "--seed=7");
  expect(cycles).toBe(1);
  expect(acknowledged).toBeGreaterThan(0);
});
