/** `kill -9` while rows are changed: every version is whole, and what was acknowledged is there. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { killed } from "../../../support/durability/killed.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startIngestStack } from "../../../support/stacks/ingestd.ts";

const kills = Number(process.env.CHANGE_KILLS ?? 1);
const program = join(import.meta.dir, "../../../fixtures/ingestd/change-loop.ts");

test(`${kills} kills between data and version`, async () => {
  const directory = temporaryDirectory("change-kill");
  const random = seeded(7);
  try {
    for (let round = 0; round < kills; round++) {
      const lines = await killed([program, directory.path], {
        lines: 1 + Math.floor(random() * 4),
        moreMs: random() * 60,
      });
      const stack = await startIngestStack({}, {}, {}, directory.path);
      const { version } = await stack.catalogd.manifest({ name: "d" });
      expect(version).toBeGreaterThanOrEqual(Math.max(...lines.map(Number)));
      for (let at = version; at > version - 3; at--) {
        const { operation } = await stack.catalogd.manifest({ name: "d", version: at });
        if (operation !== "update") continue;
        const [row] = await stack.rows(`SELECT count(*) AS rows, count(DISTINCT n) AS values FROM "d@${at}"`);
        expect(row).toEqual({ rows: 9, values: 1 });
      }
      expect(await stack.leftovers()).toEqual([]);
      await stack.stop();
    }
  } finally {
    directory.remove();
  }
});
