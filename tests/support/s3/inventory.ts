/** The inventory of a bucket called `far`, with its marks, in a data directory of its own. */
import { join } from "node:path";
import { openMarks } from "../../../runtime/marks/marks.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { openInventory } from "../../../workers/storaged/inventory/inventory.ts";

export async function inventoryIn(dataDir: string, { log, adopt = false }: { log: Log; adopt?: boolean }) {
  const marks = await openMarks({ dataDir, service: "storaged", clock: systemClock, log });
  const directory = join(dataDir, "inventory");
  const adopted = (place: string) => adopt && place === "storaged/far";
  const newId = () => crypto.randomUUID();
  const inventory = await openInventory({
    marks,
    adopted,
    log,
    newId,
    directory,
    bucket: "far",
    name: "far",
  });
  return { inventory, closeMarks: marks.close, file: join(directory, "far.sqlite") };
}
