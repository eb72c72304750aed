/** A short slice of the campaign: `bun tests/campaigns/kills/playbooks.ts --count 100 --seed 1`. */
import { expect, test } from "bun:test";
import { slice } from "../../../support/campaigns/slice.ts";

test("playbooks and profiles survive SIGKILL at random instants: nothing acknowledged is lost", async () => {
  const { cycles, acknowledged } = await slice("kills/playbooks.ts", "--count=1", "--seed=7");
  expect(cycles).toBe(1);
  expect(acknowledged).toBeGreaterThan(0);
});
