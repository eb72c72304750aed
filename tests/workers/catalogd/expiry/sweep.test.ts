/** Orphans go once they are old and held by nobody; what versions name is read once; a run of objects becomes one. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import {
  type Catalog,
  type CatalogManifest,
  type CatalogObject,
  startCatalog,
  twoColumns,
} from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

let directory: { path: string; remove: () => void };
let catalog: Catalog;
let shift = 0;
let reads = 0;
const dayMs = 24 * 60 * 60 * 1000;

beforeEach(async () => {
  directory = temporaryDirectory("sweep");
  shift = 0;
  reads = 0;
  catalog = await startCatalog(directory.path, {
    clock: {
      ...systemClock,
      now: () => systemClock.now() + shift,
      elapsed: () => systemClock.elapsed() + shift,
    },
    between: (verbs) => ({
      ...verbs,
      read: (input, options) => {
        reads += 1;
        return verbs.read(input, options);
      },
    }),
  });
});
afterEach(async () => {
  await catalog.stop();
  directory.remove();
});

const keyOf = (name: string, at: number) => `datasets/${name}/${at}`;
const register = async (name: string, at: number, operation: "replace" | "append" = "replace") =>
  catalog.verbs.register({
    ...{ name, columns: twoColumns, operation },
    objects: [await catalog.object(keyOf(name, at), `${name} ${at}`)],
  });
const keys = async (prefix: string) =>
  (await catalog.storaged.peer.verbs.list({ prefix, page_size: 10_000 })).objects.map(({ key }) => key);
const sweep = (more: { name?: string; grace_days?: number; dry_run?: boolean } = {}) =>
  catalog.verbs.sweep({ grace_days: 3, ...more });
const keysOf = (swept: { objects: { key: string }[] }) => swept.objects.map(({ key }) => key).sort();

test("what no version names goes after the grace period: nothing else, and not what is held", async () => {
  await register("jobs", 1);
  await register("jobs", 2);
  for (const key of ["datasets/jobs/lost", "datasets/other/lost", "mine/lost"]) await catalog.object(key);
  expect((await sweep()).objects).toEqual([]);
  shift = 4 * dayMs;
  await catalog.verbs.hold({ keys: ["datasets/jobs/lost"], ms: 60_000 });
  expect(await sweep({ dry_run: true })).toMatchObject({
    ...{ dry_run: true, count: 1, bytes: 19, seen: 4 },
    objects: [{ key: "datasets/other/lost", bytes: 19 }],
  });
  expect(await keys("datasets/")).toHaveLength(4);
  expect(keysOf(await sweep({ name: "jobs" }))).toEqual([]);
  expect(keysOf(await sweep())).toEqual(["datasets/other/lost"]);
  shift += 60_001;
  expect(keysOf(await sweep({ name: "jobs" }))).toEqual(["datasets/jobs/lost"]);
  expect(await keys("datasets/")).toEqual([keyOf("jobs", 1), keyOf("jobs", 2)]);
  expect(await keys("mine/")).toEqual(["mine/lost"]);
});

test("an object that an expiry would remove stays while it is held, and becomes an orphan", async () => {
  for (const at of [1, 2, 3]) await register("jobs", at);
  await catalog.verbs.hold({ keys: [keyOf("jobs", 1)], ms: 60_000 });
  const { objects } = await catalog.verbs.expire({ name: "jobs", keep_versions: 1, older_than_days: 0 });
  expect(objects.map(({ key }) => key)).toEqual([keyOf("jobs", 2)]);
  const late = await catalog.object(keyOf("jobs", 1), "jobs 1");
  await catalog.verbs.register({ name: "late", columns: twoColumns, objects: [late] });
  shift = 4 * dayMs;
  expect((await sweep()).objects).toEqual([]);
});

test("a hold ends with the commit that it is for, and no other's does", async () => {
  const object = await catalog.object(keyOf("jobs", 1), "jobs 1");
  for (let holders = 0; holders < 2; holders++) await catalog.verbs.hold({ keys: [object.key], ms: 60_000 });
  await catalog.verbs.commit({ registrations: [{ name: "jobs", columns: twoColumns, objects: [object] }] });
  await register("jobs", 2);
  const expire = () => catalog.verbs.expire({ name: "jobs", keep_versions: 1, older_than_days: 0 });
  expect((await expire()).objects).toEqual([]);
  await catalog.verbs.commit({ registrations: [{ name: "jobs", columns: twoColumns, objects: [object] }] });
  await register("jobs", 3);
  expect((await expire()).objects.map(({ key }) => key).sort()).toEqual([keyOf("jobs", 1), keyOf("jobs", 2)]);
});

test("every kept version is read once, however often something is removed", async () => {
  for (let at = 1; at <= 40; at++) await register("jobs", at);
  await register("other", 1);
  const expire = () => catalog.verbs.expire({ name: "jobs", keep_versions: 20, older_than_days: 0 });
  reads = 0;
  await expire();
  expect(reads).toBeLessThan(20 + 40 + 10); // Those that go, all as they were, and a few to find a time.
  reads = 0;
  for (let at = 41; at <= 50; at++) {
    await register("jobs", at);
    await expire();
    await sweep({ grace_days: 0 });
  }
  expect(reads).toBeLessThan(10 * (2 + 6));
  // Each expiry has made a version too.
  expect(await keys("datasets/jobs/")).toHaveLength(11);
});

test("of more versions than are ever kept the earliest go, however young", async () => {
  for (let at = 1; at <= 30; at++) await register("jobs", at);
  const asked = { name: "jobs", keep_versions: 5, older_than_days: 7 };
  expect(await catalog.verbs.crowded({ versions: 25 })).toEqual({ names: ["jobs"] });
  expect(await catalog.verbs.crowded({ versions: 30 })).toEqual({ names: [] });
  expect((await catalog.verbs.expire(asked)).versions).toEqual([]);
  expect((await catalog.verbs.expire({ ...asked, max_versions: 20 })).first_version).toBe(11);
});

const compact = (head: CatalogManifest, runs: { keys: string[]; object: CatalogObject }[]) => {
  const { name, dataset_id } = head;
  return catalog.verbs.compact({ name, dataset_id, runs, made_by: "test" });
};

test("a run of objects becomes one, behind which stays what was appended since; else it is a conflict", async () => {
  await register("jobs", 1);
  for (const at of [2, 3, 4]) await register("jobs", at, "append");
  const head = await catalog.verbs.manifest({ name: "jobs" });
  await register("jobs", 5, "append");
  const run = {
    keys: [keyOf("jobs", 2), keyOf("jobs", 3)],
    object: await catalog.object(keyOf("jobs", 23), "23", 2),
  };
  const made = await compact(head, [run]);
  expect(made.objects.map(({ key }) => key)).toEqual([1, 23, 4, 5].map((at) => keyOf("jobs", at)));
  expect(made).toMatchObject({ version: 6, parent: 5, operation: "compact", row_count: 5, made_by: "test" });
  const conflict = { type: "conflict", status: 409 };
  await expect(compact(head, [run])).rejects.toMatchObject(conflict);
  const torn = { keys: [keyOf("jobs", 1), keyOf("jobs", 4)], object: run.object };
  await expect(compact(head, [torn])).rejects.toMatchObject(conflict);
  const twice = { keys: [keyOf("jobs", 4)], object: { ...run.object, row_count: 1 } };
  await expect(compact(head, [twice])).rejects.toMatchObject(conflict);
  const other = { ...head, dataset_id: crypto.randomUUID() };
  await expect(compact(other, [torn])).rejects.toMatchObject(conflict);
  const fewer = {
    keys: [keyOf("jobs", 4), keyOf("jobs", 5)],
    object: await catalog.object(keyOf("jobs", 45), "45", 1),
  };
  await expect(compact(head, [fewer])).rejects.toMatchObject({ type: "unprocessable" });
  const missing = { ...fewer, object: { ...fewer.object, key: keyOf("jobs", 99), row_count: 2 } };
  await expect(compact(head, [missing])).rejects.toMatchObject({ type: "unprocessable" });
  expect(await catalog.verbs.manifest({ name: "jobs" })).toEqual(made);
  await catalog.verbs.drop({ name: "jobs" });
  await expect(compact(head, [run])).rejects.toMatchObject({ type: "not_found" });
});
