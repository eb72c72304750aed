/** Indexes whose rows are on disk: what they find, through adds, checkpoints, compactions, restarts and damage. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readlinkSync, truncateSync } from "node:fs";
import { clustered } from "../../../../scripts/sample-data/make-vectors.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

const dimension = 32;
const rows = 5000;
const { vectors, queries } = clustered(rows, dimension, 20);
const nearness = Float32Array.from({ length: rows }, (_, row) => {
  const [one, other] = [queries, vectors.subarray(row * dimension, (row + 1) * dimension)];
  return other.reduce((dot, x, at) => dot + x * (one[at] ?? 0), 0) / Math.hypot(...other);
});
const sortedNearness = nearness.toSorted().reverse();
const home = temporaryDirectory("on-disk");
let stack: VectordStack;
const start = async () => {
  stack = await startVectordStack({ directory: home.path });
};
beforeAll(start);
afterAll(async () => {
  await stack.stop();
  home.remove();
});

const bytesOf = (from: number, to: number) =>
  new Uint8Array(vectors.slice(from * dimension, to * dimension).buffer);
const add = (name: string, from: number, to: number) =>
  stack.vectord.addVectors({
    name,
    ids: Array.from({ length: to - from }, (_, at) => `i${from + at}`),
    vectors: bytesOf(from, to),
    metadata: Array.from({ length: to - from }, (_, at) => ({
      ...{ third: (from + at) % 3, isFar: isFar(from + at) },
    })),
  });
/** Not among those that are nearest to the first query: there are more than are compared in any case. */
const isFar = (row: number) => (nearness[row] ?? 0) < (sortedNearness[2000] ?? 0);
const found = async (name: string, more = {}): Promise<{ id: string; distance: number }[][]> =>
  (await stack.post(`/index/${name}/search`, { vectors: [...asked], k: 10, ...more })).body.results;
const asked = Array.from({ length: 20 }, (_, at) => [
  ...queries.subarray(at * dimension, (at + 1) * dimension),
]);
const idsOf = (answers: { id: string }[][]) => answers.map((hits) => hits.map(({ id }) => id));
/** As an index in memory answers that was given the same. */
const expectAsInMemory = async (name: string) => {
  for (const more of [{ exact: true }, { exact: true, filter: { third: 1 } }])
    expect(await found(name, more)).toEqual(await found("whole", more));
  for (const more of [{}, { filter: { third: { lt: 2 } } }, { filter: { isFar: true } }]) {
    const truth = idsOf(await found("whole", { ...more, exact: true })).map((ids) => new Set(ids));
    const answers = idsOf(await found(name, more));
    const hits = answers.flatMap((ids, at) => ids.filter((id) => truth[at]?.has(id)));
    expect(hits.length / (20 * 10)).toBeGreaterThanOrEqual(0.95);
    // Of codes, a filter that leaves none of the nearest: all that it leaves are compared.
    const { memory } = (await stack.get(`/index/${name}`)).body;
    if (memory === "codes" && JSON.stringify(more).includes("isFar"))
      expect(new Set(answers[0])).toEqual(truth[0] ?? new Set());
  }
};
const filesOfRows = () =>
  readdirSync("/proc/self/fd").flatMap((each) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${each}`);
      return path.startsWith(home.path) && /rows-|checkpoints/.test(path) ? [path] : [];
    } catch {
      return [];
    }
  });

const kinds = [
  { memory: "codes", quantization: "bf16" },
  { memory: "graph", quantization: "i8" },
] as const;

describe("rows on disk", () => {
  beforeAll(async () => {
    await stack.post("/index", { name: "whole", dimension, type: "flat" });
    await add("whole", 0, rows);
    for (const kind of kinds) await stack.post("/index", { name: kind.memory, dimension, ...kind });
  });

  test.each([...kinds])("memory $memory answers as memory all does", async ({ memory: name }) => {
    await add(name, 0, 4500);
    await add(name, 4500, rows);
    await expectAsInMemory(name);
    await stack.indexed(name);
    await expectAsInMemory(name);
    // 904 rows of the last block, and what the engine has.
    const { body } = await stack.get(`/index/${name}`);
    expect(body).toMatchObject({ memory: name, count: rows });
    const before = filesOfRows().length;

    await stack.post(`/index/${name}/compact`);
    await expectAsInMemory(name);
    expect(filesOfRows().length).toBe(before);
    expect(filesOfRows().filter((path) => path.includes(`/${name}/`))).not.toBeEmpty();
    const after = (await stack.get(`/index/${name}`)).body;
    // Nothing of a vector but its code, its links and a checksum.
    expect(after.vector_bytes).toBeLessThan(dimension * 4 + 250);

    await stack.stop();
    await start();
    await expectAsInMemory(name);
    expect(filesOfRows().length).toBe(before);

    for (const index of [name, "whole"]) {
      await add(index, 0, 40);
      await stack.post(`/index/${index}/delete`, { filter: { third: 2 } });
      await stack.patch(`/index/${index}/items/i300`, { set: { new: true } });
    }
    await expectAsInMemory(name);
    await stack.post(`/index/${name}/compact`);
    await expectAsInMemory(name);
    expect(filesOfRows().length).toBe(before);
    const item = (await stack.get(`/index/${name}/items/i300`)).body;
    expect(item).toEqual((await stack.get("/index/whole/items/i300")).body);
    await add("whole", 0, rows);
  });

  test("memory and quantization change while items come: nothing is lost, and what can be kept is", async () => {
    const name = "codes";
    await add(name, 0, rows);
    const changes = [
      { memory: "graph", quantization: "i8" },
      { memory: "all" },
      { memory: "codes" },
    ] as const;
    let next = 0;
    for (const [at, change] of changes.entries()) {
      await stack.indexed(name);
      await stack.post(`/index/${name}/compact`);
      const state = { isChanging: true };
      const items: object[] = [];
      const adding = (async () => {
        while (state.isChanging) {
          const item = { id: `n${next}`, vector: asked[next % 20]?.map((value) => value + ++next / 1e4) };
          const { status, body } = await stack.post(`/index/${name}/add`, { items: [item] });
          if (status === 200) items.push(item);
          else expect([status, body.error.type]).toEqual([503, "unavailable"]);
          await Bun.sleep(5);
        }
      })();
      const { status, body } = await stack.patch(`/index/${name}`, change);
      state.isChanging = false;
      await adding;
      expect([status, body]).toMatchObject([200, change]);
      expect(body.problems).toBeUndefined();
      // The graph is the same, whether the rows beside it are in memory or not.
      if (at === 1) expect(body.indexed).toBeGreaterThan(4000);
      await stack.post("/index/whole/add", { items });
      await expectAsInMemory(name);
    }
    expect((await stack.get(`/index/${name}`)).body.count).toBe((await stack.get("/index/whole")).body.count);
    expect((await stack.patch(`/index/${name}`, { memory: "codes" })).body.indexed).toBeGreaterThan(0);
  });

  test("a row whose file was cut is an error, and nothing is answered in part", async () => {
    const [path = ""] = filesOfRows().filter((file) => file.includes("/graph/"));
    truncateSync(path, 100_000);
    const { status, body } = await stack.post("/index/graph/search", { vectors: asked, k: 10, exact: true });
    expect([status, body.error.type]).toEqual([500, "corrupt"]);
    expect(body.error.message).toContain("its file ends before it");
    expect((await stack.post("/index/whole/search", { vectors: asked, k: 1 })).status).toBe(200);
  });
});

const refused: [asked: object, says: string][] = [
  [{ type: "flat", memory: "graph" }, "flat compares all vectors in memory"],
  [{ type: "ivf_flat", memory: "codes" }, "codes stand in for the graph of hnsw"],
  [{ metric: "l2", memory: "codes" }, "keeps directions alone"],
  [{ metric: "ip", quantization: "b1" }, "keeps directions alone"],
  [{ memory: "none" }, "memory"],
];
test.each(refused)("%j is refused", async (given, says) => {
  const { status, body } = await stack.post("/index", { name: "refused", dimension, ...given });
  expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining(says)]);
  expect((await stack.get("/index/refused")).status).toBe(404);
});
