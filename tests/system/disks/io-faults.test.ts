/** A slice of the campaign (tests/campaigns/faults/io-faults.ts): single calls on files fail while everything is written. */
import { expect, test } from "bun:test";
import { seeded } from "../../support/campaigns/seeded.ts";
import { anyFault, createDrill, type Spot } from "../../support/faults/io-drill.ts";
import { calls, shim } from "../../support/faults/io-faults.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const faults = 4;

if (shim.program === undefined) process.stderr.write(`io-faults: ${shim.lacks}: skipped\n`);

test.skipIf(shim.program === undefined)(
  "a call that fails is named, loses nothing that was acknowledged, and is over when it is over",
  async () => {
    const { path, remove } = temporaryDirectory("io-faults");
    const random = seeded(20);
    const drill = await createDrill(path);
    try {
      const spots = await drill.spots(calls);
      for (let at = 0; at < faults; at++)
        await drill.fail(anyFault(spots[Math.floor(random() * spots.length)] as Spot, random));
      await drill.restart("SIGKILL");
    } finally {
      await drill.end();
      remove();
    }
    expect(drill.outcomes.wrong).toEqual([]);
    expect(drill.outcomes.refused).toBeGreaterThan(0);
  },
);
