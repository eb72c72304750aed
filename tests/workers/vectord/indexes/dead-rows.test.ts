/** More than half of an index's rows are dead, and it was not compacted yet: the nearest are found all the same. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

const dimension = 96;
const [live, dead] = [4500, 6000];
const random = seeded(3);
/** Without any structure: the hardest there is for a graph. */
const vectors = (count: number) =>
  Array.from({ length: count }, () =>
    Array.from(
      { length: dimension },
      () => Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random()),
    ),
  );

let stack: VectordStack;
beforeAll(async () => {
  stack = await startVectordStack({ settings: { compact_deleted_percent: 100 } });
});
afterAll(() => stack.stop());

async function fill(name: string, gone: number[][], kept: number[][]) {
  await stack.post("/index", { name, dimension, metric: "l2" });
  const ids = [...gone.map((_, at) => `gone${at}`), ...kept.map((_, at) => `kept${at}`)];
  await stack.vectord.addVectors({
    name,
    ids,
    vectors: new Uint8Array(Float32Array.from([...gone, ...kept].flat()).buffer),
  });
  await stack.indexed(name);
  await stack.post(`/index/${name}/delete`, { ids: ids.slice(0, gone.length) });
  expect((await stack.get(`/index/${name}`)).body).toMatchObject({ count: live, deleted: dead });
}

/** The share of the true nearest that is found. */
async function recall(name: string, queries: number[][], k: number): Promise<number> {
  const ask = async (exact: boolean): Promise<{ id: string }[][]> =>
    (await stack.post(`/index/${name}/search`, { vectors: queries, k, exact })).body.results;
  const [found, truth] = [await ask(false), await ask(true)];
  const right = truth.map((hits, at) => {
    const ids = new Set(found[at]?.map(({ id }) => id));
    return hits.filter(({ id }) => ids.has(id)).length / k;
  });
  return right.reduce((sum, share) => sum + share, 0) / right.length;
}

test("57 % of the rows are dead", async () => {
  await fill("spread", vectors(dead), vectors(live));
  expect(await recall("spread", vectors(30), 100)).toBeGreaterThanOrEqual(0.95);
  expect(await recall("spread", vectors(30), 10)).toBeGreaterThanOrEqual(0.93);
});
