/** A backup is of one moment: what was done because something else had been acknowledged is not in it alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { command } from "../../support/durability/backup-command.ts";
import { absent, type TrackedWrite, trackedWrites } from "../../support/durability/tracked-writes.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

/** From the service whose point is taken first to the one whose point is taken last, and back again. */
const steps = ["event", "trace", "object"].map(
  (name) => trackedWrites.find((tracked) => tracked.name === name) as TrackedWrite,
);
const stepOf = (n: number): TrackedWrite => steps[n % steps.length] as TrackedWrite;
const chains = [0, 1];
const firstOf = (chain: number): number => chain * 100_000;

const home = temporaryDirectory("backup-moment");
let product: Product;
beforeAll(async () => {
  product = await startProduct({ dataDir: home.path });
});
afterAll(async () => {
  await product?.end();
  home.remove();
});

test("what was acknowledged before it is in it, and nothing without what it followed on", async () => {
  let over = false;
  const ends = chains.map(async (chain) => {
    let n = firstOf(chain);
    for (; !over; n++) {
      const answer = await stepOf(n).act(product.url, n);
      await answer.text();
      if (!answer.ok) throw new Error(`${n}: ${answer.status}`);
    }
    return n;
  });
  const points: string[] = [];
  for (let round = 0; round < 2; round++) {
    const ran = await command("backup", [join(home.path, "kept"), "--gateway", product.url, "--json"], {
      cwd: home.path,
    });
    if (ran.code !== 0) throw new Error(ran.err);
    points.push(JSON.parse(ran.out).point);
  }
  over = true;
  const last = await Promise.all(ends);
  await product.end();

  for (const point of points) {
    const target = temporaryDirectory("backup-moment-restored");
    const words = [join(home.path, "kept"), `--data_dir=${target.path}/data`, `--at=${point}`];
    expect((await command("restore", words, { cwd: home.path })).code).toBe(0);
    const restored = await startProduct({ dataDir: target.path });
    for (const chain of chains) {
      const numbers = Array.from(
        { length: (last[chain] ?? 0) - firstOf(chain) },
        (_, at) => firstOf(chain) + at,
      );
      const found: number[] = [];
      for (const n of numbers) if ((await stepOf(n).find(restored.url, n)) !== absent) found.push(n);
      expect(found).toEqual(numbers.slice(0, found.length));
      expect(found.length).toBeGreaterThan(0);
    }
    await restored.end();
    target.remove();
  }
});
