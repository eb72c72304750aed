/** Expiry: exactly what no kept version needs goes, at whatever instant it is cut off, and the chain is whole after it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { fail } from "../../../../runtime/errors/errors.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { type ApiCase, runCase } from "../../../support/clients/api-case.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { killed } from "../../../support/durability/killed.ts";
import {
  type Catalog,
  type CatalogManifest,
  startCatalog,
  twoColumns,
} from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

let directory: { path: string; remove: () => void };
let catalog: Catalog;
/** What is added to the time. */
let shift = 0;
/** Called before each call of storaged's verbs that change something, or that ask for an object or read it. */
let before: (verb: string, key: string) => Promise<void> | void = () => {};

const start = async () => {
  catalog = await startCatalog(directory.path, {
    clock: { ...systemClock, now: () => systemClock.now() + shift },
    between: (verbs) => ({
      ...verbs,
      read: async (input, options) => {
        await before("read", input.key);
        return verbs.read(input, options);
      },
      head: async (input, options) => {
        await before("head", input.key);
        return verbs.head(input, options);
      },
      write: async (input, options) => {
        await before("write", input.key);
        return verbs.write(input, options);
      },
      erase: async (input, options) => {
        await before("erase", input.key);
        return verbs.erase(input, options);
      },
    }),
  });
};
const restart = async (harm = () => {}) => {
  await catalog.stop();
  harm();
  await start();
  expect(catalog.catalogd.running.notReady?.()).toEqual([]);
};
beforeEach(async () => {
  directory = temporaryDirectory("expiry");
  shift = 0;
  before = () => {};
  await start();
});
afterEach(async () => {
  await catalog.stop();
  directory.remove();
});

const keyOf = (name: string, at: number) => `datasets/${name}/${at}`;
const version = async (name: string, at: number, operation: "replace" | "append" = "replace") =>
  catalog.verbs.register({
    ...{ name, columns: twoColumns, operation },
    objects: [await catalog.object(keyOf(name, at), `${name} ${at}`)],
  });
const expire = (
  name: string,
  keep_versions: number,
  more: { older_than_days?: number; dry_run?: boolean } = {},
) => catalog.verbs.expire({ name, keep_versions, older_than_days: 0, ...more });
const keys = async (prefix: string) =>
  (await catalog.storaged.peer.verbs.list({ prefix, page_size: 10_000 })).objects.map(({ key }) => key);
const numbers = async (name: string) =>
  (await catalog.verbs.versions({ name, page_size: 1000 })).versions.map((each) => each.version);
const findings = () => findingsOf(catalog.catalogd.running.durable as Durable);
const damage = async () => (await findings()).filter(({ severity }) => severity === "damage");
/** Every version that is listed, with its objects in storage. */
const expectWhole = async (name: string) => {
  for (const number of await numbers(name)) {
    const found = await catalog.verbs.manifest({ name, version: number }).catch((cause) => {
      if (String(cause.message).includes("is its drop")) return { objects: [] };
      throw cause;
    });
    for (const { key, etag } of found.objects)
      expect((await catalog.storaged.peer.verbs.head({ key })).etag).toBe(etag);
  }
};

test("60 replaces leave one object and few manifests, and a start that knows no marks takes the chain for whole", async () => {
  for (let at = 1; at <= 60; at++) await version("jobs", at);
  const told = await expire("jobs", 1, { dry_run: true });
  expect(told).toMatchObject({ dry_run: true, first_version: 60 });
  expect(told.versions).toEqual(Array.from({ length: 59 }, (_, at) => at + 1));
  expect(told.objects.map(({ key }) => key).sort()).toEqual(
    Array.from({ length: 59 }, (_, at) => keyOf("jobs", at + 1)).sort(),
  );
  expect(told.bytes).toBe(told.objects.reduce((sum, { bytes }) => sum + bytes, 0));
  expect(await keys("datasets/jobs/")).toHaveLength(60);
  expect(await numbers("jobs")).toHaveLength(60);

  const done = await expire("jobs", 1);
  expect({ ...done, objects: done.objects.length }).toEqual({ ...told, dry_run: false, objects: 59 });
  expect(await keys("datasets/jobs/")).toEqual([keyOf("jobs", 60)]);
  expect(await keys("_catalog/manifests/jobs/")).toHaveLength(2);
  expect(await catalog.verbs.manifest({ name: "jobs" })).toMatchObject({
    ...{ version: 61, parent: 60, operation: "expire", copy_of: "jobs@60", first_version: 60 },
  });
  expect(await numbers("jobs")).toEqual([61, 60]);
  expect(await findings()).toEqual([]);
  await restart();
  await restart(() => rmSync(join(directory.path, "marks"), { recursive: true }));
  expect(await numbers("jobs")).toEqual([61, 60]);
  await version("jobs", 62);
  expect(await numbers("jobs")).toEqual([62, 61, 60]);
  await expectWhole("jobs");
  await restart();
  expect(await findings()).toEqual([]);
});

test.each(["read", "head"] as const)(
  "what is expired between the list and a %s of an inspection is no damage",
  async (verb) => {
    for (let at = 1; at <= 5; at++) await version("jobs", at);
    let isExpired = false;
    before = async (called) => {
      if (called !== verb || isExpired) return;
      isExpired = true;
      await expire("jobs", 2);
    };
    expect(await damage()).toEqual([]);
    expect([isExpired, await numbers("jobs")]).toEqual([true, [6, 5, 4]]);
    expect(await findings()).toEqual([]);
  },
);

test("what an expiry that goes on is about to remove is no leftover", async () => {
  for (let at = 1; at <= 5; at++) await version("jobs", at);
  // Old enough to be orphans, were they nobody's.
  const hourAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const key of await keys("datasets/jobs/"))
    utimesSync(join(directory.path, "buckets/primary", key), hourAgo, hourAgo);
  const committed = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  before = async (verb) => {
    if (verb !== "erase") return;
    committed.resolve();
    await goOn.promise;
  };
  const expiring = expire("jobs", 2);
  await committed.promise;
  let objectsWereAsked = false;
  const erasing = before;
  before = async (verb, key) => {
    if (verb === "head") objectsWereAsked = true;
    await erasing(verb, key);
  };
  const found = findings();
  // The inspection has read all that there is, and removals go on only now.
  while (!objectsWereAsked) await Bun.sleep(1);
  goOn.resolve();
  await expiring;
  expect(await found).toEqual([]);
});

test("what goes is beyond the latest and was replaced long enough ago, both", async () => {
  const dayMs = 24 * 60 * 60 * 1000;
  for (let at = 1; at <= 6; at++) {
    await version("jobs", at); // One a day: version n is replaced on day n + 1.
    shift += dayMs;
  }
  const first = async (keep: number, older_than_days: number) =>
    (await expire("jobs", keep, { older_than_days, dry_run: true })).first_version;
  expect(await first(1, 0)).toBe(6);
  expect(await first(4, 0)).toBe(3);
  expect(await first(1, 2.5)).toBe(4); // What was the latest 2.5 days ago stays.
  expect(await first(4, 2.5)).toBe(3);
  expect(await first(100, 0)).toBe(1);
  expect(await first(1, 100)).toBe(1);
  const etag = (await catalog.verbs.snapshot({})).catalog_etag;
  expect(await expire("jobs", 1, { older_than_days: 100 })).toMatchObject({ versions: [], objects: [] });
  expect((await catalog.verbs.snapshot({})).catalog_etag).toBe(etag);
  await expire("jobs", 2);
  expect(await numbers("jobs")).toEqual([7, 6, 5]);
  // Again and again it is the same, and makes no version.
  expect(await expire("jobs", 2)).toMatchObject({ versions: [], objects: [], first_version: 5 });
  expect(await numbers("jobs")).toEqual([7, 6, 5]);
});

test("objects that any kept version names stay: of this chain, of another dataset, of a new name; and what nobody ingested", async () => {
  await version("jobs", 1);
  await version("jobs", 2, "append");
  const own = await catalog.object("mine/own");
  await catalog.verbs.register({ name: "jobs", columns: twoColumns, objects: [own] });
  const shared = await catalog.object(keyOf("jobs", 1), "jobs 1");
  await catalog.verbs.register({ name: "other", columns: twoColumns, objects: [shared] });
  await version("other", 9);
  await catalog.verbs.drop({ name: "other" });
  await version("moved", 1);
  await catalog.verbs.rename({ name: "moved", to: "there" });
  await version("jobs", 4);
  const { objects } = await expire("jobs", 1);
  expect(objects.map(({ key }) => key)).toEqual([keyOf("jobs", 2)]);
  expect((await expire("moved", 1)).objects).toEqual([]);
  for (const name of ["jobs", "other", "there"]) await expectWhole(name);
  expect(await keys("mine/")).toEqual(["mine/own"]);
  expect((await findings()).filter(({ severity }) => severity === "damage")).toEqual([]);
});

test("a dataset that was dropped goes wholly, and says so", async () => {
  await version("gone", 1);
  await catalog.verbs.drop({ name: "gone" });
  await expire("gone", 2);
  expect(await catalog.verbs.undrop({ name: "gone" })).toMatchObject({ version: 3 });
  await catalog.verbs.drop({ name: "gone" });
  expect((await expire("gone", 1)).objects).toEqual([{ key: keyOf("gone", 1), bytes: 6 }]);
  await expect(catalog.verbs.undrop({ name: "gone" })).rejects.toMatchObject({
    type: "not_found",
    message: expect.stringContaining("version 3 of 'gone' was expired"),
  });
  expect(await findings()).toEqual([]);
  await restart(() => rmSync(join(directory.path, "marks"), { recursive: true }));
  expect(await expire("gone", 1)).toMatchObject({ versions: [] });
  expect(await version("gone", 2)).toMatchObject({ version: 6 });
  expect(await damage()).toEqual([]);
});

test("what was expired is said to be: by number, by time, in a rollback", async () => {
  const first = await version("jobs", 1);
  shift += 1000;
  await version("jobs", 2);
  shift += 1000;
  await expire("jobs", 1);
  const rows: [Partial<ApiCase>, string][] = [
    [
      { path: "/catalog/manifest/jobs?version=1" },
      "version 1 of 'jobs' was expired: 'jobs' has versions 2 to 3",
    ],
    [
      { path: `/catalog/manifest/jobs?as_of=${first.created_at}` },
      "versions before 2 were expired, and that one is of 20",
    ],
    [{ method: "POST", path: "/catalog/rollback/jobs", body: { version: 1 } }, "was expired"],
    [{ path: "/catalog/diff/jobs?from=1" }, "was expired"],
  ];
  for (const [row, text] of rows)
    await runCase({ name: "", path: "", ...row, type: "not_found", contains: [text] }, catalog.send);
});

describe("cut off", () => {
  test("at any write or removal nothing that is kept is lost, and the next one ends it", async () => {
    for (let left = 0; ; left++) {
      const name = `jobs_${left}`;
      for (let at = 1; at <= 3; at++) await version(name, at);
      let calls = 0;
      before = (verb) => {
        if (/erase|write/.test(verb) && calls++ >= left) throw fail("unavailable", "cut off");
      };
      const outcome = await expire(name, 1).then(
        () => "done",
        () => "cut off",
      );
      before = () => {};
      await restart();
      expect(await damage()).toEqual([]);
      await expectWhole(name);
      expect(await catalog.verbs.manifest({ name })).toMatchObject({
        objects: [{ key: keyOf(name, 3) }],
        row_count: 1,
      });
      await expire(name, 1);
      expect(await keys(`datasets/${name}/`)).toEqual([keyOf(name, 3)]);
      expect(await keys(`_catalog/manifests/${name}/`)).toHaveLength(2);
      expect(await findings()).toEqual([]);
      if (outcome === "done") return expect(left).toBe(5); // One commit, two objects, two manifests.
    }
  });

  test("by kill -9, whenever", async () => {
    await catalog.stop();
    const random = seeded(7);
    const program = join(import.meta.dir, "../../../fixtures/catalogd/expire-loop.ts");
    for (let round = 0; round < 3; round++) {
      const lines = await killed([program, directory.path, String(round)], {
        lines: 5 + Math.floor(random() * 40),
        moreMs: random() * 20,
      });
      await start();
      expect(catalog.catalogd.running.notReady?.()).toEqual([]);
      const acknowledged = lines.map((line): CatalogManifest => JSON.parse(line));
      for (const name of ["a", "b"]) {
        const last = acknowledged.findLast((made) => made.name === name);
        if (!last) continue;
        const { version: head } = await catalog.verbs.manifest({ name });
        expect(head).toBeGreaterThanOrEqual(last.version);
        if ((await numbers(name)).includes(last.version))
          expect(await catalog.verbs.manifest({ name, version: last.version })).toEqual(last);
        await expectWhole(name);
      }
      expect(await damage()).toEqual([]);
      await catalog.stop();
    }
    await start();
  });
});

describe("beside others", () => {
  test("a version that came to name an object before its removal keeps it", async () => {
    await version("jobs", 1);
    await version("jobs", 2);
    const looked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    before = async (verb, key) => {
      if (verb !== "head" || key !== keyOf("jobs", 1)) return;
      looked.resolve();
      await go.promise;
    };
    const object = await catalog.object(keyOf("jobs", 1), "jobs 1");
    const registering = catalog.verbs.register({ name: "late", columns: twoColumns, objects: [object] });
    await looked.promise;
    const expiring = expire("jobs", 1);
    while ((await numbers("jobs")).at(0) !== 3) await Bun.sleep(0);
    go.resolve();
    expect(await registering).toMatchObject({ version: 1 });
    expect((await expiring).objects).toEqual([]);
    await expectWhole("late");
  });

  test("one that comes to name it while it is removed is refused, and nothing is done", async () => {
    await version("jobs", 1);
    await version("jobs", 2);
    const object = await catalog.object(keyOf("jobs", 1), "jobs 1");
    const register = () => catalog.verbs.register({ name: "late", columns: twoColumns, objects: [object] });
    let refused: Promise<unknown> | undefined;
    before = async (verb, key) => {
      if (verb === "erase" && key === keyOf("jobs", 1)) refused = await register().catch((cause) => cause);
    };
    await expire("jobs", 1);
    expect(refused).toMatchObject({ type: "unavailable", retryAfterSeconds: 1 });
    await expect(register()).rejects.toMatchObject({ type: "unprocessable" });
    await version("jobs", 1);
    expect(await register()).toMatchObject({ version: 1 });
  });

  test("while another dataset cannot be read nothing is removed", async () => {
    await version("jobs", 1);
    await version("jobs", 2);
    await version("bad", 1);
    await version("bad", 2);
    const key = "_catalog/manifests/bad/v00000001.parquet";
    const { bytes } = await catalog.storaged.peer.verbs.read({ key });
    await catalog.storaged.peer.verbs.write({ key, bytes: bytes.slice(9) });
    await expect(expire("jobs", 1)).rejects.toMatchObject({
      type: "corrupt",
      message: expect.stringContaining(
        "nothing is removed, as it is not known what version 1 of 'bad' needs",
      ),
    });
    expect(await numbers("jobs")).toEqual([2, 1]);
    expect(await keys("datasets/jobs/")).toHaveLength(2);
    await catalog.storaged.peer.verbs.write({ key, bytes });
  });
});

test("bad input", async () => {
  await version("jobs", 1);
  const invalid = { type: "invalid_field" } as const;
  const row = (body: Record<string, unknown>, more: Partial<ApiCase>): ApiCase => ({
    ...{ name: JSON.stringify(body), method: "POST", path: "/catalog/expire/jobs", body, ...invalid },
    ...more,
  });
  const rows = [
    row({}, { contains: ["keep_versions"] }),
    row({ keep_versions: 1 }, { contains: ["older_than_days"] }),
    row({ older_than_days: 1 }, { contains: ["keep_versions"] }),
    row({ keep_versions: 0, older_than_days: 1 }, {}),
    row({ keep_versions: 1.5, older_than_days: 1 }, {}),
    row({ keep_versions: "1", older_than_days: 1 }, {}),
    row({ keep_versions: 1, older_than_days: -1 }, {}),
    row({ keep_versions: 1, older_than_days: 0, dry_run: "yes" }, {}),
    row({ keep_versions: 1, older_than_days: 0, force: true }, { type: "unknown_field" }),
    row({ keep_versions: 1, older_than_days: 0 }, { path: "/catalog/expire/never", type: "not_found" }),
  ];
  for (const each of rows) await runCase(each, catalog.send);
});
