/**
 * What was acknowledged and is not there any more, or is older, closes its dataset by name; nothing older is served, and
 * nothing is registered over it. Marks that lag behind, as a kill leaves them, close nothing.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { manifestKey } from "../../../../workers/catalogd/manifests/key.ts";
import { encodeManifest } from "../../../../workers/catalogd/manifests/manifest.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

let directory: { path: string; remove: () => void };
let catalog: Catalog;
const start = async (adopted: string[] = []) => {
  catalog = await startCatalog(directory.path, { adopted });
};
const restart = async (harm: () => unknown = () => {}, adopted: string[] = []) => {
  await catalog.stop();
  await harm();
  await start(adopted);
};
beforeEach(async () => {
  directory = temporaryDirectory("lost");
  await start();
  await register("well");
});
afterEach(async () => {
  await catalog.stop();
  directory.remove();
});

let made = 0;
/** Each one is another version. */
const register = async (name: string) => {
  made += 1;
  const objects = [await catalog.object(`datasets/${name}/${made}`)];
  return catalog.verbs.register({ name, columns: twoColumns, objects });
};
const bucket = () => join(directory.path, "buckets/primary");
const fileOf = (version: number, name = "a") => join(bucket(), manifestKey(name, version));
/** As if something without storaged had removed it, the sidecars with it. */
const sidecars = () => join(bucket(), ".lakehouse/meta");
const erase = (key: string) => catalog.storaged.peer.verbs.erase({ key });
const reasons = () => catalog.catalogd.running.notReady?.() ?? [];
const damage = async () => {
  const found = await findingsOf(catalog.catalogd.running.durable as Durable);
  return found.filter(({ severity }) => severity === "damage");
};

/** `a` answers 500 by name everywhere, and `well` works. */
const expectClosed = async (text: string, name = "a") => {
  const corrupt = { type: "corrupt", status: 500, message: expect.stringContaining(text) };
  await expect(catalog.verbs.manifest({ name })).rejects.toMatchObject(corrupt);
  await expect(register(name)).rejects.toMatchObject(corrupt);
  await expect(catalog.verbs.admit({ name })).rejects.toMatchObject(corrupt);
  await expect(catalog.verbs.drop({ name })).rejects.toMatchObject(corrupt);
  expect(reasons()).toEqual([expect.stringContaining(`dataset '${name}': `)]);
  expect(reasons()[0]).toContain(text);
  const { datasets, unreadable } = await catalog.verbs.list({});
  expect(unreadable).toEqual([{ name, type: "corrupt", reason: expect.stringContaining(text) }]);
  expect(datasets.map((each) => each.name)).toEqual(["well"]);
  expect((await catalog.verbs.snapshot({})).unreadable).toEqual(unreadable);
  const found = (await damage()).filter(({ place }) => place.includes(`/manifests/${name}/`));
  expect(found.length).toBeGreaterThan(0);
  for (const { remedy } of found) {
    expect(remedy).toContain("put it back from a backup");
    expect(remedy).toContain(`--adopt=catalogd/${name}`);
  }
  expect((await register("well")).version).toBeGreaterThan(1);
};

const flip = (path: string) => {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};
const harms: [string, (path: string, before: string) => void][] = [
  ["a flipped bit", flip],
  ["cut by one byte", (path) => truncateSync(path, readFileSync(path).length - 1)],
  ["emptied", (path) => truncateSync(path)],
  ["removed", (path) => rmSync(path)],
  ["a copy of an earlier one", (path, before) => copyFileSync(before, path)],
];

describe.each(harms)("the latest manifest, %s on the disk", (_, harm) => {
  test.each([2, 3])("of %d versions", async (count) => {
    for (let version = 1; version <= count; version++) await register("a");
    await restart(() => harm(fileOf(count), fileOf(count - 1)));
    await expectClosed(manifestKey("a", count));
  });
});

describe("manifests that nobody knows of in storage", () => {
  beforeEach(async () => {
    for (let version = 1; version <= 3; version++) await register("a");
  });

  test.each([
    [
      "the latest",
      [3],
      "v00000003.parquet is missing: version 3 was acknowledged, and the latest there is version 2",
      5,
    ],
    [
      "the latest two",
      [2, 3],
      "v00000003.parquet is missing: version 3 was acknowledged, and the latest there is version 1",
      5,
    ],
    ["all", [1, 2, 3], "v00000003.parquet is missing: version 3 was acknowledged, and none is there", 5],
    ["one in the middle", [2], "v00000002.parquet is missing, and later versions are there", 4],
    ["the first", [1], "v00000001.parquet is missing, and later versions are there", 4],
  ])("%s", async (_, versions, text, next) => {
    for (const version of versions) await erase(manifestKey("a", version));
    // Who runs goes on with what it knows, and an inspection reports it.
    expect((await catalog.verbs.manifest({ name: "a" })).version).toBe(3);
    expect((await damage()).map(({ place }) => place)).toContain(
      `primary://${manifestKey("a", Math.max(...versions))}`,
    );
    await restart();
    await expectClosed(text);
    await restart();
    await expectClosed(text);
    // Taken as it is: nothing is deleted, and no number is used twice.
    await restart(undefined, ["catalogd/a"]);
    expect([reasons(), await damage()]).toEqual([[], []]);
    expect((await register("a")).version).toBe(next);
    await restart();
    expect([reasons(), await damage()]).toEqual([[], []]);
  });
});

test("the latest manifest with its sidecar, and the whole catalog, from below storaged", async () => {
  await register("a");
  await register("a");
  await restart(() => {
    rmSync(join(bucket(), "_catalog"), { recursive: true });
    rmSync(sidecars(), { recursive: true });
  });
  for (const name of ["a", "well"])
    await expect(catalog.verbs.manifest({ name })).rejects.toMatchObject({ type: "corrupt" });
  expect(reasons().toSorted()).toEqual([
    expect.stringContaining("dataset 'a': its manifest _catalog/manifests/a/v00000002.parquet is missing"),
    expect.stringContaining(
      "dataset 'well': its manifest _catalog/manifests/well/v00000001.parquet is missing",
    ),
  ]);
  expect(await catalog.verbs.list({})).toMatchObject({ datasets: [] });
  await restart(undefined, ["catalogd/*"]);
  expect([reasons(), await damage()]).toEqual([[], []]);
  expect((await register("a")).version).toBe(4);
});

test("a dataset that was dropped does not come back with its tombstone gone", async () => {
  await register("a");
  await catalog.verbs.drop({ name: "a" });
  await erase(manifestKey("a", 2));
  await restart();
  await expectClosed("v00000002.parquet is missing");
});

test("another version under the number that was acknowledged is not it", async () => {
  await register("a");
  const second = await register("a");
  const key = manifestKey("a", 2);
  const bytes = encodeManifest({ ...second, created_at: new Date(0).toISOString() });
  await catalog.storaged.peer.verbs.write({ key, bytes });
  await restart();
  await expectClosed("is not the one that was acknowledged: it was made at 1970-01-01");
  await restart(undefined, ["catalogd/a"]);
  expect(reasons()).toEqual([]);
});

test("versions that were committed together are known one by one", async () => {
  const registrations = ["p", "q"].map((name) => ({ name, columns: twoColumns, objects: [] }));
  await catalog.verbs.commit({ registrations });
  await erase(manifestKey("q", 1));
  // What the manifest of the other holds is written once more.
  await restart();
  expect(reasons()).toEqual([]);
  expect((await catalog.verbs.manifest({ name: "q" })).version).toBe(1);
  await register("p");
  await erase(manifestKey("q", 1));
  await restart();
  await expect(catalog.verbs.manifest({ name: "q" })).rejects.toMatchObject({ type: "corrupt" });
  expect((await catalog.verbs.manifest({ name: "p" })).version).toBe(2);
});

describe("no false alarm", () => {
  test("where a kill came between the manifest and its mark", async () => {
    await register("a");
    const marks = join(directory.path, "marks");
    cpSync(marks, `${directory.path}-marks`, { recursive: true });
    await register("a");
    await register("new");
    await restart(() => {
      rmSync(marks, { recursive: true });
      cpSync(`${directory.path}-marks`, marks, { recursive: true });
      rmSync(`${directory.path}-marks`, { recursive: true });
    });
    expect([reasons(), await damage()]).toEqual([[], []]);
    expect((await catalog.verbs.manifest({ name: "a" })).version).toBe(2);
    // What was taken is marked.
    await erase(manifestKey("new", 1));
    await restart();
    await expect(catalog.verbs.manifest({ name: "new" })).rejects.toMatchObject({ type: "corrupt" });
  });

  test("where the data directory is new, and the bucket is not", async () => {
    await register("a");
    await restart(() => {
      for (const name of readdirSync(directory.path))
        if (name !== "buckets") rmSync(join(directory.path, name), { recursive: true });
    }, ["primary"]);
    expect(existsSync(fileOf(1))).toBe(true);
    expect([reasons(), (await catalog.verbs.manifest({ name: "a" })).version]).toEqual([[], 1]);
  });
});
