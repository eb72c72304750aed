/** A short slice of the campaign: `bun tests/campaigns/faults/power-loss.ts` is the long one. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";
import { fileSystems, isSnapshotDiskPossible } from "../../support/faults/snapshot-disk.ts";

if (!isSnapshotDiskPossible)
  process.stderr.write("power-loss: this user may mount no disks, or there is no XFS: skipped\n");

// One of them here: the long one takes --disk.
test.each(isSnapshotDiskPossible ? fileSystems.slice(0, 1) : [])(
  "the power goes, on %s: what was acknowledged is there, and nothing is taken for damage",
  async (kind) => {
    const words = ["--count=1", "--seed=3", `--disk=${kind}`];
    const { cycles, trackedWrites } = await slice("faults/power-loss.ts", ...words);
    expect(cycles).toBe(1);
    expect(trackedWrites).toBeGreaterThan(0);
  },
);
