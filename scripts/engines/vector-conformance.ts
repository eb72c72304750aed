/** What an index must do alike, whichever engine searches it: one list of checks, run for those here and those of others. */
import {
  addItems,
  createIndex,
  expectEqual,
  expectStatus,
  expectTrue,
  type Hit,
  type Lake,
  postJson,
  searchHits,
} from "../smoke-product/smoke-product.ts";

export interface Item {
  id: string;
  vector: number[];
  metadata: Record<string, unknown>;
}

export const dimension = 32;
const recallMin = 0.95;

/** Numbers that look random and are the same in every run. */
export function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return state / 0x7fffffff - 0.5;
  };
}

/** Some lie in a state, some have no rate, some a list of tags, some a place. */
export function makeItems(count: number, size = dimension, seed = 7): Item[] {
  const next = numbersFrom(seed);
  return Array.from({ length: count }, (_, at) => ({
    id: `w${at}`,
    vector: Array.from({ length: size }, next),
    metadata: {
      state: at % 50 === 0 ? "IL" : "CA",
      ...(at % 3 !== 0 && { rate: at % 40 }),
      tags: at % 2 === 0 ? ["night", `t${at % 7}`] : [],
      place: { lat: (at % 90) / 2, lon: at % 180 },
    },
  }));
}

const filters: Record<string, object | undefined> = {
  "no filter": undefined,
  "a value of 2 %": { state: "IL" },
  "a range": { rate: { gte: 20, lt: 22 } },
  "or, not, in": { or: [{ state: "IL" }, { not: { rate: { in: [1, 2, 3] } } }] },
  "a field that is not there": { rate: { exists: false } },
  "a list's element, and a prefix": { tags: { prefix: "t3" } },
  "a circle": { place: { near: { lat: 10, lon: 20, radius_m: 900_000 } } },
  "half of all": { tags: "night" },
};

const cosine = (a: readonly number[], b: readonly number[]): number => {
  const [x, y] = [Float32Array.from(a), Float32Array.from(b)];
  const sum = (of: (at: number) => number) => x.reduce((all, _, at) => all + of(at), 0);
  const dot = sum((at) => (x[at] ?? 0) * (y[at] ?? 0));
  return 1 - dot / Math.sqrt(sum((at) => (x[at] ?? 0) ** 2) * sum((at) => (y[at] ?? 0) ** 2));
};

/** Of the true nearest, by comparing all, those that were found; and that no distance is another. */
async function recallOf(lake: Lake, name: string, queries: number[][], filter: object | undefined) {
  let [found, wanted] = [0, 0];
  for (const vector of queries) {
    const body = { vector, k: 10, ...(filter && { filter }) };
    const [near, exact] = [
      await searchHits(lake, name, body),
      await searchHits(lake, name, { ...body, exact: true }),
    ];
    const ids = new Map(exact.map((hit) => [hit.id, hit.distance]));
    for (const { id, distance } of near) if (ids.has(id)) expectEqual([id, distance], [id, ids.get(id)]);
    found += near.filter(({ id }) => ids.has(id)).length;
    wanted += exact.length;
    expectEqual(near.length, exact.length);
  }
  return found / wanted;
}

/** Waits until the engine has all of the index. */
export async function indexed(lake: Lake, name: string): Promise<void> {
  for (;;) {
    const { body } = await lake.send(`/v1/vectors/index/${name}`);
    const { count, deleted, indexed } = body as { count: number; deleted: number; indexed: number };
    if (indexed >= count + deleted) return;
    await Bun.sleep(20);
  }
}

export const remove = (lake: Lake, name: string, body: object) =>
  postJson(lake, `/v1/vectors/index/${name}/delete`, body);
export const nearest = async (lake: Lake, name: string, vector: readonly number[], more: object = {}) =>
  (await searchHits(lake, name, { vector, k: 3, ...more }))[0] as Hit;

interface Filled {
  lake: Lake;
  name: string;
  items: Item[];
  queries: number[][];
}

const promises: Record<string, (on: Filled) => Promise<void>> = {
  "distances are 1 − cos of the vectors": async ({ lake, name, items, queries }) => {
    const [vector = []] = queries;
    const { id, distance } = await nearest(lake, name, vector);
    const item = items.find((one) => one.id === id);
    expectTrue(Math.abs(distance - cosine(vector, item?.vector ?? [])) < 1e-6, `${id} at ${distance}`);
  },
  "many queries at once give what each gives alone": async ({ lake, name, queries }) => {
    const together = (await searchHits(lake, name, {
      vectors: queries,
      k: 5,
      exact: true,
    })) as unknown as Hit[][];
    const some = (await searchHits(lake, name, { vectors: queries, k: 5 })) as unknown as Hit[][];
    expectEqual(some.length, together.length);
    const same = some.flatMap((hits, at) => hits.filter(({ id }, place) => id === together[at]?.[place]?.id));
    expectTrue(same.length >= queries.length * 5 * recallMin, `${same.length} are the same`);
  },
  "what is added is found at once": async ({ lake, name }) => {
    const vector = makeItems(1, dimension, 1234)[0]?.vector ?? [];
    expectStatus(await addItems(lake, name, [{ id: "fresh", vector }]), 200);
    expectEqual((await nearest(lake, name, vector)).id, "fresh");
  },
  "what is replaced is found where it is now, once": async ({ lake, name }) => {
    const [old, now] = makeItems(2, dimension, 4321).map(({ vector }) => vector);
    await addItems(lake, name, [{ id: "moved", vector: old }]);
    await indexed(lake, name);
    await addItems(lake, name, [{ id: "moved", vector: now }]);
    const there = await searchHits(lake, name, { vector: old, k: 50 });
    expectTrue(
      there.every(({ id, distance }) => id !== "moved" || distance > 0.1),
      "it is where it was",
    );
    const here = await searchHits(lake, name, { vector: now, k: 50 });
    expectEqual(here.filter(({ id }) => id === "moved").length, 1);
    expectEqual(here[0]?.id, "moved");
  },
  "what is deleted never comes back": async ({ lake, name, items }) => {
    expectStatus(await remove(lake, name, { ids: ["fresh", "w5", "w10"] }), 200);
    const vector = items[5]?.vector ?? [];
    const seen = async () => (await searchHits(lake, name, { vector, k: 100 })).map(({ id }) => id);
    expectTrue(!(await seen()).includes("w5"), "it is found at once");
    await indexed(lake, name);
    expectTrue(!(await seen()).includes("w5"), "it is found later");
    expectStatus(await postJson(lake, `/v1/vectors/index/${name}/compact`, {}), 200);
    expectTrue(!(await seen()).includes("w5"), "it is found after a compaction");
  },
  "a vector without a direction is refused": async ({ lake, name }) => {
    const items = [{ id: "zero", vector: Array(dimension).fill(0) }];
    expectStatus(await addItems(lake, name, items), 400);
  },
};

/** Makes the index, fills it, and looks at everything that the contract says of a search. */
export async function conforms(
  lake: Lake,
  name: string,
  settings: object,
  check: (what: string, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const items = makeItems(3000);
  const queries = makeItems(20, dimension, 99).map(({ vector }) => vector);
  await check("takes items", async () => {
    expectStatus(await createIndex(lake, { name, dimension, ...settings }), 201);
    for (let at = 0; at < items.length; at += 1000)
      expectStatus(await addItems(lake, name, items.slice(at, at + 1000)), 200);
    await indexed(lake, name);
  });
  for (const [what, filter] of Object.entries(filters))
    await check(`${what}: the nearest, by their exact distances`, async () => {
      const recall = await recallOf(lake, name, queries, filter);
      expectTrue(recall >= recallMin, `recall ${recall}, expected ${recallMin}`);
    });
  for (const [what, work] of Object.entries(promises))
    await check(what, () => work({ lake, name, items, queries }));
}
