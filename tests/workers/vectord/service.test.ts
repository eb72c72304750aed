/** vectord over the real storaged: what callers are promised, across restarts, compactions and concurrent calls. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as arrow from "apache-arrow";
import { clustered } from "../../../scripts/sample-data/make-vectors.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../support/stacks/vectord.ts";

const random = seeded(11);
const vectorOf = (dimension: number) => Array.from({ length: dimension }, () => random() - 0.5);
const itemsOf = (from: number, count: number, dimension: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `i${from + at}`,
    vector: vectorOf(dimension),
    metadata: { n: from + at, even: (from + at) % 2 === 0 },
  }));
const idsOf = (hits: { id: string }[]) => hits.map(({ id }) => id);

describe("one index", () => {
  let stack: VectordStack;
  beforeAll(async () => {
    stack = await startVectordStack();
    await stack.post("/index", { name: "a", dimension: 2, metric: "l2" });
  });
  afterAll(() => stack.stop());

  test("create answers 201 with everything the index was made with", async () => {
    const made = await stack.post("/index", { name: "b", dimension: 4, type: "flat", embedding_model: "m" });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: "b",
      dimension: 4,
      metric: "cosine",
      type: "flat",
      engine: "exact",
      embedding_model: "m",
      count: 0,
      deleted: 0,
      indexed: 0,
      aliases: [],
    });
    expect((await stack.get("/index/b")).body).toEqual(made.body);
    expect((await stack.del("/index/b")).body).toEqual({ dropped: true, name: "b" });
    expect((await stack.get("/index/b")).status).toBe(404);
    expect((await stack.post("/index", { name: "b", dimension: 5 })).body.dimension).toBe(5);
    await stack.del("/index/b");
  });

  test("add, replace and delete: the newest is found at once, the old never again", async () => {
    const add = (items: unknown[]) => stack.post("/index/a/add", { items });
    expect(
      (
        await add([
          { id: "x", vector: [1, 0], metadata: { v: 1 } },
          { id: "y", vector: [5, 0] },
        ])
      ).body,
    ).toEqual({ added: 2, replaced: 0, count: 2 });
    const search = async (body: object) => (await stack.post("/index/a/search", body)).body.results;
    expect(await search({ vector: [0, 0] })).toEqual([
      { id: "x", distance: 1, score: 0.5, metadata: { v: 1 } },
      { id: "y", distance: 25, score: 1 / 26 },
    ]);
    expect((await add([{ id: "x", vector: [9, 0], metadata: { v: 2 } }])).body).toEqual({
      added: 0,
      replaced: 1,
      count: 2,
    });
    expect(await search({ vector: [1, 0], k: 1, include: ["vector"] })).toEqual([
      { id: "y", distance: 16, score: 1 / 17, vector: [5, 0] },
    ]);
    expect(await search({ vector: [1, 0], filter: { v: 1 } })).toEqual([]);
    expect((await stack.post("/index/a/delete", { ids: ["y", "y", "q"] })).body).toEqual({
      deleted: 1,
      missing: 1,
      count: 1,
    });
    expect(idsOf(await search({ vector: [5, 0] }))).toEqual(["x"]);
    expect((await stack.get("/index/a/items/y")).status).toBe(404);
    expect((await stack.get("/index/a/items/x")).body).toEqual({
      id: "x",
      vector: [9, 0],
      metadata: { v: 2 },
    });
    expect((await stack.post("/index/a/delete", { filter: { v: { gte: 2 } } })).body).toEqual({
      deleted: 1,
      missing: 0,
      count: 0,
    });
    expect(await search({ vector: [5, 0] })).toEqual([]);
  });

  test("vectors give one list each; binary bodies are the same searches", async () => {
    await stack.post("/index/a/add", { items: itemsOf(0, 50, 2) });
    const vectors = [vectorOf(2), vectorOf(2)];
    const json = (await stack.post("/index/a/search", { vectors, k: 3, filter: { even: true } })).body;
    expect(json.results.map((list: unknown[]) => list.length)).toEqual([3, 3]);
    const bytes = new Uint8Array(new Float32Array(vectors.flat()).buffer);
    const query = `?k=3&filter=${encodeURIComponent('{"even":true}')}`;
    const type = { "content-type": "application/octet-stream" };
    expect((await stack.post(`/index/a/search${query}`, bytes, type)).body).toEqual(json);
    expect(
      (await stack.post(`/index/a/search${query}&include=`, bytes, type)).body.results[0][0].metadata,
    ).toBeUndefined();
    const one = (await stack.post("/index/a/search", { vector: vectors[0], k: 3, filter: { even: true } }))
      .body;
    expect(one.results).toEqual(json.results[0]);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const called = await stack.vectord.searchVectors({
      name: "a",
      vectors: shifted.subarray(1),
      k: 3,
      filter: { even: true },
    });
    expect(called.results).toEqual(json.results);
  });

  test("between services: vectors as bytes", async () => {
    const vectors = new Uint8Array(new Float32Array([7, 7, 8, 8]).buffer);
    const added = await stack.vectord.addVectors({
      name: "a",
      ids: ["s7", "s8"],
      vectors,
      metadata: [null, { s: 8 }],
    });
    expect(added).toMatchObject({ added: 2, replaced: 0 });
    expect((await stack.vectord.item({ name: "a", id: "s8" })).metadata).toEqual({ s: 8 });
    const short = stack.vectord.addVectors({ name: "a", ids: ["s9"], vectors: vectors.subarray(0, 6) });
    await expect(short).rejects.toThrow("8 bytes each");
    const few = stack.vectord.addVectors({ name: "a", ids: ["s9"], vectors });
    await expect(few).rejects.toThrow("expected 1 vectors");
  });

  test("an item may be named scroll, or have a slash", async () => {
    await stack.post("/index/a/add", {
      items: [
        { id: "scroll", vector: [1, 1] },
        { id: "a/b c", vector: [2, 2] },
      ],
    });
    expect((await stack.get("/index/a/items/scroll")).body.id).toBe("scroll");
    expect((await stack.get("/index/a/items/a%2Fb%20c")).body.id).toBe("a/b c");
  });

  test("an Idempotency-Key adds once", async () => {
    const key = { "idempotency-key": "k1" };
    const first = await stack.post("/index/a/add", { items: [{ id: "once", vector: [3, 3] }] }, key);
    const again = await stack.post("/index/a/add", { items: [{ id: "once", vector: [3, 3] }] }, key);
    expect(first.body.added).toBe(1);
    expect(again.body).toEqual(first.body);
    const other = await stack.post("/index/a/add", { items: [{ id: "other", vector: [3, 3] }] }, key);
    expect([other.status, other.body.error.type]).toEqual([409, "idempotency_conflict"]);
  });

  test("whatever id is taken can be read back, and be deleted", async () => {
    const ids = [
      "...",
      "%2e%2e",
      "a/../b",
      "/",
      "\\",
      "?",
      "#x",
      " ",
      "scroll",
      "é%",
      "💥",
      "..%2f",
      "\u0000",
      "a\nb",
    ];
    const items = ids.map((id) => ({ id, vector: [1, 1] }));
    expect((await stack.post("/index/a/add", { items })).status).toBe(200);
    for (const id of ids) {
      const { status, body } = await stack.get(`/index/a/items/${encodeURIComponent(id)}`);
      expect([id, status, body.id]).toEqual([id, 200, id]);
    }
    expect((await stack.post("/index/a/delete", { ids: [...ids, ".."] })).body).toMatchObject({
      deleted: ids.length,
      missing: 1,
    });
  });

  test("Arrow: types of metadata", async () => {
    const column = <T extends arrow.DataType>(values: unknown[], type: T) =>
      arrow.vectorFromArray(values as never, type);
    const list = new arrow.List(new arrow.Field("item", new arrow.Float64()));
    const columns = {
      id: arrow.vectorFromArray(["ar1", "ar2"]),
      vector: column(
        [
          [1, 2],
          [3, 4],
        ],
        list,
      ),
      metadata: column(['{"deep":{"x":[1]}}', null], new arrow.Utf8()),
      whole: column([7, null], new arrow.Int32()),
      long: column([5n, 2n ** 60n], new arrow.Int64()),
      share: column([0.5, Number.NaN], new arrow.Float64()),
      yes: column([true, false], new arrow.Bool()),
      at: column([new Date(0), new Date(1000)], new arrow.TimestampMillisecond()),
      tags: column([["a", "b"], []], new arrow.List(new arrow.Field("t", new arrow.Utf8()))),
      place: column(
        [{ city: "C" }, { city: null }],
        new arrow.Struct([new arrow.Field("city", new arrow.Utf8(), true)]),
      ),
    };
    const body = arrow.tableToIPC(new arrow.Table(columns as never), "stream");
    const { body: added } = await stack.post("/index/a/add", body, {
      "content-type": "application/vnd.apache.arrow.stream",
    });
    expect(added).toMatchObject({ added: 2 });
    expect((await stack.get("/index/a/items/ar1")).body).toEqual({
      id: "ar1",
      vector: [1, 2],
      metadata: {
        deep: { x: [1] },
        whole: 7,
        long: 5,
        share: 0.5,
        yes: true,
        at: "1970-01-01T00:00:00.000Z",
        tags: ["a", "b"],
        place: { city: "C" },
      },
    });
    expect((await stack.get("/index/a/items/ar2")).body.metadata).toEqual({
      long: "1152921504606846976",
      share: null,
      yes: false,
      at: "1970-01-01T00:00:01.000Z",
      tags: [],
      place: { city: null },
    });
  });

  test("a list pages by name", async () => {
    for (const name of ["p1", "p2", "p3"]) await stack.post("/index", { name, dimension: 2 });
    const names: string[] = [];
    for (let token: string | undefined = ""; token !== undefined; ) {
      const { body } = await stack.get(`/index?page_size=2${token && `&page_token=${token}`}`);
      names.push(...body.indexes.map(({ name }: { name: string }) => name));
      token = body.next_page_token;
    }
    expect(names).toEqual(["a", "p1", "p2", "p3"]);
  });
});

describe("metrics and scores", () => {
  test.each([
    ["cosine", 1 - 1 / Math.SQRT2, 1 / Math.SQRT2],
    ["ip", -3, 3],
    ["l2", 9, 0.1],
  ] as const)("%s", async (metric, distance, score) => {
    const stack = await startVectordStack();
    await stack.post("/index", { name: "m", dimension: 2, metric, type: "flat" });
    await stack.post("/index/m/add", { items: [{ id: "x", vector: [3, 3] }] });
    const [hit] = (await stack.post("/index/m/search", { vector: metric === "l2" ? [3, 0] : [1, 0] })).body
      .results;
    expect(hit.distance).toBeCloseTo(distance, 6);
    expect(hit.score).toBeCloseTo(score, 6);
    await stack.stop();
  });
});

describe("scroll", () => {
  test("every item once, in order, while others are added, deleted and compacted away", async () => {
    const stack = await startVectordStack();
    await stack.post("/index", { name: "s", dimension: 2 });
    await stack.post("/index/s/add", { items: itemsOf(0, 500, 2) });
    const seen: string[] = [];
    let token: string | undefined;
    for (let page = 0; page === 0 || token !== undefined; page++) {
      const { body } = await stack.post("/index/s/items/scroll", {
        page_size: 70,
        filter: { even: true },
        ...(token && { page_token: token }),
      });
      seen.push(...idsOf(body.items));
      token = body.next_page_token;
      const gone = seen.slice(page * 5, page * 5 + 5);
      await stack.post("/index/s/delete", { ids: gone });
      if (page % 2 === 0) expect((await stack.post("/index/s/compact")).body.deleted).toBe(0);
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, at) => `i${at * 2}`));
    await stack.stop();
  });

  test("a token outlives a restart while its item does", async () => {
    const directory = temporaryDirectory("vectord-scroll");
    let stack = await startVectordStack({ directory: directory.path });
    await stack.post("/index", { name: "s", dimension: 2 });
    await stack.post("/index/s/add", { items: itemsOf(0, 10, 2) });
    const first = (await stack.post("/index/s/items/scroll", { page_size: 4 })).body;
    await stack.post("/index/s/delete", { ids: ["i1"] });
    await stack.post("/index/s/compact");
    await stack.stop();
    stack = await startVectordStack({ directory: directory.path });
    const rest = (await stack.post("/index/s/items/scroll", { page_token: first.next_page_token })).body;
    expect(idsOf(rest.items)).toEqual(["i4", "i5", "i6", "i7", "i8", "i9"]);
    await stack.stop();
    directory.remove();
  });
});

describe("restart and compaction", () => {
  test("a stop does not wait until a checkpoint has its graph, and loses nothing", async () => {
    const directory = temporaryDirectory("vectord-stop");
    const settings = { checkpoint_segments: 1, checkpoint_bytes: 1024 * 1024 };
    const dimension = 256;
    const rows = 12_000;
    const { vectors } = clustered(rows, dimension, 1, 5);
    const first = await startVectordStack({ directory: directory.path, settings });
    await first.post("/index", { name: "a", dimension });
    await first.vectord.addVectors({
      name: "a",
      ids: Array.from({ length: rows }, (_, row) => `r${row}`),
      vectors: new Uint8Array(vectors.buffer.slice(0)),
    });
    await first.running.stop();
    const { indexed } = await first.vectord.info({ name: "a" });
    expect(indexed).toBeLessThan(rows);
    await first.stop();
    const second = await startVectordStack({ directory: directory.path, settings });
    expect(await second.vectord.info({ name: "a" })).toMatchObject({ count: rows, deleted: 0 });
    await second.stop();
    directory.remove();
  });

  test("the same items and results after restarts, with and without a checkpoint", async () => {
    const directory = temporaryDirectory("vectord-restart");
    let stack = await startVectordStack({ directory: directory.path });
    await stack.post("/index", { name: "r", dimension: 8 });
    for (let from = 0; from < 3000; from += 500)
      await stack.post("/index/r/add", { items: itemsOf(from, 500, 8) });
    await stack.post("/index/r/delete", { filter: { n: { gte: 100, lt: 400 } } });
    await stack.post("/index/r/add", { items: itemsOf(350, 100, 8) });
    const vectors = Array.from({ length: 20 }, () => vectorOf(8));
    const look = async () => ({
      exact: (await stack.post("/index/r/search", { vectors, k: 5, exact: true })).body,
      filtered: (
        await stack.post("/index/r/search", { vectors, k: 5, filter: { even: false, n: { lt: 600 } } })
      ).body,
      items: (
        await stack.post("/index/r/items/scroll", { page_size: 10_000, include: ["vector", "metadata"] })
      ).body,
      count: (await stack.get("/index/r")).body.count,
    });
    const before = await look();
    expect(before.count).toBe(2750);
    const restart = async () => {
      await stack.stop();
      stack = await startVectordStack({ directory: directory.path });
    };
    await restart();
    expect(await look()).toEqual(before);
    expect((await stack.post("/index/r/compact")).body).toMatchObject({ count: 2750, deleted: 0 });
    expect(await look()).toEqual(before);
    await restart();
    expect(await look()).toEqual(before);
    expect((await stack.get("/index/r")).body.deleted).toBe(0);
    // The graph came with the checkpoint: nothing was built again.
    expect((await stack.get("/index/r")).body.indexed).toBe(2750);
    const graph = (await stack.post("/index/r/search", { vectors, k: 5 })).body;
    await restart();
    expect((await stack.post("/index/r/search", { vectors, k: 5 })).body).toEqual(graph);
    await stack.stop();
    directory.remove();
  });

  test("compaction by itself, under writes and searches: no item is lost, doubled or stale", async () => {
    const stack = await startVectordStack({
      settings: { compact_deleted_percent: 20, checkpoint_segments: 40 },
    });
    await stack.post("/index", { name: "c", dimension: 4, metric: "l2" });
    const model = new Map<string, number>();
    let version = 0;
    let over = false;
    const searching = (async () => {
      while (!over) {
        // A search of an empty index ends without any input or output: nothing else would have its turn.
        await new Promise<void>((resolve) => setImmediate(resolve));
        const { body } = await stack.post("/index/c/search", { vector: [version, 0, 0, 0], k: 50 });
        const ids = idsOf(body.results);
        expect(new Set(ids).size).toBe(ids.length);
      }
    })();
    for (let round = 0; round < 80; round++) {
      const ids = [...new Set(Array.from({ length: 40 }, () => `i${Math.floor(random() * 600)}`))];
      version += 1;
      const vector = [version, 0, 0, 0];
      const deletes = [...new Set(Array.from({ length: 8 }, () => `i${Math.floor(random() * 600)}`))].filter(
        (id) => !ids.includes(id),
      );
      await Promise.all([
        stack.post("/index/c/add", { items: ids.map((id) => ({ id, vector, metadata: { version } })) }),
        stack.post("/index/c/delete", { ids: deletes }),
      ]);
      for (const id of ids) model.set(id, version);
      for (const id of deletes) model.delete(id);
    }
    over = true;
    await searching;
    await stack.post("/index/c/compact");
    const { items } = (
      await stack.post("/index/c/items/scroll", { page_size: 10_000, include: ["vector", "metadata"] })
    ).body;
    const found = new Map(items.map(({ id, vector }: { id: string; vector: number[] }) => [id, vector[0]]));
    expect([...found].sort()).toEqual([...model].sort());
    expect(stack.log.filter(({ level }) => level === "error")).toEqual([]);
    expect(stack.log.filter(({ msg }) => msg === "compaction done").length).toBeGreaterThan(1);
    await stack.stop();
  });

  test("deleting by a filter sees every earlier add and no later one goes before it", async () => {
    const stack = await startVectordStack();
    await stack.post("/index", { name: "f", dimension: 2 });
    for (let round = 0; round < 20; round++) {
      const add = (from: number) =>
        stack.vectord.addVectors({
          name: "f",
          ids: [`i${from}`, `i${from + 1}`],
          vectors: new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer),
          metadata: [{ n: 1 }, { n: 2 }],
        });
      const before = add(round * 4);
      const deleting = stack.vectord.remove({ name: "f", filter: { n: { gte: 0 } } });
      const after = add(round * 4 + 2);
      const [, deleted] = await Promise.all([before, deleting, after]);
      expect(deleted).toMatchObject({ deleted: 2, missing: 0 });
      expect(await stack.vectord.remove({ name: "f", filter: { n: 1 } })).toMatchObject({
        deleted: 1,
        count: 1,
      });
      expect(await stack.vectord.remove({ name: "f", filter: { n: 2 } })).toMatchObject({
        deleted: 1,
        count: 0,
      });
    }
    await stack.stop();
  });
});

test("writes that become durable together count what is there right after each: a replay counts the same", async () => {
  const stack = await startVectordStack();
  await stack.post("/index", { name: "c", dimension: 2 });
  const adds = Array.from({ length: 8 }, (_, at) =>
    stack.post("/index/c/add", { items: [{ id: `${at}`, vector: [1, at] }] }),
  );
  const counts = (await Promise.all(adds)).map(({ body }) => body.count);
  expect(counts.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  await stack.stop();
});

describe("limits", () => {
  test("more writes than may wait: 429 with Retry-After, and nothing of them is done", async () => {
    const stack = await startVectordStack({ settings: { max_waiting: 2 } });
    await stack.post("/index", { name: "w", dimension: 2 });
    const add = (at: number) => stack.post("/index/w/add", { items: [{ id: `${at}`, vector: [1, at] }] });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => add(at)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get("retry-after")).toBe("1");
    expect(refused[0]?.body.error.type).toBe("too_many_requests");
    expect((await stack.get("/index/w")).body.count).toBe(20 - refused.length);
    await stack.stop();
  });
});

describe("snapshots", () => {
  test("restore brings back what was, in place or under another name", async () => {
    const stack = await startVectordStack();
    await stack.post("/index", { name: "s", dimension: 2 });
    await stack.post("/index/s/add", { items: itemsOf(0, 20, 2) });
    const taken = await stack.post("/index/s/snapshots");
    expect([taken.status, taken.body.count]).toEqual([201, 20]);
    await stack.post("/index/s/add", { items: itemsOf(20, 5, 2) });
    await stack.post("/index/s/delete", { ids: ["i0"] });
    const { id } = (await stack.get("/index/s/snapshots")).body.snapshots[0];
    expect(id).toBe(taken.body.id);
    const copy = await stack.post(`/index/s/snapshots/${id}/restore`, { as: "t" });
    expect([copy.status, copy.body.name, copy.body.count]).toEqual([200, "t", 20]);
    expect((await stack.get("/index/s")).body.count).toBe(24);
    const back = await stack.post(`/index/s/snapshots/${id}/restore`, {});
    expect(back.body.count).toBe(20);
    expect((await stack.get("/index/s/items/i0")).status).toBe(200);
    expect((await stack.post("/index/s/add", { items: itemsOf(30, 1, 2) })).body.count).toBe(21);
    expect((await stack.del(`/index/s/snapshots/${id}`)).body).toEqual({ dropped: true });
    expect((await stack.get("/index/s/snapshots")).body.snapshots).toEqual([]);
    await stack.stop();
  });
});

describe("damage", () => {
  test("a damaged index says so everywhere, the others work, and it can be dropped", async () => {
    const directory = temporaryDirectory("vectord-damage");
    let stack = await startVectordStack({ directory: directory.path });
    for (const name of ["good", "hurt"]) {
      await stack.post("/index", { name, dimension: 2 });
      await stack.post(`/index/${name}/add`, { items: itemsOf(0, 5, 2) });
    }
    await stack.stop();
    const folder = join(directory.path, "buckets", "primary", "vectors", "hurt");
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (file.isFile()) writeFileSync(join(file.parentPath, file.name), "not what was written");
    stack = await startVectordStack({ directory: directory.path });
    const damaged = await stack.get("/index/hurt");
    expect([damaged.status, damaged.body.error.type]).toEqual([500, "corrupt"]);
    expect(damaged.body.error.message).toContain("hurt");
    expect((await stack.post("/index/hurt/search", { vector: [1, 0] })).status).toBe(500);
    expect(stack.running.notReady?.().join()).toContain("hurt");
    const list = (await stack.get("/index")).body;
    expect(list.indexes.map(({ name }: { name: string }) => name)).toEqual(["good"]);
    expect(list.unreadable[0].name).toBe("hurt");
    expect((await stack.post("/index/good/search", { vector: [1, 0] })).body.results.length).toBe(5);
    expect((await stack.post("/index", { name: "hurt", dimension: 2 })).status).toBe(409);
    expect((await stack.del("/index/hurt")).status).toBe(200);
    expect(stack.running.notReady?.()).toEqual([]);
    expect((await stack.post("/index", { name: "hurt", dimension: 2 })).status).toBe(201);
    await stack.stop();
    directory.remove();
  });

  test("an add that cannot be stored changes nothing", async () => {
    let broken = false;
    const refuse =
      <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (broken) throw new Error("the disk is gone");
        return work(...args);
      };
    const stack = await startVectordStack({
      storaged: (verbs) => ({
        ...verbs,
        write: refuse(verbs.write),
        commit: refuse(verbs.commit),
        stage: refuse(verbs.stage),
      }),
    });
    await stack.post("/index", { name: "a", dimension: 2 });
    await stack.post("/index/a/add", { items: itemsOf(0, 3, 2) });
    broken = true;
    expect((await stack.post("/index/a/add", { items: itemsOf(3, 3, 2) })).status).toBeGreaterThanOrEqual(
      500,
    );
    expect((await stack.get("/index/a")).body.count).toBe(3);
    expect((await stack.get("/index/a/items/i3")).status).toBe(404);
    broken = false;
    expect((await stack.post("/index/a/add", { items: itemsOf(3, 3, 2) })).body.count).toBe(6);
    await stack.stop();
  });
});
