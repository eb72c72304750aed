/**
 * Objects of datasets and indexes that are gone, cut or older: nothing older is served as current, SQL and searches say
 * which object it is, readiness and `bun run fsck` name it, and all the rest goes on.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { json } from "../support/deeds.ts";
import { runFsck } from "../support/fsck-command.ts";
import { temporaryDirectory } from "../support/in-process.ts";
import { ingest, type Product, startProduct } from "../support/product.ts";

const home = temporaryDirectory("lost-objects");
const original = join(home.path, "original");

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

beforeAll(async () => {
  mkdirSync(original);
  const product = await startProduct({ dataDir: original });
  const { url } = product;
  for (const name of ["manifest", "object", "well"]) {
    await done(ingest(url, `name=${name}`, "id,word\n1,a\n"));
    await done(ingest(url, `name=${name}&mode=append`, "id,word\n2,b\n"));
  }
  for (const name of ["segment", "well"]) {
    await done(json(url, "/v1/vectors/index", { name, dimension: 3 }));
    for (const id of ["a", "b"])
      await done(json(url, `/v1/vectors/index/${name}/add`, { items: [{ id, vector: [1, 2, id.length] }] }));
  }
  await product.end();
});
afterAll(() => home.remove());

const under = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

/** By the name of the dataset or index that is hurt: its files, the latest last, and what answers of it. */
const targets = {
  manifest: { files: (bucket: string) => under(join(bucket, "_catalog/manifests/manifest")), ask: query },
  object: { files: (bucket: string) => under(join(bucket, "datasets/object")), ask: query },
  segment: {
    files: (bucket: string) =>
      under(join(bucket, "vectors/segment")).filter((path) => path.includes("/segments/")),
    ask: search,
  },
};
const flip = (path: string) => {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};
const harms: [string, (path: string, other: string) => void][] = [
  ["a flipped bit", flip],
  ["cut by one byte", (path) => truncateSync(path, readFileSync(path).length - 1)],
  ["emptied", (path) => truncateSync(path)],
  ["removed", (path) => rmSync(path)],
  ["another one's copy", (path, other) => copyFileSync(other, path)],
];

for (const [harm, damage] of harms)
  test(`${harm}: named everywhere, and the rest goes on`, async () => {
    const copy = join(home.path, harm.replaceAll(" ", "-"));
    cpSync(original, copy, { recursive: true });
    const bucket = join(copy, "data/buckets/primary");
    const hurt = Object.entries(targets).map(([name, { files, ask }]) => {
      const [other = "", path = ""] = files(bucket).slice(-2);
      damage(path, other);
      return { name, ask, key: path.slice(bucket.length + 1) };
    });
    const product = await startProduct({ dataDir: copy });
    try {
      await look(product, hurt);
    } finally {
      await product.end();
    }
  });

async function look(
  { url }: Product,
  hurt: readonly { name: string; key: string; ask: typeof query }[],
): Promise<void> {
  for (const { name, key, ask } of hurt) {
    const { status, text } = await ask(url, name);
    expect({ name, status, text }).toEqual({ name, status: 500, text: expect.stringContaining(key) });
    expect(text).toContain('"corrupt"');
  }
  for (const ask of [query, search]) expect((await ask(url, "well")).status).toBe(200);
  const ready = await fetch(`${url}/readyz`);
  const fsck = await runFsck(["--json", "--gateway", url]);
  expect([ready.status, fsck.code]).toEqual([503, 1]);
  const told = [await ready.text(), fsck.out];
  for (const { key } of hurt) for (const text of told) expect(text).toContain(key);
}
