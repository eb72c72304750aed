import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { topology } from "../../../runtime/topology.ts";
import {
  damageOf,
  done,
  Ledger,
  trackedWrites,
  unanswered,
} from "../../support/durability/tracked-writes.ts";
import { makeSmallDisk, mountable, type SmallDisk } from "../../support/faults/small-disk.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

if (mountable.length < 2)
  process.stderr.write("read-only: this user may not mount all disks: some skipped\n");

const services = Object.keys(topology).filter((name) => name !== "gateway");
const readOnly = /the disk is read-only \(\w+\).*make it writable/;
const diskBytes = 48 * 1024 * 1024;

const doAll = async (ledger: Ledger, url: string, n: number): Promise<string[]> => {
  const refused: string[] = [];
  for (const tracked of trackedWrites) {
    const acknowledged = await done(tracked, url, n, readOnly);
    ledger.note(tracked, n, acknowledged);
    if (!acknowledged) refused.push(tracked.name);
  }
  return refused;
};
const prepare = async (url: string) => {
  for (const tracked of trackedWrites) await tracked.prepare?.(url);
};

// The kernel makes no disk read-only by request while a log on it is open: this one has nothing but objects.
describe.skipIf(!mountable.includes("tmpfs"))(
  "the disk of the objects is made read-only, and writable",
  () => {
    const home = temporaryDirectory("read-only");
    const ledger = new Ledger();
    let disk: SmallDisk;
    let product: Product;

    beforeAll(async () => {
      disk = makeSmallDisk("tmpfs", diskBytes);
      mkdirSync(`${disk.path}/primary`);
      writeFileSync(
        `${home.path}/lakehouse.toml`,
        `[buckets.primary]\nkind = "local"\npath = "${disk.path}/primary"\n`,
      );
      product = await startProduct({ dataDir: home.path });
      await prepare(product.url);
      expect(await doAll(ledger, product.url, 0)).toEqual([]);
    });
    afterAll(async () => {
      await product?.end("SIGKILL");
      disk?.remove();
      home.remove();
    });

    test("what needs objects is refused with a 507, all else goes on; nothing has to be restarted", async () => {
      for (const n of [1, 3]) {
        disk.remount("ro");
        expect(await doAll(ledger, product.url, n)).toEqual([
          "object",
          "dataset",
          "version",
          "vectors",
          "corpus",
        ]);
        expect(await unanswered(product.url)).toEqual([]);
        expect(await ledger.faults(product.url)).toEqual([]);
        disk.remount("rw");
        expect(await doAll(ledger, product.url, n + 1)).toEqual([]);
        expect(await ledger.faults(product.url)).toEqual([]);
      }
      expect(await damageOf(product.url, services)).toEqual([]);
    });
  },
);

// What Linux does by itself when it finds a file system damaged: every open file is read-only from then on.
describe.skipIf(!mountable.includes("ext4"))("the whole disk fails and is read-only", () => {
  const ledger = new Ledger();
  let disk: SmallDisk;
  let product: Product;

  beforeAll(async () => {
    disk = makeSmallDisk("ext4", diskBytes);
    product = await startProduct({ dataDir: disk.path });
    await prepare(product.url);
    expect(await doAll(ledger, product.url, 0)).toEqual([]);
  });
  afterAll(async () => {
    await product?.end("SIGKILL");
    disk?.remove();
  });

  test("every write is refused with a 507 and questions are answered", async () => {
    disk.fail();
    expect(await doAll(ledger, product.url, 1)).toEqual(trackedWrites.map(({ name }) => name));
    expect(await unanswered(product.url)).toEqual([]);
    expect(await ledger.faults(product.url)).toEqual([]);
  });

  test("a start on it is refused with the reason; when the disk is mended all is there", async () => {
    await product.end("SIGKILL");
    await expect(startProduct({ dataDir: disk.path })).rejects.toThrow(
      "is on a read-only disk: make it writable",
    );
    disk.repair();
    product = await startProduct({ dataDir: disk.path });
    expect(await (await fetch(`${product.url}/readyz`)).json()).toEqual({ ready: true, reasons: [] });
    expect(await ledger.faults(product.url)).toEqual([]);
    expect(await damageOf(product.url, services)).toEqual([]);
    expect(await doAll(ledger, product.url, 2)).toEqual([]);
    expect(await product.end()).toBe(0);
  });
});

test.skipIf(!mountable.includes("tmpfs"))(
  "a first start on a read-only disk is refused with the reason",
  async () => {
    const disk = makeSmallDisk("tmpfs", diskBytes);
    const home = temporaryDirectory("read-only-start");
    try {
      disk.remount("ro");
      const env = { LH_DATA_DIR: `${disk.path}/data` };
      await expect(startProduct({ dataDir: home.path, env })).rejects.toThrow(
        "the disk is read-only (EROFS)",
      );
    } finally {
      disk.remove();
      home.remove();
    }
  },
);
