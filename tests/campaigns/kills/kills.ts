/**
 * Kills the product with SIGKILL at random instants while everything that is kept is written at once, all services in one
 * process or one of those in processes of their own, on disk or with the primary bucket on a real S3 server:
 * `bun tests/campaigns/kills/kills.ts [--count 100] [--seed 1] [--mode one|apart] [--s3 rgw|seaweedfs]`. After each start all that
 * was acknowledged must be there, what was not whole or not at all, and no service may find damage. Prints one JSON line;
 * exits 1 when something was wrong.
 */
import { topology } from "../../../runtime/topology.ts";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { startWriting } from "../../support/durability/backup-drill.ts";
import { damageOf, trackedWrites, unanswered } from "../../support/durability/tracked-writes.ts";
import { type Apart, apartNames, startApart } from "../../support/product/apart.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { bucketFlags } from "../../support/s3/lake.ts";
import { s3Names, testS3 } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(100, ["mode", "s3"]);
const { random } = rules;
const mode = rules.given("mode") ?? "one";
if (mode !== "one" && mode !== "apart") throw new Error("--mode: expected one or apart");
const asked = rules.given("s3");
const server = s3Names.find((name) => name === asked);
if (asked !== undefined && !server) throw new Error(`--s3: expected one of ${s3Names.join(", ")}`);
const s3 = server && (await testS3(server));
const services = Object.keys(topology).filter((name) => name !== "gateway");
/** Kills on one directory: what is written stays, and each start reads all of it. */
const killsOfOne = 25;

const outcomes = {
  trackedWrites: 0,
  unknown: 0,
  killed: {} as Record<string, number>,
  wrong: [] as string[],
};

/** A product that can be killed and started again over the same directory. */
interface Lake {
  url: () => string;
  /** Kills what has its turn; gives the name of it, and how to start it again. */
  kill: () => Promise<{ what: string; start: () => Promise<unknown> }>;
  end: () => Promise<void>;
}

async function inOne(directory: string, flags: readonly string[]): Promise<Lake> {
  let product: Product = await startProduct({ dataDir: directory, flags });
  return {
    url: () => product.url,
    kill: async () => {
      await product.end("SIGKILL");
      const start = async () => {
        product = await startProduct({ dataDir: directory, flags });
      };
      return { what: "all", start };
    },
    end: async () => void (await product.end("SIGKILL")),
  };
}

async function apart(directory: string, flags: readonly string[]): Promise<Lake> {
  const lake: Apart = await startApart(directory, {}, flags);
  return {
    url: () => lake.url,
    kill: async () => {
      const what = apartNames[Math.floor(random() * apartNames.length)] ?? "";
      await lake.send(what, "SIGKILL");
      return { what, start: () => lake.start(what) };
    },
    end: lake.end,
  };
}

let home: ReturnType<typeof temporaryDirectory> | undefined;
let lake: Lake | undefined;
let next = 0;

async function end(): Promise<void> {
  await lake?.end();
  home?.remove();
}

async function begin(): Promise<Lake> {
  await end();
  home = temporaryDirectory("campaign-kills");
  const flags = s3 ? await bucketFlags(home.path, { primary: s3 }) : [];
  lake = await (mode === "one" ? inOne : apart)(home.path, flags);
  await ready(lake.url());
  for (const tracked of trackedWrites) await tracked.prepare?.(lake.url());
  // Questions are about the first of each kind.
  const first = startWriting(lake.url(), 0);
  await first.more(1);
  await first.stop();
  next = 1000;
  return lake;
}

async function ready(url: string): Promise<void> {
  for (;;) {
    const isReady = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await Bun.sleep(20);
  }
}

await runCampaign({
  name: "kills",
  rules,
  outcomes,
  cycle: async (at) => {
    const running = at % killsOfOne === 0 || !lake ? await begin() : lake;
    const writing = startWriting(running.url(), next);
    await writing.more(1);
    await Bun.sleep(random() * 200);
    const { what, start } = await running.kill();
    const acknowledged = writing.acknowledged();
    await writing.stop();
    next += 1000;
    await start();
    await ready(running.url());
    outcomes.killed[what] = (outcomes.killed[what] ?? 0) + 1;
    const expected = writing.expected(acknowledged);
    outcomes.trackedWrites += [...expected.acknowledged.values()].flat().length;
    outcomes.unknown += [...expected.refused.values()].flat().length;
    const say = (fault: string) => outcomes.wrong.push(`kill ${at + 1}, of ${what}: ${fault}`);
    for (const fault of await expected.faults(running.url())) say(fault);
    for (const fault of await unanswered(running.url())) say(fault);
    for (const fault of await damageOf(running.url(), services)) say(fault);
    return `${outcomes.trackedWrites} acknowledged`;
  },
  end: async () => {
    await end();
    await s3?.stop();
  },
});
