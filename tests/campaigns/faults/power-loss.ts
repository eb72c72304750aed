/**
 * Takes the power from a running product at random instants while everything that is kept is written:
 * `bun tests/campaigns/faults/power-loss.ts [--count 100] [--seed 1] [--disk ext4|xfs]`. What had reached the disk at that instant
 * is mounted beside it, and a product started on that: all that was acknowledged before must be there, what was under way
 * whole or not at all, and no service may take what a power loss leaves for damage. Prints one JSON line; exits 1 when
 * something was wrong. Needs root.
 */
import { topology } from "../../../runtime/topology.ts";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { startWriting } from "../../support/durability/backup-drill.ts";
import { damageOf, trackedWrites, unanswered } from "../../support/durability/tracked-writes.ts";
import { fileSystems, makeSnapshotDisk, type SnapshotDisk } from "../../support/faults/snapshot-disk.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

const rules = campaignRules(100, ["disk"]);
const kind = fileSystems.find((name) => name === (rules.given("disk") ?? "ext4"));
if (!kind) throw new Error(`--disk: expected one of ${fileSystems.join(", ")}`);
const services = Object.keys(topology).filter((name) => name !== "gateway");
const diskBytes = 2 * 1024 * 1024 * 1024;
/** Losses on one disk: what is written stays, and is looked at each time. */
const lossesOfOne = 10;

const outcomes = { trackedWrites: 0, unknown: 0, wrong: [] as string[] };
let disk: SnapshotDisk | undefined;
let product: Product | undefined;
let next = 0;

async function begin(): Promise<Product> {
  await product?.end("SIGKILL");
  disk?.remove();
  disk = makeSnapshotDisk(kind ?? "ext4", diskBytes);
  product = await startProduct({ dataDir: disk.path });
  for (const tracked of trackedWrites) await tracked.prepare?.(product.url);
  // Questions are about the first of each kind.
  await (await startedWriting(product.url, 0)).stop();
  next = 1000;
  return product;
}

async function startedWriting(url: string, first: number) {
  const writing = startWriting(url, first);
  await writing.more(1);
  return writing;
}

await runCampaign({
  name: "power-loss",
  rules,
  outcomes,
  cycle: async (at) => {
    const running = at % lossesOfOne === 0 || !product ? await begin() : product;
    const writing = await startedWriting(running.url, next);
    await Bun.sleep(rules.random() * 300);
    const acknowledged = writing.acknowledged();
    const after = disk?.losePower();
    await writing.stop();
    next += 1000;
    const expected = writing.expected(acknowledged);
    outcomes.trackedWrites += [...expected.acknowledged.values()].flat().length;
    outcomes.unknown += [...expected.refused.values()].flat().length;
    const again = await startProduct({ dataDir: after?.mount() ?? "" });
    const say = (what: string) => outcomes.wrong.push(`loss ${at + 1}: ${what}`);
    for (const fault of await damageOf(again.url, services)) say(fault);
    for (const fault of await expected.faults(again.url)) say(fault);
    for (const fault of await unanswered(again.url)) say(fault);
    await again.end("SIGKILL");
    after?.remove();
    return `${outcomes.trackedWrites} acknowledged`;
  },
  end: async () => {
    await product?.end("SIGKILL");
    disk?.remove();
  },
});
