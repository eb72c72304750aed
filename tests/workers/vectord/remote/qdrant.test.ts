import { afterAll, expect, test } from "bun:test";
import type { Applied, Collection } from "../../../../workers/vectord/remote/interface.ts";
import { qdrant } from "../../../../workers/vectord/remote/qdrant.ts";
import { qdrantStub } from "../../../support/vectors/qdrant-stub.ts";

const key = "the-key";
const stub = qdrantStub(key);
afterAll(() => stub.stop());

const settings = {
  kind: "qdrant" as const,
  name: "q",
  url: stub.url,
  namespace: "lake",
  timeoutMs: 5000,
  key,
};
const driver = qdrant(settings);
const collection: Collection = {
  ...{ index: "docs", dimension: 2, metric: "cosine" as const, connectivity: 16, efConstruction: 64 },
};
const state = (segment: number, writer = "w1"): Applied => ({
  ...{ incarnation: "log-1", dimension: 2, metric: "cosine" as const, segment, writer },
});
const { signal } = new AbortController();
const idsOf = (vector: number[], k: number) =>
  driver.search(collection, { queries: [Float32Array.from(vector)], k, ef: 10, signal });

test("its namespace belongs to the first, until it is taken over, which empties it", async () => {
  expect(await driver.own("store-1", false)).toBe("store-1");
  expect(await driver.own("store-2", false)).toBe("store-1");
  await driver.reset(collection, state(3));
  expect(await driver.own("store-2", true)).toBe("store-2");
  expect(await driver.applied(collection)).toBeUndefined();
  expect(await driver.own("store-2", true)).toBe("store-2");
});

test("a step is there with its state, and found by a search that says so", async () => {
  expect(await driver.applied(collection)).toBeUndefined();
  await driver.reset(collection, state(-1));
  const ids = ["a", "b", "c"];
  const vectors = [
    [1, 0],
    [0, 1],
    [0.9, 0.1],
  ].map((one) => Float32Array.from(one));
  await driver.write(collection, { writer: "w1", ids, vectors, gone: [], applied: state(5) });
  expect(await driver.applied(collection)).toEqual(state(5));
  // The point of state lies where `a` does: it is no item.
  expect(await idsOf([1, 0], 2)).toEqual({ applied: state(5), ids: [["a", "c"]] });
  await driver.write(collection, { writer: "w1", ids: [], vectors: [], gone: ["a"], applied: state(6) });
  expect(await idsOf([1, 0], 3)).toEqual({ applied: state(6), ids: [["c", "b"]] });
});

test("another writer's step is refused, unless it claims", async () => {
  const step = { writer: "w2", ids: [], vectors: [], gone: [], applied: state(7, "w2") };
  await expect(driver.write(collection, step)).rejects.toThrow("another process wrote to it");
  expect(await driver.applied(collection)).toEqual(state(6));
  await driver.write(collection, { ...step, claims: true });
  expect(await driver.applied(collection)).toEqual(state(7, "w2"));
});

test("a part that is away is an error, and so is a key that is refused; neither shows the key", async () => {
  stub.breaks(true);
  await expect(idsOf([1, 0], 1)).rejects.toThrow(
    'it answered 500: {"status":{"error":"shard 2 is not there"}}',
  );
  stub.breaks(false);
  await expect(qdrant({ ...settings, key: "other" }).own("store-2", false)).rejects.toThrow(
    "it answered 401",
  );
});

test("what was dropped has no state, and a search of it says none", async () => {
  await driver.drop("docs");
  expect(await driver.applied(collection)).toBeUndefined();
  expect(await idsOf([1, 0], 1)).toEqual({ applied: undefined, ids: [[]] });
});
