/** Expiry inside of open tables: what a branch, a tag or a kept version needs stays, whatever else goes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import type { TableMetadata } from "../../../../workers/catalogd/iceberg/iceberg.ts";
import { goingFrom } from "../../../../workers/catalogd/retention/policy.ts";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type Tables, tablesOf } from "../../../support/tables/open-tables.ts";

const directory = temporaryDirectory("retention");
const dayMs = 24 * 60 * 60 * 1000;
let shift = 0;
let catalog: Catalog;
let tables: Tables;
beforeAll(async () => {
  catalog = await startCatalog(directory.path, {
    clock: { ...systemClock, now: () => systemClock.now() + shift },
  });
  tables = tablesOf(catalog.send, catalog.storaged.peer.verbs);
});
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

const expire = (name: string, more: { older_than_days?: number; dry_run?: boolean } = {}) =>
  catalog.verbs.expire({ name, keep_versions: 1, older_than_days: 0, ...more });
const load = async (path: string) => (await tables.ask("GET", `${path}`)).body.metadata;
const update = (path: string, ...updates: object[]) =>
  tables.ask("POST", path, { requirements: [], updates });
const isThere = (key: string, bucket = "primary") =>
  catalog.storaged.peer.verbs.head({ bucket, key }).then(
    () => true,
    () => false,
  );

test("an object that only a tagged snapshot of an opened dataset needs stays until the tag goes", async () => {
  for (const at of [1, 2, 3])
    await catalog.verbs.register({
      ...{ name: "jobs", columns: twoColumns },
      objects: [await catalog.object(`datasets/jobs/${at}`, `jobs ${at}`)],
    });
  await catalog.verbs.open({ name: "jobs" });
  const path = "/namespaces/main/tables/jobs";
  const { snapshots } = await load(path);
  const [first] = snapshots;
  const tag = {
    action: "set-snapshot-ref",
    "ref-name": "v1",
    type: "tag",
    "snapshot-id": first["snapshot-id"],
  };
  expect((await update(path, tag)).status).toBe(200);
  const told = await expire("jobs", { dry_run: true });
  const done = await expire("jobs");
  expect(done.snapshots).toEqual([String(snapshots[1]["snapshot-id"])]);
  expect(told.snapshots).toEqual(done.snapshots);
  expect(done.versions.length).toBeGreaterThan(3);
  const after = await load(path);
  expect(after.refs.v1["snapshot-id"]).toBe(first["snapshot-id"]);
  const present = async () => Promise.all([1, 2, 3].map((at) => isThere(`datasets/jobs/${at}`)));
  // The version that was the latest before had the snapshot still.
  await expire("jobs");
  shift += 5 * dayMs;
  await catalog.verbs.sweep({ grace_days: 3 });
  expect(await present()).toEqual([true, false, true]);

  await update(path, { action: "remove-snapshot-ref", "ref-name": "v1" });
  await expire("jobs");
  await expire("jobs");
  shift += 5 * dayMs;
  await catalog.verbs.sweep({ grace_days: 3 });
  expect(await present()).toEqual([false, false, true]);
});

test("snapshots beyond the table's own rules go with their files; branches, tags and what is read stay", async () => {
  shift = 0;
  let metadata = await tables.make("kept", { "history.expire.min-snapshots-to-keep": "2" });
  const lists: string[] = [];
  const ids: number[] = [];
  for (let at = 0; at < 6; at++) {
    const answer = await tables.append("kept", metadata, [{ path: `${at}.parquet`, rows: 1 }]);
    metadata = answer.body.metadata;
    ids.push(metadata["current-snapshot-id"]);
    lists.push(metadata.snapshots.at(-1)["manifest-list"].replace(/^.*\/buckets\/warehouse\//, ""));
  }
  const path = "/namespaces/open/tables/kept";
  await update(
    path,
    { action: "set-snapshot-ref", "ref-name": "release", type: "tag", "snapshot-id": ids[1] },
    {
      action: "set-snapshot-ref",
      "ref-name": "audit",
      type: "branch",
      "snapshot-id": ids[2],
      "min-snapshots-to-keep": 1,
    },
  );
  const stray = metadata.location.replace(/^.*\/buckets\/warehouse\//, "");
  await catalog.storaged.peer.verbs.write({
    ...{ bucket: "warehouse", key: `${stray}/data/stray.parquet`, bytes: new Uint8Array(3) },
  });
  const done = await expire("open.kept");
  expect(done.snapshots?.sort()).toEqual([ids[0], ids[3]].map(String).sort());
  expect(await Promise.all(lists.map((key) => isThere(key, "warehouse")))).toEqual([
    ...[false, true, true, false, true, true],
  ]);
  const after = await load(path);
  expect(after.snapshots.map((each: { "snapshot-id": number }) => each["snapshot-id"])).toEqual([
    ...[ids[1], ids[2], ids[4], ids[5]],
  ]);
  const { files } = await catalog.verbs.files({
    ...{ name: "open.kept", version: (await catalog.verbs.manifest({ name: "open.kept" })).version },
  });
  expect(files).toHaveLength(6);
  expect((await expire("open.kept")).snapshots).toEqual([]);

  // What nobody names goes when it is old, though no sooner than writers may need it.
  expect((await catalog.verbs.sweep({ name: "open.kept", grace_days: 0 })).count).toBe(0);
  shift += 2 * dayMs;
  const swept = await catalog.verbs.sweep({ name: "open.kept", grace_days: 0 });
  expect(swept.objects.map(({ key }) => key)).toContain(`warehouse://${stray}/data/stray.parquet`);
  expect(await isThere(`${stray}/data/stray.parquet`, "warehouse")).toBe(false);
  expect(await isThere(lists[5] ?? "", "warehouse")).toBe(true);
  expect((await load(path))["current-snapshot-id"]).toBe(ids[5]);
  expect((await catalog.verbs.crowded({ versions: 1000 })).names).toEqual(["open.kept"]);
});

test("a table that says gc.enabled=false keeps all", async () => {
  const metadata = await tables.make("whole", { "gc.enabled": "false" });
  const first = await tables.append("whole", metadata, [{ path: "a.parquet", rows: 1 }]);
  await tables.append("whole", first.body.metadata, [{ path: "b.parquet", rows: 1 }]);
  shift += 30 * dayMs;
  expect((await expire("open.whole")).snapshots).toEqual([]);
  expect((await catalog.verbs.sweep({ name: "open.whole", grace_days: 0 })).count).toBe(0);
});

const snapshot = (id: number, parent?: number, age = id) => ({
  ...{ "snapshot-id": id, "sequence-number": id, "timestamp-ms": -age },
  ...(parent !== undefined && { "parent-snapshot-id": parent }),
});
const line = [snapshot(1, undefined, 40), snapshot(2, 1, 30), snapshot(3, 2, 20), snapshot(4, 3, 10)];
const main = { "snapshot-id": 4, type: "branch" };
const policies: [name: string, table: object, policy: object, snapshots: number[], refs: string[]][] = [
  ["the latest by number", { refs: { main } }, { keepSnapshots: 2 }, [1, 2], []],
  ["the latest by age", { refs: { main } }, { olderThanMs: 25 }, [1, 2], []],
  ["what a version needs", { refs: { main } }, { needed: new Set(["1"]) }, [2, 3], []],
  ["a tag", { refs: { main, t: { "snapshot-id": 2, type: "tag" } } }, {}, [1, 3], []],
  [
    "a tag beyond its age",
    { refs: { main, t: { "snapshot-id": 2, type: "tag", "max-ref-age-ms": 5 } } },
    ...([{}, [1, 2, 3], ["t"]] as [object, number[], string[]]),
  ],
  [
    "a branch by its own rule",
    { refs: { main, b: { "snapshot-id": 3, type: "branch", "min-snapshots-to-keep": 2 } } },
    ...([{}, [1], []] as [object, number[], string[]]),
  ],
  [
    "properties before what is asked for",
    { refs: { main }, properties: { "history.expire.min-snapshots-to-keep": "3" } },
    ...([{}, [1], []] as [object, number[], string[]]),
  ],
  [
    "nothing by rules of its own that do not count",
    {
      refs: { main: { ...main, "min-snapshots-to-keep": 9 } },
      properties: { "history.expire.min-snapshots-to-keep": "3" },
    },
    ...([{ ownRules: false }, [1, 2, 3], []] as [object, number[], string[]]),
  ],
  ["main, however old", { refs: { main: { ...main, "max-ref-age-ms": 1 } } }, {}, [1, 2, 3], []],
  ["what no branch has, by its age", { refs: {} }, { olderThanMs: 15 }, [1, 2, 3], []],
  [
    "a chain that leads back to itself",
    { refs: { main: { "snapshot-id": 1, type: "branch" } }, snapshots: [snapshot(1, 2), snapshot(2, 1)] },
    ...([{ keepSnapshots: 9 }, [], []] as [object, number[], string[]]),
  ],
];
for (const [name, table, policy, snapshots, refs] of policies)
  test(`kept: ${name}`, () => {
    const whole = { properties: {}, snapshots: line, ...table } as unknown as TableMetadata;
    const going = goingFrom(whole, {
      keepSnapshots: 1,
      ownRules: true,
      olderThanMs: 0,
      now: 0,
      needed: new Set(),
      ...policy,
    });
    expect(going.snapshots.map((each) => each["snapshot-id"])).toEqual(snapshots);
    expect(going.refs).toEqual(refs);
  });
