/** A slice of tests/campaigns/kills/keyed.ts: keyed writes of every kind, and a kill among them. */
import { expect, test } from "bun:test";
import { seeded } from "../../support/campaigns/seeded.ts";
import { killAmong, noOutcomes, prepareWrites } from "../../support/durability/keyed-kills.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

test("after a kill each keyed write is carried out once and answered; what was refused was not done", async () => {
  const home = temporaryDirectory("keyed");
  let product: Product = await startProduct({ dataDir: home.path });
  const lake = {
    url: () => product.url,
    kill: async () => {
      await product.end("SIGKILL");
      product = await startProduct({ dataDir: home.path });
    },
  };
  try {
    await prepareWrites(product.url);
    const outcomes = noOutcomes();
    const random = seeded(7);
    await killAmong(lake, { from: 0, count: 30, keyed: 0.8, random }, outcomes);
    expect(outcomes).toMatchObject({ writes: 30, doubled: 0, lost: 0, unknown: {}, wrong: [] });
  } finally {
    await product.end("SIGKILL");
    home.remove();
  }
});
