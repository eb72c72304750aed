/**
 * Fills the disk of a running product at random instants, leaves a little room or none, gives the space back or kills
 * the process first, while everything that is kept is written at once: `bun tests/campaigns/faults/disk-full.ts [--count 20]
 * [--seed 1] [--disk tmpfs|ext4]`. Prints one JSON line; exits 1 when something acknowledged was lost, something
 * refused is there in part, a refusal was unclear, or a service finds damage. Needs root.
 */
import { topology } from "../../../runtime/topology.ts";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import {
  damageOf,
  done,
  Ledger,
  type TrackedWrite,
  trackedWrites,
  unanswered,
} from "../../support/durability/tracked-writes.ts";
import { type DiskKind, makeSmallDisk } from "../../support/faults/small-disk.ts";
import { startProduct } from "../../support/product/product.ts";

const rules = campaignRules(20, ["disk"]);
const { random } = rules;
const kind = (rules.given("disk") ?? "tmpfs") as DiskKind;

/** Grows with the count: what is written stays. */
const diskBytes = (48 + 4 * rules.count) * 1024 * 1024;
const services = Object.keys(topology).filter((name) => name !== "gateway");
const full = /the disk is full.*free space/;
/** Deeds of each kind between two fillings, at most; the disk must not fill by them alone. */
const deedsMax = 6;

const disk = makeSmallDisk(kind, diskBytes);
const ledger = new Ledger();
const outcomes = { disk: kind, acknowledged: 0, refused: 0, unknown: 0, wrong: [] as string[] };
const { wrong } = outcomes;
let product = await startProduct({ dataDir: disk.path });
let next = 0;

/** One kind, one after the other, until the cycle is over; a deed that the kill cut off may have happened or not. */
async function keepDoing(
  tracked: TrackedWrite,
  cycle: { isOver: boolean; isKilled: boolean },
): Promise<void> {
  for (let at = 0; at < deedsMax && !cycle.isOver; at++) {
    const n = next++;
    try {
      const acknowledged = await done(tracked, product.url, n, full);
      ledger.note(tracked, n, acknowledged);
      outcomes[acknowledged ? "acknowledged" : "refused"] += 1;
    } catch (cause) {
      outcomes.unknown += 1;
      if (!cycle.isKilled) wrong.push(String(cause).slice(0, 500));
    }
  }
}

for (const tracked of trackedWrites) await tracked.prepare?.(product.url);
for (const tracked of trackedWrites) ledger.note(tracked, 0, await done(tracked, product.url, next, full));
next = 1;
await runCampaign({
  name: "disk-full",
  rules,
  outcomes,
  cycle: async () => {
    const cycle = { isOver: false, isKilled: false };
    const working = trackedWrites.map((tracked) => keepDoing(tracked, cycle));
    await Bun.sleep(random() * 60);
    disk.fill(random() < 0.5 ? 0 : Math.floor(random() * 200_000));
    await Bun.sleep(random() * 300);
    const questions = await unanswered(product.url);
    const isKilled = random() < 0.34;
    if (isKilled) {
      cycle.isKilled = true;
      await product.end("SIGKILL");
    }
    const startsFull = random() < 0.5;
    if (!startsFull) disk.empty();
    if (isKilled) product = await startProduct({ dataDir: disk.path });
    disk.empty();
    cycle.isOver = true;
    await Promise.all(working);
    wrong.push(
      ...questions,
      ...(await ledger.faults(product.url)),
      ...(await damageOf(product.url, services)),
    );
    return `${outcomes.acknowledged} acknowledged`;
  },
  end: async () => {
    const code = await product.end();
    if (code !== 0) wrong.push(`the product ended with ${code}`);
    disk.remove();
  },
});
