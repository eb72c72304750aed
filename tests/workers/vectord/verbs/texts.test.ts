/** Texts in and out, items that change in place, and what a search may ask for beside the nearest. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

type Hit = { id: string; score: number; distance: number; text?: string; group?: unknown; metadata?: object };

let stack: VectordStack;
beforeAll(async () => {
  stack = await startVectordStack();
});
afterAll(() => stack.stop());

const ids = (hits: Hit[]) => hits.map(({ id }) => id);
const search = async (index: string, body: object): Promise<Hit[]> => {
  const answer = await stack.post(`/index/${index}/search`, body);
  expect([answer.status, answer.body.error]).toEqual([200, undefined]);
  return answer.body.results;
};
const item = async (index: string, id: string) => (await stack.get(`/index/${index}/items/${id}`)).body;

describe("texts", () => {
  const jobs = [
    {
      id: "nurse",
      text: "registered nurse who cares for patients in a hospital",
      metadata: { shift: "night" },
    },
    { id: "weld", text: "welder who joins steel beams", metadata: { shift: "day" } },
    { id: "cook", text: "chef who prepares meals in a restaurant" },
    {
      id: "given",
      vector: Array.from({ length: 512 }, (_, at) => (at === 7 ? 1 : 0)),
      text: "made elsewhere",
    },
  ];

  test("an index takes its dimension from its model, by the version of today", async () => {
    const { status, body } = await stack.post("/index", { name: "jobs", embedding_model: "local" });
    expect([status, body.dimension, body.embedding_model]).toEqual([201, 512, "local-3"]);
  });

  test("items are added by text, with a vector beside it or without", async () => {
    const { body } = await stack.post("/index/jobs/add", { items: jobs, embedding_model: "local" });
    expect(body).toEqual({ added: 4, replaced: 0, count: 4 });
    const given = await item("jobs", "given");
    expect([given.vector[7], given.vector[8], given.text]).toEqual([1, 0, "made elsewhere"]);
  });

  test("found by text, which comes back beside the metadata", async () => {
    const [first] = await search("jobs", { text: "somebody for the clinic's sick people", k: 1 });
    expect(first).toMatchObject({ ...jobs[0], score: expect.any(Number) });
    const results = await search("jobs", { texts: ["steel", "kitchen of a restaurant"], k: 1 });
    expect((results as unknown as Hit[][]).map(ids)).toEqual([["weld"], ["cook"]]);
  });

  test("filters see the text, and answers leave it out where metadata is not asked for", async () => {
    const hits = await search("jobs", { text: "work", filter: { "@text": { contains: "who joins" } } });
    expect(ids(hits)).toEqual(["weld"]);
    const [bare] = await search("jobs", { text: "steel", k: 1, include: [] });
    expect(Object.keys(bare ?? {}).sort()).toEqual(["distance", "id", "score"]);
  });

  test("the same items under one key are added once", async () => {
    const body = { items: [{ id: "keyed", text: "a driver of trucks" }] };
    const key = { "idempotency-key": "texts-1" };
    const first = await stack.post("/index/jobs/add", body, key);
    const again = await stack.post("/index/jobs/add", body, key);
    expect([first.body.added, again.body]).toEqual([1, first.body]);
    const other = await stack.post("/index/jobs/add", { items: [{ id: "keyed", text: "another" }] }, key);
    expect(other.body.error.type).toBe("idempotency_conflict");
  });

  test("more texts than one call takes", async () => {
    const many = Array.from({ length: 700 }, (_, at) => ({
      id: `${at}`,
      text: `plant number ${at} of the works`,
    }));
    await stack.post("/index", { name: "many", embedding_model: "lexical" });
    expect((await stack.post("/index/many/add", { items: many })).body.added).toBe(700);
    expect(ids(await search("many", { text: "plant number 613 of the works", k: 1 }))).toEqual(["613"]);
  });
});

describe("update", () => {
  const vector = [1, 2, 3];
  const update = (id: string, body: object, headers?: Record<string, string>) =>
    stack.patch(`/index/people/items/${id}`, body, headers);

  test("some fields, all of them, none of them; the vector stays", async () => {
    await stack.post("/index", { name: "people", dimension: 3, metric: "l2" });
    await stack.post("/index/people/add", {
      items: [{ id: "a b", vector, metadata: { a: 1, b: { c: 2 } } }],
    });
    const at = encodeURIComponent("a b");
    expect((await update(at, { set: { a: null, d: [1] }, unset: ["b", "none"] })).body).toEqual({
      updated: true,
      id: "a b",
    });
    expect(await item("people", at)).toEqual({ id: "a b", vector, metadata: { a: null, d: [1] } });
    await update(at, { metadata: { e: 1 } });
    expect(await item("people", at)).toEqual({ id: "a b", vector, metadata: { e: 1 } });
    await update(at, { unset: ["e"] });
    expect(await item("people", at)).toEqual({ id: "a b", vector });
  });

  test("a new text makes a new vector and keeps the metadata", async () => {
    await stack.post("/index", { name: "notes", embedding_model: "local" });
    await stack.post("/index/notes/add", {
      items: [
        { id: "n", text: "likes to weld", metadata: { by: "Ann" } },
        { id: "m", text: "sails boats" },
      ],
    });
    await stack.patch("/index/notes/items/n", { text: "bakes bread", set: { by: "Bob" } });
    const [first] = await search("notes", { text: "bread", k: 1 });
    expect(first).toMatchObject({ id: "n", text: "bakes bread", metadata: { by: "Bob" } });
    await stack.patch("/index/notes/items/n", { metadata: {} });
    expect((await item("notes", "n")).text).toBe("bakes bread");
  });

  test("filters see what is, and changes at once all count", async () => {
    await stack.post("/index/people/add", { items: [{ id: "c", vector, metadata: {} }] });
    await Promise.all(Array.from({ length: 40 }, (_, at) => update("c", { set: { [`f${at}`]: at } })));
    expect(Object.keys((await item("people", "c")).metadata)).toHaveLength(40);
    expect(ids(await search("people", { vector, filter: { f39: 39 } }))).toEqual(["c"]);
    await update("c", { unset: ["f39"] });
    expect(ids(await search("people", { vector, filter: { f39: 39 } }))).toEqual([]);
  });

  test("it is there after a restart, and under a key it is done once", async () => {
    const key = { "idempotency-key": "update-1" };
    await update("c", { metadata: { round: 1 } }, key);
    await update("c", { metadata: { round: 2 } });
    expect((await update("c", { metadata: { round: 1 } }, key)).body).toEqual({ updated: true, id: "c" });
    const again = await startVectordStack({ directory: stack.directory });
    try {
      const { body } = await again.get("/index/people/items/c");
      expect(body).toEqual({ id: "c", vector, metadata: { round: 2 } });
    } finally {
      await again.stop();
    }
  });
});

describe("search", () => {
  const at = (degrees: number) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  /** 0°, 1°, … 59°: the nearest to 0° in order; every tenth is of another kind. */
  const items = Array.from({ length: 60 }, (_, degrees) => ({
    id: `${degrees}`,
    vector: at(degrees),
    metadata: { kind: degrees % 10, tags: degrees % 2 === 0 ? ["even", "all"] : ["odd", "all"], degrees },
  }));
  beforeAll(async () => {
    await stack.post("/index", { name: "arc", dimension: 2 });
    await stack.post("/index/arc/add", { items: [...items, { id: "plain", vector: at(180) }] });
  });
  const around = (body: object) => search("arc", { vector: at(0), ...body });

  test("an offset skips the nearest", async () => {
    expect(ids(await around({ k: 3, offset: 4 }))).toEqual(["4", "5", "6"]);
    expect(ids(await around({ k: 5, offset: 59 }))).toEqual(["59", "plain"]);
    expect(await around({ k: 5, offset: 61 })).toEqual([]);
  });

  test("a score and a distance bound the hits", async () => {
    const cosine = Math.cos((10.5 * Math.PI) / 180);
    expect(ids(await around({ k: 50, min_score: cosine }))).toEqual(items.slice(0, 11).map(({ id }) => id));
    expect(await around({ k: 50, max_distance: 1 - cosine })).toHaveLength(11);
    expect(await around({ k: 50, min_score: 2 })).toEqual([]);
  });

  test("groups by a field, the nearest first, each with its nearest", async () => {
    const groups = await around({ k: 3, group_by: "kind", group_size: 2, offset: 1 });
    expect(groups.map(({ id, group }) => [id, group])).toEqual([
      ["1", 1],
      ["11", 1],
      ["2", 2],
      ["12", 2],
      ["3", 3],
      ["13", 3],
    ]);
    const tags = await around({ k: 9, group_by: "tags" });
    expect(tags.map(({ id, group }) => [id, group])).toEqual([
      ["0", "even"],
      ["0", "all"],
      ["1", "odd"],
    ]);
    const within = await around({ k: 9, group_by: "kind", filter: { degrees: { gte: 57 } } });
    expect(within.map(({ group }) => group)).toEqual([7, 8, 9]);
  });

  test("groups that lie far behind the nearest are found", async () => {
    const crowd = Array.from({ length: 3_000 }, (_, n) => ({
      id: `c${n}`,
      vector: at(n / 100),
      metadata: { team: n < 2_990 ? "near" : "far" },
    }));
    await stack.post("/index", { name: "crowd", dimension: 2 });
    await stack.post("/index/crowd/add", { items: crowd });
    const hits = await search("crowd", { vector: at(0), k: 5, group_by: "team", group_size: 2 });
    expect(ids(hits)).toEqual(["c0", "c1", "c2990", "c2991"]);
  });

  test("mmr takes hits that differ; lambda 1 is the nearest", async () => {
    expect(ids(await around({ k: 4, mmr: { lambda: 1 } }))).toEqual(["0", "1", "2", "3"]);
    const spread = await around({ k: 3, mmr: { lambda: 0.3, candidates: 60 } });
    expect(ids(spread)).toEqual(["0", "59", "29"]);
  });

  test("like some items and unlike others, none of which is answered", async () => {
    expect(ids(await search("arc", { like: ["20"], k: 2 })).sort()).toEqual(["19", "21"]);
    expect(ids(await search("arc", { like: ["10", "20"], k: 1 }))).toEqual(["15"]);
    // Twice 30° less 20° points to about 40°.
    const away = await search("arc", { like: ["30"], unlike: ["20"], k: 3 });
    expect(ids(away).sort()).toEqual(["39", "40", "41"]);
    const odd = await search("arc", { like: ["20"], k: 2, filter: { tags: "even" } });
    expect(ids(odd).sort()).toEqual(["18", "22"]);
  });
});
