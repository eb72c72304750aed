/** Two storageds on one bucket of an S3 server: the second one is kept out, whatever it is a copy of. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Product, startProduct } from "../../support/product/product.ts";
import { isStopped } from "../../support/product/sigstop.ts";
import { bucketFlags } from "../../support/s3/lake.ts";
import { testS3Servers } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

describe.each(await testS3Servers(["rgw"]))("one bucket on $name", (s3) => {
  const home = temporaryDirectory("one-writer");
  afterAll(home.remove);
  const folder = (name: string): string => {
    mkdirSync(join(home.path, name), { recursive: true });
    return join(home.path, name);
  };
  const running: Product[] = [];
  afterAll(() => Promise.all(running.map((product) => product.end("SIGKILL"))));
  const start = async (name: string, flags: readonly string[], leaseMs: number) => {
    const env = { LH_STORAGED_S3_LEASE_MS: String(leaseMs) };
    const product = await startProduct({ dataDir: folder(name), flags: ["--only=storaged", ...flags], env });
    running.push(product);
    return product;
  };
  const readiness = async ({ addresses }: Product) => (await fetch(`${addresses.storaged}/readyz`)).text();
  const ready = async (product: Product) => {
    while (!(await readiness(product)).includes('"ready":true')) await Bun.sleep(50);
    return product;
  };
  const saying = async (product: Product, text: string) => {
    while (!(await readiness(product)).includes(text)) await Bun.sleep(50);
  };
  const put = async ({ addresses }: Product, key: string) => {
    const answer = await fetch(`${addresses.storaged}/storage/put/${key}`, { method: "PUT", body: key });
    return { status: answer.status, text: await answer.text() };
  };
  /** The longest that may be: nothing here waits for it to expire. */
  const long = 600_000;

  test("a second store is refused by its stamp, and by the lease where it adopts; the first is not disturbed", async () => {
    const flags = await bucketFlags(folder("flags"), { primary: s3 });
    const first = await ready(await start("a", flags, long));
    expect((await put(first, "from-a")).status).toBe(201);

    const second = await start("b", flags, long);
    await saying(second, "is bucket 'primary' of another store");
    expect((await put(second, "x")).status).toBe(503);
    await second.end();
    const adopting = await start("b", [...flags, "--adopt=primary"], long);
    await saying(adopting, "bucket 'primary' is held by another Lakehouse (process");
    expect(await put(adopting, "x")).toMatchObject({
      status: 503,
      text: expect.stringContaining("is held by"),
    });
    expect(await readiness(first)).toContain('"ready":true');
    expect((await put(first, "y")).status).toBe(201);

    // Stopped, it gives the bucket back, and the other one has it without being started again.
    await first.end();
    await ready(adopting);
    const kept = await fetch(`${adopting.addresses.storaged}/storage/get/from-a`);
    expect(await kept.text()).toBe("from-a");
    expect((await put(adopting, "x")).status).toBe(201);
    await adopting.end();
    const late = await start("a", flags, long);
    await saying(late, "is bucket 'primary' of another store");
    await late.end();
  });

  test("after kill -9 it has its bucket back at once; a copy of its directory is kept out, also while it is held", async () => {
    const flags = await bucketFlags(folder("flags"), { primary: s3 });
    const killed = await ready(await start("c", flags, long));
    expect((await put(killed, "before")).status).toBe(201);
    await killed.end("SIGKILL");
    const again = await ready(await start("c", flags, long));
    expect((await put(again, "after")).status).toBe(201);

    cpSync(join(home.path, "c/data"), join(folder("copy"), "data"), { recursive: true });
    const copy = await start("copy", flags, long);
    await saying(copy, "bucket 'primary' is held by another Lakehouse (process");
    expect((await put(copy, "copied")).status).toBe(503);
    expect((await put(again, "still")).status).toBe(201);
    await copy.end();
    await again.end();
  });

  test("one that was held while its lease ran out and another came writes no more, and says so", async () => {
    const flags = await bucketFlags(folder("flags"), { primary: s3 });
    const first = await ready(await start("d", flags, 3000));
    process.kill(first.pid, "SIGSTOP");
    while (!isStopped(first.pid)) await Bun.sleep(1);
    cpSync(join(home.path, "d/data"), join(folder("heir"), "data"), { recursive: true });
    const heir = await ready(await start("heir", flags, 3000));
    expect((await put(heir, "k")).status).toBe(201);
    process.kill(first.pid, "SIGCONT");
    const refused = await put(first, "k");
    expect(refused).toMatchObject({
      status: 503,
      text: expect.stringContaining("was taken by another Lakehouse"),
    });
    expect(await readiness(first)).toContain("was taken by another Lakehouse");
    expect((await put(heir, "k")).status).toBe(200);
    await heir.end();
    await first.end();
    await ready(await start("d", flags, 3000));
  });
});
