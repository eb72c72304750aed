/** Vectors beside the main one: sparse and dense, kept with their item through all that happens to it, searched and fused. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as arrow from "apache-arrow";
import { weightedMean } from "../../../../runtime/ranking/ranking.ts";
import { type ApiCase, refused, runCases } from "../../../support/clients/api-case.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

const directory = temporaryDirectory("named-vectors");
let stack: VectordStack;
const start = async () => {
  stack = await startVectordStack({ directory: directory.path });
};
beforeAll(async () => {
  await start();
  const declared = { words: { sparse: true }, title: { dimension: 3, metric: "l2" } };
  const made = await stack.post("/index", { name: "jobs", dimension: 2, vectors: declared });
  expect([made.status, made.body.vectors]).toEqual([201, declared]);
  await stack.post("/index", { name: "plain", dimension: 2 });
  expect((await stack.post("/index/jobs/add", { items })).body).toEqual({ added: 6, replaced: 0, count: 6 });
});
afterAll(async () => {
  await stack.stop();
  directory.remove();
});

const sparse = (...pairs: [number, number][]) => ({
  indices: pairs.map(([index]) => index),
  values: pairs.map(([, value]) => value),
});
const items = [
  { id: "a", vector: [1, 0], metadata: { state: "IL" }, vectors: { words: sparse([1, 1], [7, 2]) } },
  {
    id: "b",
    vector: [0.9, 0.1],
    metadata: { state: "IL" },
    vectors: { words: sparse([4294967295, 0.5], [7, 1]), title: [0, 0, 1] },
  },
  {
    id: "c",
    vector: [0, 1],
    metadata: { state: "MA" },
    vectors: { words: sparse([7, 3]), title: [1, 1, 1] },
  },
  { id: "d", vector: [0, -1], metadata: { state: "MA" }, vectors: { words: sparse([2, 5], [1, -1]) } },
  { id: "e", vector: [-1, 0], vectors: { title: [0, 0, 0.5] } },
  { id: "f", vector: [0.7, 0.7] },
];
const search = async (body: object, name = "jobs") => {
  const answer = await stack.post(`/index/${name}/search`, body);
  expect([answer.status, answer.body.error]).toEqual([200, undefined]);
  return answer.body.results as { id: string; score: number; distance: number; parts?: object }[];
};
const scored = (found: Awaited<ReturnType<typeof search>>) => found.map(({ id, score }) => [id, score]);
const query = { words: sparse([7, 2], [1, 1]) };

test("by a sparse vector: the products, largest first; items without it are not found", async () => {
  const found = await search({ named: query });
  expect(scored(found)).toEqual([
    ["c", 6],
    ["a", 5],
    ["b", 2],
    ["d", -1],
  ]);
  expect(found.map(({ distance }) => distance)).toEqual([-6, -5, -2, 1]);
  expect(scored(await search({ named: query, k: 1, offset: 1 }))).toEqual([["a", 5]]);
  expect(scored(await search({ named: query, min_score: 3 }))).toEqual([
    ["c", 6],
    ["a", 5],
  ]);
  expect(scored(await search({ named: query, filter: { state: "MA" } }))).toEqual([
    ["c", 6],
    ["d", -1],
  ]);
  expect(await search({ named: { words: sparse([4294967295, 4]) } })).toMatchObject([{ id: "b", score: 2 }]);
});

test("by a dense vector beside the main one, by its own metric", async () => {
  const found = await search({ named: { title: [0, 0, 1] } });
  expect(found.map(({ id, distance }) => [id, distance])).toEqual([
    ["b", 0],
    ["e", 0.25],
    ["c", 2],
  ]);
  expect(found[1]?.score).toBe(0.8);
});

test("fused: every part on a scale of its own, for each candidate, and the weights that are asked for", async () => {
  const weights = { vector: 2, words: 1, title: 1 };
  const asked = { vector: [1, 0], named: { ...query, title: [0, 0, 1] } };
  const found = await search({ ...asked, weights, k: 6 });
  const parts = Object.fromEntries(found.map((hit) => [hit.id, hit.parts]));
  // The most that any item could have for these words is 3 × 2 + 1 × 1.
  expect(parts.a).toEqual({ vector: 1, words: 5 / 7 });
  expect(parts.c).toEqual({ vector: 0, words: 6 / 7, title: expect.closeTo(1 / 3, 9) });
  expect(parts.e).toEqual({ vector: -1, title: expect.closeTo(0.8, 9) });
  expect(parts.f).toEqual({ vector: expect.closeTo(Math.SQRT1_2, 9) });
  expect(found).toHaveLength(6);
  for (const { id, score, distance } of found) {
    const of = parts[id] as Record<string, number>;
    const all = Object.entries(weights).map(([name, weight]) => [of[name] ?? 0, weight] as const);
    expect(score).toBeCloseTo(weightedMean(all), 12);
    expect(distance).toBeCloseTo(1 - score, 12);
  }
  expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((x, y) => y - x));
  const byWords = await search({ ...asked, weights: { vector: 0, title: 0 }, k: 3 });
  expect(byWords.map(({ id }) => id)).toEqual(["c", "a", "b"]);
});

test("they are shown with the vector, and in pages", async () => {
  const { body } = await stack.get("/index/jobs/items/b");
  expect(body.vectors).toEqual({ words: sparse([7, 1], [4294967295, 0.5]), title: [0, 0, 1] });
  expect(body.metadata).toEqual({ state: "IL" });
  const page = await stack.post("/index/jobs/items/scroll", { include: ["vector"], page_size: 10 });
  expect(page.body.items.map(({ id, vectors }: { id: string; vectors?: object }) => [id, vectors])).toEqual([
    ["a", items[0]?.vectors],
    ["b", body.vectors],
    ["c", items[2]?.vectors],
    ["d", { words: sparse([1, -1], [2, 5]) }],
    ["e", items[4]?.vectors],
    ["f", undefined],
  ]);
  const [bare] = (await stack.post("/index/jobs/search", { vector: [1, 0], k: 1 })).body.results;
  expect(bare).toEqual({ id: "a", distance: 0, score: 1, metadata: { state: "IL" } });
});

test("a change keeps, replaces and removes them; what is deleted or replaced is not found", async () => {
  const words = (id: string) => stack.get(`/index/jobs/items/${id}`).then(({ body }) => body.vectors?.words);
  await stack.patch("/index/jobs/items/a", { metadata: { state: "WI" } });
  expect(await words("a")).toEqual(sparse([1, 1], [7, 2]));
  await stack.patch("/index/jobs/items/a", { vectors: { words: sparse([7, 9]) } });
  await stack.patch("/index/jobs/items/b", { vectors: { words: null } });
  await stack.post("/index/jobs/delete", { ids: ["d"] });
  expect(scored(await search({ named: query }))).toEqual([
    ["a", 18],
    ["c", 6],
  ]);
  expect((await stack.get("/index/jobs/items/b")).body.vectors).toEqual({ title: [0, 0, 1] });
});

test("a start, a snapshot, a compaction and a restore keep them", async () => {
  const asked = { vector: [1, 0], named: query, k: 6 };
  const before = await search(asked);
  await stack.stop();
  await start();
  const made = await stack.post("/index/jobs/snapshots");
  expect((await stack.post("/index/jobs/compact")).status).toBe(200);
  await stack.stop();
  await start();
  // Rows that are dead count in the most that any could have, until a compaction.
  const compacted = await search(asked);
  expect(compacted.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  expect(scored(await search({ named: query }))).toEqual([
    ["a", 18],
    ["c", 6],
  ]);
  await stack.post("/index/jobs/delete", { ids: ["a"] });
  await stack.post(`/index/jobs/snapshots/${made.body.id}/restore`, { as: "again" });
  expect(scored(await search({ named: query }, "again"))).toEqual([
    ["a", 18],
    ["c", 6],
  ]);
});

test("a damaged one makes its index corrupt, naming the object, and no other", async () => {
  await stack.post("/index", { name: "hurt", dimension: 2, vectors: { words: { sparse: true } } });
  await stack.post("/index/hurt/add", { items: [{ id: "a", vector: [1, 0], vectors: query }] });
  await stack.stop();
  const kept = Buffer.from(new Uint32Array([1, 7]).buffer)
    .toString("base64")
    .slice(0, 8);
  const folder = join(directory.path, "buckets", "primary", "vectors", "hurt");
  const path = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => join(folder, file))
    .find((file) => statSync(file).isFile() && readFileSync(file).includes(kept));
  const bytes = readFileSync(path ?? "");
  const at = bytes.indexOf(kept);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path ?? "", bytes);
  await start();
  const answer = await stack.post("/index/hurt/search", { named: query });
  expect([answer.status, answer.body.error?.type]).toEqual([500, "corrupt"]);
  expect(answer.body.error?.message).toContain("vectors/hurt/");
  expect((await search({ named: query }, "again")).length).toBe(2);
});

test("types with inverted lists say how they are searched, and whether they are trained", async () => {
  const { body } = await stack.post("/index", {
    name: "lists",
    dimension: 2,
    type: "ivf_flat",
    ef_search: 64,
  });
  if (body.error?.type === "unavailable") return;
  expect(body.ivf).toEqual({ nprobe: 32, trained: false, train_from: 64 * 39 });
  expect((await stack.get("/index/jobs")).body.ivf).toBeUndefined();
});

const arrowType = "application/vnd.apache.arrow.stream";
const numbers = new arrow.List(new arrow.Field("item", new arrow.Float32()));
const sparseType = new arrow.Struct([
  new arrow.Field("indices", new arrow.List(new arrow.Field("item", new arrow.Uint32()))),
  new arrow.Field("values", numbers),
]);
const namedType = (title: arrow.DataType = numbers) =>
  new arrow.Struct([new arrow.Field("words", sparseType, true), new arrow.Field("title", title, true)]);
const column = (values: unknown[], type: arrow.DataType) => arrow.vectorFromArray(values as never, type);
const stream = (columns: Record<string, arrow.Vector>) =>
  arrow.tableToIPC(new arrow.Table(columns as never), "stream") as Uint8Array<ArrayBuffer>;
const byArrow = (path: string, columns: Record<string, arrow.Vector>): Request =>
  new Request(`http://localhost/vectors/index/${path}`, {
    ...{ method: "POST", headers: { "content-type": arrowType }, body: stream(columns) },
  });

test("Arrow: items with named vectors, and searches by them, as by JSON", async () => {
  const vectorShapes = { words: { sparse: true }, title: { dimension: 3, metric: "l2" } };
  for (const name of ["told", "spoken"])
    expect((await stack.post("/index", { name, dimension: 2, vectors: vectorShapes })).status).toBe(201);
  expect((await stack.post("/index/spoken/add", { items })).status).toBe(200);
  const columns = {
    id: column(
      items.map(({ id }) => id),
      new arrow.Utf8(),
    ),
    vector: column(
      items.map(({ vector }) => vector),
      numbers,
    ),
    vectors: column(
      items.map(({ vectors = {} }) => ({ words: null, title: null, ...vectors })),
      namedType(),
    ),
    state: column(
      items.map(({ metadata }) => metadata?.state ?? null),
      new arrow.Utf8(),
    ),
  };
  const added = await stack.send(byArrow("told/add", columns));
  expect([added.status, await added.json()]).toEqual([200, { added: 6, replaced: 0, count: 6 }]);
  for (const { id } of items) {
    const read = async (index: string) => (await stack.get(`/index/${index}/items/${id}`)).body;
    expect(await read("told")).toEqual(await read("spoken"));
  }
  const asked = { vector: [1, 0], named: { ...query, title: [0, 0, 1] }, weights: { vector: 2 }, k: 3 };
  const vectors = column([{ words: query.words, title: [0, 0, 1] }], namedType());
  const found = await stack.send(
    byArrow(`told/search?k=3&weights=${encodeURIComponent('{"vector":2}')}`, {
      ...{ vectors, vector: column([[1, 0]], numbers) },
    }),
  );
  expect((await found.json()).results).toEqual(await search(asked, "spoken"));
  const plain = await stack.send(
    byArrow("told/search?k=2", {
      vector: column(
        [
          [1, 0],
          [0, 1],
        ],
        numbers,
      ),
    }),
  );
  expect((await plain.json()).results).toEqual(
    await search(
      {
        vectors: [
          [1, 0],
          [0, 1],
        ],
        k: 2,
      },
      "spoken",
    ),
  );
});

test.each([
  ["vectors that are no struct", "add", { vectors: column(["x"], new arrow.Utf8()) }, "expected a Struct"],
  [
    "dense of another length",
    "add",
    { vectors: column([{ words: null, title: [1] }], namedType()) },
    "item 0 ('a'): vectors.title: expected 3",
  ],
  [
    "numbers that are text",
    "add",
    {
      vectors: column(
        [{ words: null, title: ["a"] }],
        namedType(new arrow.List(new arrow.Field("item", new arrow.Utf8()))),
      ),
    },
    "expected number",
  ],
  [
    "a NaN",
    "add",
    { vectors: column([{ words: null, title: [1, Number.NaN, 1] }], namedType()) },
    "got null",
  ],
  [
    "more values than indices",
    "add",
    { vectors: column([{ words: { indices: [1], values: [1, 2] }, title: null }], namedType()) },
    "1 indices and 2 values",
  ],
  [
    "named vectors as metadata",
    "add",
    { "@vectors": column(["x"], new arrow.Utf8()) },
    "give them as 'vectors'",
  ],
  [
    "two rows",
    "search",
    {
      vectors: column(
        [1, 2].map(() => ({ words: null, title: [1, 1, 1] })),
        namedType(),
      ),
    },
    "one row",
  ],
  [
    "no vector at all",
    "search",
    { vectors: column([{ words: null, title: null }], namedType()) },
    "at least one",
  ],
  [
    "a column of something else",
    "search",
    { id: column(["a"], new arrow.Utf8()) },
    "columns vector and vectors",
  ],
  ["no column", "search", {}, "expected columns vector"],
  ["weights that are no JSON", "search?weights=x", { vector: column([[1, 0]], numbers) }, "weights"],
  ["weights alone", 'search?weights={"vector":1}', { vector: column([[1, 0]], numbers) }, "named"],
] as [string, string, Record<string, arrow.Vector>, string][])(
  "Arrow: %s is refused",
  async (_, path, given, says) => {
    const of =
      path === "add" ? { id: column(["a"], new arrow.Utf8()), vector: column([[1, 0]], numbers) } : {};
    const answer = await stack.send(byArrow(`jobs/${path}`, { ...of, ...given }));
    const { error } = await answer.json();
    expect([answer.status, error.message]).toEqual([400, expect.stringContaining(says)]);
  },
);

describe("bad input", () => {
  const send = (path: string, body: object): Pick<ApiCase, "method" | "path" | "body"> => ({
    method: path.startsWith("jobs/items/") ? "PATCH" : "POST",
    path: path === "" ? "/vectors/index" : `/vectors/index/${path}`,
    body: body as Record<string, unknown>,
  });
  const add = (vectors: object) => send("jobs/add", { items: [{ id: "x", vector: [1, 0], vectors }] });
  const asked = (more: object) => send("jobs/search", { named: query, ...more });
  const declared = (vectors: object) => send("", { name: "x", dimension: 2, vectors });
  runCases(
    [
      refused("declared: none", declared({}), "invalid_field", "vectors"),
      refused("declared: a name with a blank", declared({ "a b": { sparse: true } }), "invalid_field", "a b"),
      refused("declared: the main one", declared({ vector: { sparse: true } }), "invalid_field", "vector"),
      refused("declared: of no kind", declared({ a: {} }), "invalid_field", "vectors"),
      refused("declared: not sparse", declared({ a: { sparse: false } }), "invalid_field", "vectors"),
      refused("added: a name that is none", add({ other: [1] }), "bad_request", "no vector named 'other'"),
      refused(
        "added: to an index without",
        send("plain/add", { items: [{ id: "x", vector: [1, 0], vectors: { words: sparse([1, 1]) } }] }),
        "bad_request",
        "it declares none",
      ),
      refused("added: dense for sparse", add({ words: [1, 2] }), "bad_request", "expected a sparse vector"),
      refused("added: sparse for dense", add({ title: sparse([1, 1]) }), "bad_request", "expected 3 numbers"),
      refused("added: of another length", add({ title: [1, 2] }), "bad_request", "vectors.title: expected 3"),
      refused("added: an index twice", add({ words: sparse([1, 1], [1, 2]) }), "bad_request", "1 twice"),
      refused(
        "added: more values",
        add({ words: { indices: [1], values: [1, 2] } }),
        "bad_request",
        "1 indices and 2 values",
      ),
      refused("added: beyond floats", add({ words: sparse([1, 1e39]) }), "bad_request", "finite"),
      refused("added: a negative index", add({ words: sparse([-1, 1]) }), "invalid_field", "vectors"),
      refused(
        "added: as metadata",
        send("jobs/add", { items: [{ id: "x", vector: [1, 0], metadata: { "@vectors": {} } }] }),
        "bad_request",
        "give them as 'vectors'",
      ),
      refused(
        "changed: a name that is none",
        send("jobs/items/c", { vectors: { other: null } }),
        "bad_request",
        "no vector named 'other'",
      ),
      refused(
        "changed: unset",
        send("jobs/items/c", { unset: ["@vectors"] }),
        "bad_request",
        "give them as 'vectors'",
      ),
      refused("searched: nothing", asked({ named: {} }), "invalid_field", "named"),
      refused(
        "searched: a name that is none",
        asked({ named: { other: [1] } }),
        "bad_request",
        "named.other",
      ),
      refused("searched: several at once", asked({ vectors: [[1, 0]] }), "bad_request", "beside 'named'"),
      refused("searched: by likeness", asked({ like: ["c"] }), "bad_request", "beside 'named'"),
      refused("searched: in groups", asked({ group_by: "state" }), "invalid_field", "group_by"),
      refused(
        "searched: a weight of none",
        asked({ weights: { title: 1 } }),
        "invalid_field",
        "expected words, got 'title'",
      ),
      refused("searched: no weight", asked({ weights: { words: 0 } }), "invalid_field", "above 0"),
      refused(
        "searched: weights alone",
        send("jobs/search", { vector: [1, 0], weights: { vector: 1 } }),
        "invalid_field",
        "named",
      ),
    ],
    () => stack.send,
  );
});
