/** A short slice of the campaign: `bun tests/campaigns/kills/restarts.ts` is the long one. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";

test("queryd and ingestd are restarted under load: no abort, no wrong answer, no leak", async () => {
  const { samples, answered } = await slice("kills/restarts.ts", "--count=2", "--seed=5");
  expect(answered).toBeGreaterThan(0);
  const threads = samples.map((sample: { threads: number }) => sample.threads);
  // The first sample is before any restart: the pool of native calls grows up to its size, no further.
  expect(Math.max(...threads) - threads[0]).toBeLessThan(40);
});
