/** What was begun and is gone is refused by name while the rest serves, in one process; `--adopt` accepts it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runFsck } from "../../support/durability/fsck-command.ts";
import { type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("store");
const data = join(home.path, "data");
const aside = join(home.path, "aside");
afterAll(home.remove);

/** A product over the directory while the work lasts. */
async function during<T>(work: (product: Product) => Promise<T>, flags: string[] = []): Promise<T> {
  const product = await startProduct({ dataDir: home.path, flags });
  try {
    return await work(product);
  } finally {
    await product.end();
  }
}
const ask = async (product: Product, path: string, body?: string) => {
  const response = await fetch(product.url + path, body === undefined ? {} : { method: "POST", body });
  return { status: response.status, text: await response.text() };
};

/** Where nobody else matters: vectord would wait for its bucket before it is ready. */
const storagedAlone = ["--only=gateway,storaged"];
/** Resolves when storaged has all its buckets. */
const back = async ({ addresses }: Product) => {
  while ((await fetch(`${addresses.storaged}/readyz`)).status !== 200) await Bun.sleep(50);
};

beforeAll(() =>
  during(async (product) => {
    expect((await ask(product, "/v1/ingest?name=people", "id\n1\n")).status).toBe(200);
    expect(await ask(product, "/readyz")).toMatchObject({ status: 200 });
  }),
);

test("a folder that is gone closes its service alone, and says so everywhere; one with answers alone refuses keys that it may have known", async () => {
  const asideOf = (name: string) => `${aside}-${name}`;
  for (const name of ["pathwayd", "catalogd"]) renameSync(join(data, name), asideOf(name));
  mkdirSync(join(data, "catalogd"));
  await during(async (product) => {
    const refused = await ask(product, "/v1/pathway/stats");
    expect(refused.status).toBe(500);
    expect(JSON.parse(refused.text).error).toMatchObject({
      type: "corrupt",
      message: expect.stringContaining("the folder of pathwayd is gone or emptied"),
    });
    // What holds nothing but answers goes on without them.
    expect(await sql(product.url, "SELECT * FROM people")).toEqual([{ id: 1 }]);
    for (const path of ["/readyz", "/v1/system"]) {
      const { text } = await ask(product, path);
      expect(text).toMatch(/pathwayd.*gone or emptied.*--adopt=pathwayd/s);
      expect(text).toContain("the folder of catalogd is gone or emptied");
    }
    const own = await fetch(`${product.addresses.pathwayd}/readyz`);
    expect([own.status, await own.text()]).toEqual([503, expect.stringContaining("gone or emptied")]);
    const { code, out } = await runFsck(["pathwayd", "queryd", "--gateway", product.url]);
    expect(code).toBe(1);
    expect(out).toContain("DAMAGE    pathwayd/");
    expect(out).toContain("--adopt=pathwayd");
    expect(out).toContain("queryd     whole");
    const dropped = await fetch(`${product.addresses.catalogd}/catalog/manifest/people`, {
      method: "DELETE",
      headers: { "idempotency-key": "a-key-from-before" },
    });
    expect([dropped.status, await dropped.text()]).toEqual([
      500,
      expect.stringContaining("Idempotency-Keys"),
    ]);
  });
  expect(readdirSync(join(data, "pathwayd"))).not.toContain("traces.log");
  rmSync(join(data, "pathwayd"), { recursive: true });
  renameSync(asideOf("pathwayd"), join(data, "pathwayd"));
  await during(
    async (product) => {
      // The one folder is back, the other one is accepted.
      expect(await ask(product, "/readyz")).toMatchObject({ status: 200 });
      await product.said(/"place":"catalogd","accepted":"the folder of catalogd is gone or emptied/);
      await product.said(/nothing is to be adopted there.*"places":\["queryd"\]/);
    },
    ["--adopt=catalogd,queryd"],
  );
  rmSync(asideOf("catalogd"), { recursive: true });
});

test("a place that cannot be is refused at once, with those that can", async () => {
  await expect(during(async () => {}, ["--adopt=pathwyd"])).rejects.toThrow(
    /there is no place 'pathwyd'; expected a bucket \(primary, warehouse\), a service's folder \(.*pathwayd.*\)/,
  );
});

test("a bucket whose mount is lost is closed by name and left alone, and opens by itself when it is back", async () => {
  const root = join(data, "buckets/primary");
  renameSync(root, aside);
  mkdirSync(root);
  await during(async (product) => {
    for (const path of ["/readyz", "/v1/system"])
      expect((await ask(product, path)).text).toMatch(
        /storaged.*bucket 'primary' is gone or emptied.*--adopt=primary/s,
      );
    const got = await ask(product, "/v1/storage/list");
    expect([got.status, got.text]).toEqual([
      503,
      expect.stringContaining("bucket 'primary' is gone or emptied"),
    ]);
    const put = await fetch(`${product.url}/v1/storage/put/new.txt`, { method: "PUT", body: "x" });
    expect([put.status, await put.text()]).toEqual([503, expect.stringContaining("gone or emptied")]);
    expect((await ask(product, "/v1/ingest?name=people&mode=append", "id\n2\n")).status).toBe(503);
    // What needs no bucket goes on.
    expect((await ask(product, "/v1/pathway/stats")).status).toBe(200);
    const { code, out } = await runFsck(["storaged", "pathwayd", "--gateway", product.url]);
    expect(code).toBe(1);
    expect(out).toMatch(/DAMAGE {4}primary:\/\/\n.*gone or emptied.*--adopt=primary/);
    expect(readdirSync(root)).toEqual([]);

    rmSync(root, { recursive: true });
    renameSync(aside, root);
    while ((await ask(product, "/readyz")).status !== 200) await Bun.sleep(100);
    expect(await sql(product.url, "SELECT * FROM people")).toEqual([{ id: 1 }]);
  });
});

test("a bucket whose format cannot be read is closed by name and opens by itself; one that goes away while it is used is not written to", async () => {
  const root = join(data, "buckets/primary");
  const format = join(root, ".lakehouse", "format.json");
  const whole = readFileSync(format);
  writeFileSync(format, "");
  await during(async (product) => {
    const { status, text } = await ask(product, "/v1/storage/list");
    expect([status, text]).toEqual([503, expect.stringContaining("format.json is damaged")]);
    const own = await fetch(`${product.addresses.storaged}/readyz`);
    expect([own.status, await own.text()]).toEqual([503, expect.stringContaining("format.json is damaged")]);
    expect((await ask(product, "/readyz")).text).toContain("format.json is damaged");
    const { code, out } = await runFsck(["storaged", "--gateway", product.url]);
    expect([code, out]).toEqual([1, expect.stringContaining("format.json is damaged")]);
    writeFileSync(format, whole);
    await back(product);
    expect(await ask(product, "/v1/storage/list?prefix=datasets/people/")).toEqual({
      status: 200,
      text: expect.stringContaining(".parquet"),
    });

    renameSync(root, aside);
    mkdirSync(root);
    const put = await fetch(`${product.url}/v1/storage/put/new.txt`, { method: "PUT", body: "x" });
    expect([put.status, await put.text()]).toEqual([503, expect.stringContaining("gone or emptied")]);
    expect((await ask(product, "/v1/storage/get/never-there")).status).toBe(503);
    expect((await ask(product, "/v1/storage/list")).status).toBe(503);
    expect(readdirSync(root)).toEqual([]);
    rmSync(root, { recursive: true });
    renameSync(aside, root);
    await back(product);
    expect((await ask(product, "/v1/storage/get/never-there")).status).toBe(404);
  }, storagedAlone);
});

test("another store's bucket is refused by name, and taken by --adopt alone; what it holds stays", async () => {
  const elsewhere = temporaryDirectory("store-elsewhere");
  const flags = [`--buckets={ primary = { kind = "local", path = "${join(data, "buckets/primary")}" } }`];
  const start = (more: string[] = []) =>
    startProduct({ dataDir: elsewhere.path, flags: [...flags, ...more] });
  try {
    const refused = await start(storagedAlone);
    expect((await ask(refused, "/readyz")).text).toMatch(
      /is bucket 'primary' of another store \(.*--adopt=primary/,
    );
    await refused.end();
    const adopting = await start(["--adopt=primary"]);
    while ((await ask(adopting, "/readyz")).status !== 200) await Bun.sleep(100);
    expect(await sql(adopting.url, "SELECT * FROM people")).toEqual([{ id: 1 }]);
    expect(adopting.log()).toMatch(/"place":"primary","accepted":".*another store/);
    const own = readdirSync(join(data, "buckets/primary/.lakehouse"));
    expect(own.filter((name) => name.startsWith("stamp.json.adopted-"))).toHaveLength(1);
    await adopting.end();
    // From now on it is not the first one's.
    await during(
      async (product) => expect((await ask(product, "/readyz")).text).toContain("of another store"),
      storagedAlone,
    );
  } finally {
    elsewhere.remove();
  }
});
