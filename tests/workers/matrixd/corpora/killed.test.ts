/** A short slice of the campaign: `bun tests/campaigns/kills/matrix.ts` is the long one. */
import { expect, test } from "bun:test";
import { slice } from "../../../support/campaigns/slice.ts";

test("killed at random instants, corpora are one state whole, and leave nothing behind", async () => {
  const { cycles, searches } = await slice("kills/matrix.ts", "--count=1", "--seed=7");
  expect(cycles).toBe(1);
  expect(searches).toBeGreaterThan(0);
});
