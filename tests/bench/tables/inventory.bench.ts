/** What the inventory of a bucket costs: the same PUTs and GETs of 1 KiB with it and without, on a real server, in turn. */
import { afterAll, expect, test } from "bun:test";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import type { Bucket } from "../../../workers/storaged/bucket/bucket.ts";
import { openS3Bucket } from "../../../workers/storaged/s3/s3.ts";
import { fetchText, noise, store } from "../../conformance/bucket.ts";
import { inTurn, report, throughput } from "../../support/campaigns/measure.ts";
import { inventoryIn } from "../../support/s3/inventory.ts";
import { testS3Servers } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const log = createLog("bench", "error");
const home = temporaryDirectory("bench-inventory");
afterAll(home.remove);
const body = noise(1024);

test.each(await testS3Servers(["rgw"]))(
  "PUTs and GETs a second on $name",
  async (s3) => {
    const { inventory, closeMarks } = await inventoryIn(home.path, { log });
    const open = async (known?: typeof inventory): Promise<Bucket> => {
      const bucket = openS3Bucket({
        name: "far",
        server: s3.server(await s3.newBucket()),
        clock: systemClock,
        log,
        newId: () => crypto.randomUUID(),
        ledger: { left: () => [], begun: async () => {}, ended: async () => {} },
        ...(known && { inventory: known }),
      });
      while (bucket.notReady().length > 0) await Bun.sleep(1);
      return bucket;
    };
    const buckets = { with: await open(inventory), without: await open() };
    let made = 0;
    for (const concurrency of [1, 16]) {
      const keys = 1000;
      const of = (call: (bucket: Bucket) => Promise<unknown>) =>
        inTurn(9, {
          with: () => throughput(concurrency * 25, concurrency, () => call(buckets.with)),
          without: () => throughput(concurrency * 25, concurrency, () => call(buckets.without)),
        });
      const puts = await of((bucket) => store(bucket, `k/${made++ % keys}`, body));
      for (const bucket of Object.values(buckets)) await store(bucket, "read", body);
      const gets = await of((bucket) => fetchText(bucket, "read"));
      for (const [name, rates] of Object.entries({ puts, gets }))
        report(`inventory.${name}_${concurrency}_at_once`, {
          with_per_s: rates.with,
          without_per_s: rates.without,
          ratio: rates.without / rates.with,
        });
      expect(puts.with).toBeGreaterThan(0);
    }
    for (const bucket of Object.values(buckets)) await bucket.stop();
    await closeMarks();
  },
  240_000,
);
