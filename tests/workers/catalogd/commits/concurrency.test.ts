/** Many at once: every registration ends right, versions have no gaps, readers never wait. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const directory = temporaryDirectory("catalogd-many");
let catalog: Catalog;
/** While it is set, writes of manifests say that they were reached and wait to be released. */
let gate: { reached: () => void; released: Promise<void> } | undefined;
const hold = () => {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  gate = { reached: reached.resolve, released: released.promise };
  const release = () => {
    gate = undefined;
    released.resolve();
  };
  return { reached: reached.promise, release };
};
beforeAll(async () => {
  const between: NonNullable<Parameters<typeof startCatalog>[1]>["between"] = (verbs) => ({
    ...verbs,
    write: async (...call) => {
      gate?.reached();
      await gate?.released;
      return verbs.write(...call);
    },
  });
  catalog = await startCatalog(directory.path, { between });
});
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1);
const versionFiles = async (name: string) =>
  (await catalog.storaged.peer.verbs.list({ prefix: `_catalog/manifests/${name}/` })).objects.length;

test("20 names and 5 of one name at once", async () => {
  const objects = await Promise.all(upTo(25).map((at) => catalog.object(`datasets/many/${at}`)));
  const register = (name: string, at: number) =>
    catalog.verbs.register({
      name,
      columns: twoColumns,
      objects: objects.slice(at, at + 1),
      operation: "append",
    });
  const etags = new Set<string>();
  const others = upTo(20).map((at) => register(`name_${at}`, at - 1));
  const same = upTo(5).map((at) => register("one", at + 19));
  for (const manifest of await Promise.all(others)) expect(manifest.version).toBe(1);
  const versions = await Promise.all(same);
  expect(versions.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  expect(versions.map(({ objects }) => objects.length)).toEqual([1, 2, 3, 4, 5]);
  expect(new Set(versions.map(({ dataset_id }) => dataset_id)).size).toBe(1);
  expect(await versionFiles("one")).toBe(5);
  etags.add((await catalog.verbs.snapshot({})).catalog_etag);
  expect((await catalog.verbs.list({})).datasets.length).toBe(21);
});

test("the same registration 10 times at once is one version", async () => {
  const objects = [await catalog.object("datasets/equal/1")];
  const all = await Promise.all(
    upTo(10).map(() => catalog.verbs.register({ name: "equal", columns: twoColumns, objects })),
  );
  for (const manifest of all) expect(manifest).toEqual(all[0] as never);
  expect(await versionFiles("equal")).toBe(1);
});

test("one name in two cases at once: one of them is refused", async () => {
  const outcomes = await Promise.allSettled(
    ["Twin", "twin", "TWIN"].map((name) =>
      catalog.verbs.register({ name, columns: twoColumns, objects: [] }),
    ),
  );
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
});

test("registering and dropping at once leaves a line of versions", async () => {
  const object = await catalog.object("datasets/churn/1");
  const outcomes = await Promise.allSettled(
    upTo(20).map((at) =>
      at % 3 === 0
        ? catalog.verbs.drop({ name: "churn" })
        : catalog.verbs.register({
            name: "churn",
            columns: twoColumns,
            objects: at % 2 === 0 ? [object] : [],
          }),
    ),
  );
  for (const outcome of outcomes) expect(outcome.status).toBe("fulfilled");
  const last = await catalog.verbs.manifest({ name: "churn" });
  expect(last.version).toBe(await versionFiles("churn"));
});

test("readers are answered while a write is under way, and do not see it before it is durable", async () => {
  const { reached, release } = hold();
  const before = (await catalog.verbs.snapshot({})).catalog_etag;
  const writing = catalog.verbs.register({ name: "slow", columns: twoColumns, objects: [] });
  await reached;
  await expect(catalog.verbs.manifest({ name: "slow" })).rejects.toMatchObject({ type: "not_found" });
  expect((await catalog.verbs.snapshot({})).catalog_etag).toBe(before);
  expect((await catalog.verbs.list({})).datasets.some(({ name }) => name === "slow")).toBe(false);
  release();
  const manifest = await writing;
  expect(await catalog.verbs.manifest({ name: "slow" })).toEqual(manifest);
});

test("a caller that goes away before its turn leaves nothing", async () => {
  const { reached, release } = hold();
  const first = catalog.verbs.register({ name: "turns", columns: twoColumns, objects: [] });
  await reached;
  const caller = new AbortController();
  const object = await catalog.object("datasets/turns/1");
  const second = catalog.verbs.register(
    { name: "turns", columns: twoColumns, objects: [object] },
    { signal: caller.signal },
  );
  caller.abort();
  await expect(second).rejects.toMatchObject({ type: "client_closed" });
  release();
  await first;
  expect((await catalog.verbs.register({ name: "turns", columns: twoColumns, objects: [] })).version).toBe(1);
});

test("a write that has begun is finished when its caller goes away, and by the stop", async () => {
  const { reached, release } = hold();
  const caller = new AbortController();
  const writing = catalog.verbs.register(
    { name: "begun", columns: twoColumns, objects: [] },
    { signal: caller.signal },
  );
  await reached;
  caller.abort();
  await expect(writing).rejects.toMatchObject({ type: "client_closed" });
  const waiting = catalog.verbs.changes({ since: (await catalog.verbs.snapshot({})).catalog_etag });
  const stopped = catalog.stop();
  await waiting;
  await expect(
    catalog.verbs.register({ name: "late", columns: twoColumns, objects: [] }),
  ).rejects.toMatchObject({ type: "unavailable" });
  release();
  await stopped;
  catalog = await startCatalog(directory.path);
  expect((await catalog.verbs.manifest({ name: "begun" })).version).toBe(1);
  await expect(catalog.verbs.manifest({ name: "late" })).rejects.toMatchObject({ type: "not_found" });
});
