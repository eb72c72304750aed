/** The start: from whole manifests, damaged ones, newer ones, and a store that does not answer. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import { seal, sealKey } from "../../../../workers/catalogd/manifests/checksum.ts";
import { manifestKey } from "../../../../workers/catalogd/manifests/key.ts";
import {
  decodeManifest,
  encodeManifest,
  formatKey,
} from "../../../../workers/catalogd/manifests/manifest.ts";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

type Options = NonNullable<Parameters<typeof startCatalog>[1]>;
type Between = NonNullable<Options["between"]>;

let directory: { path: string; remove: () => void };
let catalog: Catalog;
beforeEach(async () => {
  directory = temporaryDirectory("rehydration");
  catalog = await startCatalog(directory.path);
});
afterEach(async () => {
  await catalog.stop();
  directory.remove();
});
const restart = async (options: Options = {}) => {
  await catalog.stop();
  catalog = await startCatalog(directory.path, options);
};

const register = (name: string, columns = twoColumns) =>
  catalog.verbs.register({ name, columns, objects: [] });
const ready = async () =>
  (await catalog.send(new Request("http://localhost/readyz"))).json() as Promise<{ reasons: string[] }>;
/** Readiness has no event: it is looked at until it is there. */
const rehydrated = async () => {
  while (catalog.catalogd.running.notReady?.().length !== 0) await Bun.sleep(5);
};
const store = () => catalog.storaged.peer.verbs;

/** Two versions of `hurt` and one of `well`; the head of `hurt` is then replaced by what `damage` makes of it. */
const withDamage = async (damage: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>) => {
  await register("hurt");
  await catalog.verbs.register({
    name: "hurt",
    columns: twoColumns,
    objects: [await catalog.object("datasets/hurt/1")],
  });
  await register("well");
  const key = manifestKey("hurt", 2);
  await store().write({ key, bytes: await damage((await store().read({ key })).bytes) });
  await restart();
};

/** `hurt` answers 500 everywhere, nothing older is served, and `well` works as before. */
const expectHurt = async (reason: string) => {
  const file = "_catalog/manifests/hurt/v00000002.parquet";
  const corrupt = { type: "corrupt", message: expect.stringContaining(file) };
  await expect(catalog.verbs.manifest({ name: "hurt" })).rejects.toMatchObject(corrupt);
  await expect(register("hurt")).rejects.toMatchObject(corrupt);
  await expect(register("hurt", twoColumns.slice(1))).rejects.toMatchObject(corrupt);
  await expect(catalog.verbs.drop({ name: "hurt" })).rejects.toMatchObject(corrupt);
  await expect(register("HURT")).rejects.toMatchObject({ type: "conflict" });
  const { reasons } = await ready();
  expect(reasons).toEqual([expect.stringContaining(reason)]);
  expect(reasons[0]).toContain(file);
  const unreadable = [{ name: "hurt", type: "corrupt" as const, reason: expect.stringContaining(reason) }];
  const { datasets, ...list } = await catalog.verbs.list({});
  expect(list.unreadable).toEqual(unreadable);
  expect(datasets.map(({ name }) => name)).toEqual(["well"]);
  expect((await catalog.verbs.snapshot({})).unreadable).toEqual(unreadable);
  expect(catalog.catalogd.log.some(({ level, dataset }) => level === "error" && dataset === "hurt")).toBe(
    true,
  );
  expect((await register("well")).version).toBe(1);
  expect((await register("other")).version).toBe(1);
};

const reseal = (bytes: Uint8Array, from: string, to: string) => {
  const changed = Buffer.from(bytes);
  changed.write("0".repeat(64), changed.lastIndexOf(sealKey) + sealKey.length + 2);
  changed.write(to, changed.lastIndexOf(from), "latin1");
  return seal(changed);
};

const damages: readonly (readonly [string, Parameters<typeof withDamage>[0], string])[] = [
  ["cut short", (bytes) => bytes.slice(0, bytes.length - 9), "checksum"],
  ["empty", () => new Uint8Array(), "cut short or not a manifest"],
  [
    "with one bit flipped",
    (bytes) => bytes.map((byte, at) => (at === 100 ? byte ^ 4 : byte)),
    "its checksum does not match",
  ],
  [
    "of a newer format",
    (bytes) => reseal(bytes, `${formatKey}\u0018\u00011`, `${formatKey}\u0018\u00019`),
    "its format is 9, written by a newer version",
  ],
  [
    "of another version",
    async (bytes) => encodeManifest({ ...(await decodeManifest(bytes)), version: 7 }),
    "it holds version 7 of 'hurt'",
  ],
  [
    "of another dataset",
    async (bytes) => encodeManifest({ ...(await decodeManifest(bytes)), name: "well" }),
    "it holds version 2 of 'well'",
  ],
  ["some other file", () => new TextEncoder().encode("PAR1 no PAR1"), "not a manifest"],
];

describe("a manifest", () => {
  test.each(damages)("%s hurts its dataset alone", async (_name, damage, reason) => {
    await withDamage(damage);
    await expectHurt(reason);
  });

  const onDisk = () => join(directory.path, "buckets/primary", manifestKey("hurt", 2));
  test("damaged on the disk, below storaged, hurts its dataset alone", async () => {
    await withDamage((bytes) => bytes);
    const bytes = readFileSync(onDisk());
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    writeFileSync(onDisk(), bytes);
    await restart();
    await expectHurt("hurt");
  });

  test("truncated on the disk, below storaged, hurts its dataset alone", async () => {
    await withDamage((bytes) => bytes);
    truncateSync(onDisk(), 64);
    await restart();
    await expectHurt("hurt");
  });

  test("repaired is served again after a restart, with the etag from before", async () => {
    const kept: Uint8Array[] = [];
    await withDamage((bytes) => {
      kept.push(bytes);
      return bytes;
    });
    const before = await catalog.verbs.snapshot({});
    await store().write({ key: manifestKey("hurt", 2), bytes: new Uint8Array(9) });
    await restart();
    expect((await catalog.verbs.snapshot({})).catalog_etag).not.toBe(before.catalog_etag);
    await store().write({ key: manifestKey("hurt", 2), bytes: kept[0] ?? new Uint8Array() });
    await restart();
    expect(await catalog.verbs.snapshot({})).toEqual(before);
    expect((await ready()).reasons).toEqual([]);
  });

  test("deleted by an operator gives way to the version before it when he says so", async () => {
    await withDamage(() => new Uint8Array(9));
    await store().erase({ key: manifestKey("hurt", 2) });
    await restart();
    await expectHurt("is missing: version 2 was acknowledged, and the latest there is version 1");
    await restart({ adopted: ["catalogd/hurt"] });
    // Its number is not used again, and a start after that needs no word.
    for (let starts = 0; starts < 2; starts++) {
      const now = { version: 3, parent: 2, made_by: "adopt", objects: [] };
      expect(await catalog.verbs.manifest({ name: "hurt" })).toMatchObject(now);
      expect((await ready()).reasons).toEqual([]);
      await restart();
    }
  });
});

test("columns that no query can use close their dataset alone; it can be dropped and made anew", async () => {
  const stored: readonly (readonly [string, { name: string; type: string }, string])[] = [
    ["typed", { name: "id", type: "NO_SUCH_TYPE" }, "'NO_SUCH_TYPE' is no type"],
    ["deep", { name: "id", type: `BIGINT${"[]".repeat(100)}` }, "nests 100 levels deep"],
    ["named", { name: "", type: "BIGINT" }, "a name is empty"],
  ];
  await register("well");
  for (const [name, column] of stored) {
    const manifest = await register(name);
    const columns = [{ ...column, nullable: true }];
    const key = manifestKey(name, 1);
    await store().write({ key, bytes: encodeManifest({ ...manifest, columns }) });
  }
  await restart();
  const { reasons } = await ready();
  expect(reasons.toSorted()).toEqual([
    expect.stringContaining("dataset 'deep'"),
    expect.stringContaining("dataset 'named'"),
    expect.stringContaining("dataset 'typed'"),
  ]);
  expect((await catalog.verbs.list({})).datasets.map(({ name }) => name)).toEqual(["well"]);
  for (const [name, , reason] of stored) {
    const corrupt = { type: "corrupt", message: expect.stringContaining(reason) };
    await expect(catalog.verbs.manifest({ name })).rejects.toMatchObject(corrupt);
    await expect(register(name)).rejects.toMatchObject(corrupt);
    expect(await catalog.verbs.drop({ name })).toEqual({ name, dropped: true });
    expect((await register(name)).version).toBe(3);
  }
  expect((await ready()).reasons ?? []).toEqual([]);
});

test("an older version that is damaged does not matter to the head; strange files are no versions", async () => {
  await register("old");
  const head = await catalog.verbs.register({
    name: "old",
    columns: twoColumns,
    objects: [await catalog.object("datasets/old/1")],
  });
  await store().write({ key: manifestKey("old", 1), bytes: new Uint8Array(3) });
  await store().write({ key: "_catalog/manifests/old/v00000009.parquet.bak", bytes: new Uint8Array(3) });
  await store().write({ key: "_catalog/manifests/readme", bytes: new Uint8Array(3) });
  await restart();
  expect(await catalog.verbs.manifest({ name: "old" })).toEqual(head);
  expect((await ready()).reasons).toEqual([]);
});

describe("a store that does not answer", () => {
  const unavailable = () => Promise.reject(fail("unavailable", "storaged is not running"));

  test("is asked again until it does; meanwhile every verb says so", async () => {
    await register("kept");
    const before = await catalog.verbs.snapshot({});
    let down = true;
    let asked = 0;
    const enough = Promise.withResolvers<void>();
    const between: Between = (verbs) => ({
      ...verbs,
      list: (...call) => {
        asked += 1;
        if (asked === 3) enough.resolve();
        return down ? unavailable() : verbs.list(...call);
      },
    });
    await restart({ between });
    const pending = {
      type: "unavailable",
      retryAfterSeconds: 1,
      message: expect.stringContaining("rehydrating: storaged is not running"),
    };
    const { verbs } = catalog;
    for (const call of [
      () => verbs.manifest({ name: "kept" }),
      () => verbs.list({}),
      () => verbs.snapshot({}),
      () => verbs.changes({}),
      () => verbs.drop({ name: "kept" }),
      () => register("kept"),
    ])
      await expect(call()).rejects.toMatchObject(pending);
    expect((await ready()).reasons).toEqual(["rehydrating: storaged is not running"]);
    await enough.promise;
    down = false;
    await rehydrated();
    expect(await verbs.snapshot({})).toEqual(before);
  });

  test("stops being asked at the stop", async () => {
    const between: Between = (verbs) => ({ ...verbs, list: unavailable });
    await restart({ between });
    await catalog.stop();
    catalog = await startCatalog(directory.path);
  });

  test("in the middle of the reads leaves nothing half known", async () => {
    for (const name of ["a", "b", "c"]) await register(name);
    const before = await catalog.verbs.snapshot({});
    let reads = 0;
    const between: Between = (verbs) => ({
      ...verbs,
      read: (...call) => (++reads === 2 ? unavailable() : verbs.read(...call)),
    });
    await restart({ between });
    await rehydrated();
    expect(await catalog.verbs.snapshot({})).toEqual(before);
  });

  test("while a version is written leaves the outcome to the next commit", async () => {
    let lost = true;
    const between: Between = (verbs) => ({
      ...verbs,
      write: async (...call) => {
        const info = await verbs.write(...call);
        if (!lost) return info;
        lost = false;
        throw fail("unavailable", "storaged went away");
      },
    });
    await restart({ between });
    await expect(register("torn")).rejects.toMatchObject({ type: "unavailable" });
    await expect(catalog.verbs.manifest({ name: "torn" })).rejects.toMatchObject({ type: "not_found" });
    const manifest = await register("torn");
    expect(manifest.version).toBe(1);
    expect((await store().list({ prefix: "_catalog/manifests/torn/" })).objects.length).toBe(1);
    const before = await catalog.verbs.snapshot({});
    await restart();
    expect(await catalog.verbs.snapshot({})).toEqual(before);
  });
});

describe("another writer", () => {
  test("that took the number is caught up with: its version is kept, ours comes next", async () => {
    const first = await register("shared");
    const theirs = { ...first, version: 2, parent: 1, made_by: "them", row_count: 0 };
    await store().write({ key: manifestKey("shared", 2), bytes: encodeManifest(theirs) });
    const etag = (await catalog.verbs.snapshot({})).catalog_etag;
    const waiting = catalog.verbs.changes({ since: etag });
    const ours = await catalog.verbs.register({
      name: "shared",
      columns: twoColumns,
      objects: [await catalog.object("datasets/shared/1")],
    });
    expect(ours).toMatchObject({ version: 3, parent: 2, dataset_id: first.dataset_id });
    expect((await waiting).catalog_etag).not.toBe(etag);
  });

  test("that changed the schema makes ours a drift", async () => {
    const first = await register("shared");
    const columns = twoColumns.slice(1);
    const theirs = { ...first, version: 2, parent: 1, columns, schema_fingerprint: "other" };
    await store().write({ key: manifestKey("shared", 2), bytes: encodeManifest(theirs) });
    const objects = [await catalog.object("datasets/shared/1")];
    await expect(
      catalog.verbs.register({ name: "shared", columns: twoColumns, objects }),
    ).rejects.toMatchObject({ type: "schema_drift" });
  });

  test("that left a damaged version closes the dataset", async () => {
    await register("shared");
    await store().write({ key: manifestKey("shared", 2), bytes: new Uint8Array(5) });
    const objects = [await catalog.object("datasets/shared/1")];
    await expect(
      catalog.verbs.register({ name: "shared", columns: twoColumns, objects }),
    ).rejects.toMatchObject({ type: "corrupt" });
    await expect(catalog.verbs.manifest({ name: "shared" })).rejects.toMatchObject({ type: "corrupt" });
  });

  test("that never stops makes ours give up", async () => {
    const first = await register("shared");
    const between: Between = (verbs) => ({
      ...verbs,
      write: async ({ key, ...rest }, ...more) => {
        const version = Number(key.slice(-16, -8));
        await verbs.write({ key, bytes: encodeManifest({ ...first, version }) });
        return verbs.write({ key, ...rest }, ...more);
      },
    });
    await restart({ between });
    const objects = [await catalog.object("datasets/shared/1")];
    await expect(
      catalog.verbs.register({ name: "shared", columns: twoColumns, objects }),
    ).rejects.toMatchObject({
      type: "conflict",
      message: expect.stringContaining("give the catalog one owner"),
    });
  });
});
