import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { topology } from "../../../runtime/topology.ts";
import {
  damageOf,
  done,
  json,
  Ledger,
  trackedWrites,
  unanswered,
} from "../../support/durability/tracked-writes.ts";
import { makeSmallDisk, mountable, type SmallDisk } from "../../support/faults/small-disk.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

if (mountable.length === 0) process.stderr.write("disk-full: this user may mount no disks: skipped\n");

const services = Object.keys(topology).filter((name) => name !== "gateway");
const diskBytes = 48 * 1024 * 1024;
/** So little memory that a query of a few million rows has to write to the disk. */
const env = { LH_QUERYD_MEMORY_LIMIT: "64MiB", LH_QUERYD_THREADS: "1" };
const full = /the disk is full.*free space/;

const spilling = "SELECT count(*) AS n FROM (SELECT md5(i::VARCHAR) FROM range(4000000) t(i) GROUP BY 1)";
const large = "SELECT i, md5(i::VARCHAR) AS word FROM range(100000) t(i)";

/** What queries answer that need room on the disk, with the words of a refusal. */
async function asked(url: string, sql: string, accept = "application/json") {
  const answer = await json(url, "/v1/sql", { sql }, { headers: { accept } });
  const body = await answer.arrayBuffer();
  const text = answer.ok ? "" : Buffer.from(body).toString();
  return { status: answer.status, text };
}

// One of them here; the campaign runs on the other, `bun tests/campaigns/faults/disk-full.ts --disk ext4` on either.
describe.each(mountable.slice(-1))("a full disk (%s)", (kind) => {
  let disk: SmallDisk;
  let product: Product;
  const ledger = new Ledger();
  const doAll = async (n: number) => {
    for (const tracked of trackedWrites) ledger.note(tracked, n, await done(tracked, product.url, n, full));
  };
  const start = async () => {
    product = await startProduct({ dataDir: disk.path, env });
  };

  beforeAll(async () => {
    disk = makeSmallDisk(kind, diskBytes);
    await start();
    for (const tracked of trackedWrites) await tracked.prepare?.(product.url);
    await doAll(0);
  });
  afterAll(async () => {
    await product?.end("SIGKILL");
    disk?.remove();
  });

  test("refuses writes with a clear 507 and answers questions; writes work again when there is room", async () => {
    disk.fill();
    await doAll(1);
    // With a little room some part of a write succeeds before another one fails.
    for (const [at, leave] of [4096, 12_288, 40_000, 90_000].entries()) {
      disk.empty();
      disk.fill(leave);
      await doAll(2 + at);
    }
    const refused = [...ledger.refused.values()].flat().length;
    expect(refused).toBeGreaterThan(trackedWrites.length);
    expect(await unanswered(product.url)).toEqual([]);
    expect(await ledger.faults(product.url)).toEqual([]);
    disk.empty();
    await doAll(10);
    for (const { name } of trackedWrites) expect(ledger.acknowledged.get(name)).toContain(10);
    expect(await ledger.faults(product.url)).toEqual([]);
  });

  test("a query that needs the disk is told so, and works when there is room", async () => {
    disk.fill();
    for (const answer of [
      await asked(product.url, spilling),
      await asked(product.url, large, "application/vnd.apache.parquet"),
    ]) {
      expect(answer.text).toMatch(full);
      expect(answer.status).toBe(507);
    }
    disk.empty();
    expect((await asked(product.url, large, "application/vnd.apache.parquet")).status).toBe(200);
  });

  test("a kill and a start on a full disk lose nothing; all of it is whole", async () => {
    disk.fill();
    await product.end("SIGKILL");
    await start();
    expect(await (await fetch(`${product.url}/readyz`)).json()).toEqual({ ready: true, reasons: [] });
    expect(await unanswered(product.url)).toEqual([]);
    disk.empty();
    expect(await ledger.faults(product.url)).toEqual([]);
    await doAll(11);
    for (const { name } of trackedWrites) expect(ledger.acknowledged.get(name)).toContain(11);
    expect(await product.end()).toBe(0);
    await start();
    expect(await ledger.faults(product.url)).toEqual([]);
    expect(await damageOf(product.url, services)).toEqual([]);
  });
});

test.skipIf(!mountable.includes("tmpfs"))(
  "a first start on a full disk says what is missing, and works with room",
  async () => {
    const disk = makeSmallDisk("tmpfs", diskBytes);
    try {
      disk.fill();
      await expect(startProduct({ dataDir: disk.path })).rejects.toThrow("is there room on its disk");
      disk.empty();
      const product = await startProduct({ dataDir: disk.path });
      expect((await fetch(`${product.url}/readyz`)).status).toBe(200);
      await product.end();
    } finally {
      disk.remove();
    }
  },
);
