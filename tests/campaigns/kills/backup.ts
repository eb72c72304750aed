/**
 * Kills backups, and the product while it is backed up, with SIGKILL at random instants while everything is written
 * to: `bun tests/campaigns/kills/backup.ts [--count 30] [--seed 1]`. After each kill the backup must be whole and hold no half
 * point, the next one must go on, and every so often the newest point is restored: what was acknowledged before it
 * began must be there. Prints one JSON line; exits 1 when something was wrong.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seeded } from "../../support/campaigns/seeded.ts";
import { begin, command } from "../../support/durability/backup-command.ts";
import { startWriting, type Writing } from "../../support/durability/backup-drill.ts";
import { trackedWrites } from "../../support/durability/tracked-writes.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const { values } = parseArgs({
  options: { count: { type: "string", default: "30" }, seed: { type: "string", default: "1" } },
});
const count = Number(values.count);
const random = seeded(Number(values.seed));
const home = temporaryDirectory("campaign-backup");
const kept = join(home.path, "kept");
const outcomes = { killed: 0, cut: 0, completed: 0, restored: 0, trackedWrites: 0, wrong: [] as string[] };
const wrong = (what: string) => outcomes.wrong.push(what);

let product: Product = await startProduct({ dataDir: home.path });
for (const tracked of trackedWrites) await tracked.prepare?.(product.url);
let next = 0;
/** What restored points are held against: all writers there were, each with what was acknowledged before. */
const past: { writing: Writing; acknowledged: Map<string, number[]> }[] = [];
let writing = startWriting(product.url, next);
const startAgain = async () => {
  past.push({ writing, acknowledged: writing.acknowledged() });
  next += 1000;
  product = await startProduct({ dataDir: home.path });
  writing = startWriting(product.url, next);
};

const backup = () => [kept, "--gateway", product.url, "--json"];
const points = async () => {
  const { code, out, err } = await command("backup", [kept, "--list", "--json"], { cwd: home.path });
  // Killed before there was anything.
  if (code !== 0 && !/is no backup/.test(err)) wrong(`the list: ${out}${err}`);
  return code === 0 ? (JSON.parse(out).points as { point: string }[]).map(({ point }) => point) : [];
};

async function checkRestored(point: string, known: typeof past): Promise<void> {
  const target = temporaryDirectory("campaign-restored");
  const words = [kept, `--data_dir=${target.path}/data`, `--at=${point}`];
  // One that is killed goes on.
  const first = begin("restore", words, { cwd: home.path });
  await Bun.sleep(random() * 1500);
  first.kill("SIGKILL");
  await first.exited;
  const ran = await command("restore", words, { cwd: home.path });
  const isDone = /is not empty/.test(ran.err);
  if (ran.code !== 0 && !isDone) wrong(`restore of ${point}: ${ran.err}`);
  else {
    const restored = await startProduct({ dataDir: target.path });
    for (const { writing: each, acknowledged } of known) {
      const faults = await each.expected(acknowledged).faults(restored.url);
      outcomes.wrong.push(...faults.map((fault) => `point ${point}: ${fault}`));
      outcomes.trackedWrites += [...acknowledged.values()].flat().length;
    }
    await restored.end("SIGKILL");
    outcomes.restored += 1;
  }
  target.remove();
}

for (let round = 0; round < count; round++) {
  await writing.more(1);
  const before = await points();
  const child = begin("backup", backup(), { cwd: home.path });
  const ended = new Response(child.stderr).text();
  await Bun.sleep(random() * 3000);
  if (random() < 0.6) {
    child.kill("SIGKILL");
    await child.exited;
    outcomes.killed += 1;
  } else {
    await product.end("SIGKILL");
    const code = await child.exited;
    const said = await ended;
    if (code !== 0 && / {4}at |^unexpected: /m.test(said))
      wrong(`a backup of a killed product says: ${said}`);
    outcomes.cut += 1;
    await writing.stop();
    await startAgain();
  }
  const after = await points();
  if (after.length > before.length + 1 || before.some((point) => !after.includes(point)))
    wrong(`points were ${before.join(", ")} and are ${after.join(", ")}`);
  if (round % 3 !== 2 && round !== count - 1) continue;
  const known = [...past, { writing, acknowledged: writing.acknowledged() }];
  const ran = await command("backup", backup(), { cwd: home.path });
  if (ran.code !== 0) {
    wrong(`a backup after kills: ${ran.err}`);
    continue;
  }
  outcomes.completed += 1;
  const verified = await command("backup", [kept, "--verify"], { cwd: home.path });
  if (verified.code !== 0) wrong(`after kills: ${verified.out}`);
  // Nobody writes meanwhile: what is looked for would grow faster than it is found.
  await product.end("SIGKILL");
  await writing.stop();
  await checkRestored(JSON.parse(ran.out).point, known);
  if (round < count - 1) await startAgain();
}
await product.end("SIGKILL");
await writing.stop();
home.remove();
process.stdout.write(`${JSON.stringify({ count, seed: Number(values.seed), ...outcomes })}\n`);
process.exit(outcomes.wrong.length === 0 ? 0 : 1);
