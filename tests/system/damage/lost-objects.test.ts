/**
 * Objects of datasets and indexes that are gone, cut or older: nothing older is served as current, SQL and searches say
 * which object it is, readiness and `bun run fsck` name it, and all the rest goes on.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runFsck } from "../../support/durability/fsck-command.ts";
import { json } from "../../support/durability/tracked-writes.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("lost-objects");

const query = async (url: string, name: string): Promise<{ status: number; text: string }> => {
  const response = await json(url, "/v1/sql", { sql: `SELECT count(*) AS n FROM ${name}` });
  return { status: response.status, text: await response.text() };
};
const search = async (url: string, name: string): Promise<{ status: number; text: string }> => {
  const response = await json(url, `/v1/vectors/index/${name}/search`, { vector: [1, 2, 3], k: 9 });
  return { status: response.status, text: await response.text() };
};
const done = async (answer: Promise<Response>): Promise<void> => {
  const response = await answer;
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  await response.arrayBuffer();
};

const makeDataset = async (url: string, name: string): Promise<void> => {
  await done(ingest(url, `name=${name}`, "id,word\n1,a\n"));
  await done(ingest(url, `name=${name}&mode=append`, "id,word\n2,b\n"));
};
const makeIndex = async (url: string, name: string): Promise<void> => {
  await done(json(url, "/v1/vectors/index", { name, dimension: 3 }));
  for (const id of ["a", "b"])
    await done(json(url, `/v1/vectors/index/${name}/add`, { items: [{ id, vector: [1, 2, id.length] }] }));
};

const under = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
const flip = (path: string) => {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};

/** What is hurt: its files by the name of the dataset or index, the latest last, and what answers of it. */
const parts = [
  { part: "manifest", folder: "_catalog/manifests", counts: /./, make: makeDataset, ask: query },
  { part: "object", folder: "datasets", counts: /./, make: makeDataset, ask: query },
  { part: "segment", folder: "vectors", counts: /\/segments\//, make: makeIndex, ask: search },
];
const harms: [string, (path: string, other: string) => void][] = [
  ["a flipped bit", flip],
  ["cut by one byte", (path) => truncateSync(path, readFileSync(path).length - 1)],
  ["emptied", (path) => truncateSync(path)],
  ["removed", (path) => rmSync(path)],
  ["another one's copy", (path, other) => copyFileSync(other, path)],
];
const targets = harms.flatMap(([harm, hurt], at) =>
  parts.map((part) => ({ ...part, harm, hurt, name: `${part.part}_${at}`, key: "" })),
);

let product: Product;
beforeAll(async () => {
  product = await startProduct({ dataDir: home.path });
  const { url } = product;
  const made = targets.map(({ make, name }) => make(url, name));
  await Promise.all([...made, makeDataset(url, "well"), makeIndex(url, "well")]);
  await product.end();
  const bucket = join(home.path, "data/buckets/primary");
  for (const target of targets) {
    const files = under(join(bucket, target.folder, target.name));
    const [other = "", path = ""] = files.filter((file) => target.counts.test(file)).slice(-2);
    target.hurt(path, other);
    target.key = path.slice(bucket.length + 1);
  }
  product = await startProduct({ dataDir: home.path });
});
afterAll(async () => {
  await product?.end();
  home.remove();
});

test.each(targets)("$part, $harm: who is asked says which object it is", async ({ ask, name, key }) => {
  const { status, text } = await ask(product.url, name);
  expect({ status, text }).toEqual({ status: 500, text: expect.stringContaining(key) });
  expect(text).toContain('"corrupt"');
});

test("the rest goes on", async () => {
  for (const ask of [query, search]) expect((await ask(product.url, "well")).status).toBe(200);
});

test("readiness and fsck name each of them, and nothing else", async () => {
  const ready = await fetch(`${product.url}/readyz`);
  const fsck = await runFsck(["--json", "--gateway", product.url]);
  expect([ready.status, fsck.code]).toEqual([503, 1]);
  for (const text of [await ready.text(), fsck.out]) {
    expect(targets.filter(({ key }) => !text.includes(key)).map(({ name }) => name)).toEqual([]);
    expect(text).not.toContain("well");
  }
});
