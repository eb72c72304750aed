/** A short slice of the campaign: `bun tests/campaigns/faults/disk-full.ts` is the long one. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";
import { mountable } from "../../support/faults/small-disk.ts";

test.skipIf(!mountable.includes("tmpfs"))(
  "a disk that fills up at random instants loses and damages nothing",
  async () => {
    const { acknowledged, refused } = await slice("faults/disk-full.ts", "--count=1", "--seed=7");
    expect(acknowledged).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
);
