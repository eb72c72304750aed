/** What the engine built is there again after a start: beyond the checkpoint, and with rows that were dead. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { clustered } from "../../../../scripts/sample-data/make-vectors.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

const dimension = 8;
const rows = 10_000;
const name = "kept";
const { vectors, queries } = clustered(rows, dimension, 20);
const asked = Array.from({ length: 20 }, (_, at) => [
  ...queries.subarray(at * dimension, (at + 1) * dimension),
]);
const home = temporaryDirectory("kept-engine");
let stack: VectordStack;
const start = async (settings = {}) => {
  stack = await startVectordStack({
    directory: home.path,
    settings: { compact_deleted_percent: 100, ...settings },
  });
};
beforeAll(() => start());
afterAll(async () => {
  await stack.stop();
  home.remove();
});

const add = (from: number, to: number) =>
  stack.vectord.addVectors({
    name,
    ids: Array.from({ length: to - from }, (_, at) => `i${from + at}`),
    vectors: new Uint8Array(vectors.slice(from * dimension, to * dimension).buffer),
  });
const remove = (from: number, to: number) =>
  stack.post(`/index/${name}/delete`, {
    ids: Array.from({ length: to - from }, (_, at) => `i${from + at}`),
  });
const isDone = (what: string) => stack.log.some(({ msg }) => msg === `${what} done`);
/** Nothing is built: what is indexed when the first answer comes was read. */
async function restarted(indexedMin: number) {
  await stack.stop();
  await start();
  const { body } = await stack.get(`/index/${name}`);
  expect(body.problems).toBeUndefined();
  expect(body.indexed).toBeGreaterThanOrEqual(indexedMin);
  const search = async (exact: boolean): Promise<{ id: string }[][]> =>
    (await stack.post(`/index/${name}/search`, { vectors: asked, k: 10, exact })).body.results;
  const [found, truth] = [await search(false), await search(true)];
  const hits = truth.flatMap((right, at) =>
    right.filter(({ id }) => found[at]?.some((hit) => hit.id === id)),
  );
  expect(hits.length / (20 * 10)).toBeGreaterThanOrEqual(0.95);
}

test("a graph is kept between checkpoints, and with dead rows, and is not built again", async () => {
  await stack.post("/index", { name, dimension, memory: "graph" });
  await add(0, 1000);
  await stack.indexed(name);
  await stack.post(`/index/${name}/compact`);
  await add(1000, rows);
  while (!isDone("engine")) await new Promise<void>((resolve) => setImmediate(resolve));
  await remove(3000, 3500);
  await add(150, 160);
  const { count } = (await stack.get(`/index/${name}`)).body;
  await restarted(rows - 100);
  expect((await stack.get(`/index/${name}`)).body.count).toBe(count);

  // A checkpoint leaves out the rows that are dead, which the graph that was read, and is kept again, has still.
  await stack.stop();
  await start({ checkpoint_bytes: 1000 });
  await remove(5000, 5100);
  while (!isDone("checkpoint")) {
    await add(0, 500);
    await stack.indexed(name);
  }
  await stack.indexed(name);
  const live = (await stack.get(`/index/${name}`)).body;
  await restarted(live.count - 4000);
  expect((await stack.get(`/index/${name}`)).body.count).toBe(live.count);
});
