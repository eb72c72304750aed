/**
 * Writes with and without an Idempotency-Key while the product is killed with SIGKILL, or with `--apart 1` one service
 * of many processes: `bun tests/campaigns/kills/keyed.ts [--count 20] [--seed 1] [--apart 1] [--writes 40] [--keyed 0.7]`.
 * Afterwards a 503 was not carried out and a 2xx was, and those with a key are sent again: each is carried out once, and
 * answered alike. Prints one JSON line; exits 1 when something was wrong.
 */

import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { killAmong, type Lake, noOutcomes, prepareWrites } from "../../support/durability/keyed-kills.ts";
import { ownAddress } from "../../support/product/addresses.ts";
import { apartNames, startApart } from "../../support/product/apart.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(20, ["apart", "writes", "keyed"]);
const isApart = rules.given("apart") !== undefined;
const writes = Number(rules.given("writes") ?? 40);
const keyed = Number(rules.given("keyed") ?? 0.7);
const home = temporaryDirectory("keyed");
const outcomes = noOutcomes();

async function together(): Promise<Lake & { end: () => Promise<unknown> }> {
  const env = { LH_GATEWAY_BIND: ownAddress() };
  let product: Product = await startProduct({ dataDir: home.path, env });
  return {
    url: () => product.url,
    kill: async () => {
      await product.end("SIGKILL");
      product = await startProduct({ dataDir: home.path, env });
    },
    end: () => product.end("SIGKILL"),
  };
}

async function apart(): Promise<Lake & { end: () => Promise<unknown> }> {
  const lake = await startApart(home.path, {});
  const names = apartNames.filter((name) => !["queryd", "embedd", "chatd"].includes(name));
  return {
    url: () => lake.url,
    kill: async () => {
      const name = names[Math.floor(rules.random() * names.length)] as string;
      await lake.send(name, "SIGKILL");
      await lake.start(name);
    },
    end: lake.end,
  };
}

const lake = await (isApart ? apart() : together());
await prepareWrites(lake.url());
await runCampaign({
  name: isApart ? "keyed, apart" : "keyed",
  rules,
  outcomes,
  cycle: async (at) => {
    await killAmong(lake, { from: at * writes, count: writes, keyed, random: rules.random }, outcomes);
    return `${outcomes.writes} writes, ${outcomes.doubled} doubled, ${outcomes.lost} lost`;
  },
  end: async () => {
    await lake.end();
    home.remove();
  },
});
