/** A short slice of the campaign: `bun tests/campaigns/faults/power-loss.ts` is the long one. */
import { expect, test } from "bun:test";
import { fileSystems, isSnapshotDiskPossible } from "../../support/faults/snapshot-disk.ts";

if (!isSnapshotDiskPossible)
  process.stderr.write("power-loss: this user may mount no disks, or there is no XFS: skipped\n");

test.each(isSnapshotDiskPossible ? [...fileSystems] : [])(
  "the power goes, on %s: what was acknowledged is there, and nothing is taken for damage",
  async (kind) => {
    const campaign = ["tests/campaigns/faults/power-loss.ts", "--count=1", "--seed=3", `--disk=${kind}`];
    const run = Bun.spawn([process.execPath, ...campaign], { stdout: "pipe", stderr: "inherit" });
    const outcome = JSON.parse(await new Response(run.stdout).text());
    expect(outcome).toMatchObject({ cycles: 1, wrong: [] });
    expect(outcome.trackedWrites).toBeGreaterThan(5);
    expect(await run.exited).toBe(0);
  },
);
