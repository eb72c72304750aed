import { clustered, nearestByCosine } from "../sample-data/sample-data.ts";
import {
  addItems,
  createIndex,
  dropIndex,
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  freshName,
  type Lake,
  postJson,
  type Smoke,
  type Stage,
  searchHits,
} from "../smoke-product/smoke-product.ts";

const dimension = 64;
const count = 2000;
const k = 10;
const recallWanted = 0.99;
const data = clustered(count, dimension, 50, 1);
const vectorAt = (from: Float32Array, row: number) => from.subarray(row * dimension, (row + 1) * dimension);
const states = ["IL", "IN", "WI", "OH"];

const items = () =>
  Array.from({ length: count }, (_, row) => ({
    id: `w-${row}`,
    vector: [...vectorAt(data.vectors, row)],
    metadata: { state: states[row % states.length], row },
  }));

/** Share of the true nearest that searches find. */
async function recall(
  lake: Lake,
  name: string,
  filter?: object,
  keep?: (row: number) => boolean,
): Promise<number> {
  let found = 0;
  let wanted = 0;
  for (let query = 0; query < data.queries.length / dimension; query++) {
    const vector = vectorAt(data.queries, query);
    const truth = nearestByCosine({ vectors: data.vectors, dimension }, vector, k, keep);
    const hits = await searchHits(lake, name, { vector: [...vector], k, ...(filter && { filter }) });
    const ids = new Set(hits.map(({ id }) => id));
    wanted += truth.length;
    found += truth.filter((row) => ids.has(`w-${row}`)).length;
  }
  return found / wanted;
}

async function refuses({ check }: Stage, lake: Lake, name: string): Promise<void> {
  await check(
    "a vector of another dimension is a 400 that says which, and nothing of its batch is added",
    async () => {
      const batch = [
        { id: "good", vector: Array(dimension).fill(1) },
        { id: "bad", vector: [1, 2, 3] },
      ];
      const message = expectError(await addItems(lake, name, batch), 400, "bad_request");
      expectTrue(message.includes(String(dimension)) && message.includes("3"), message);
      expectStatus(await lake.send(`/v1/vectors/index/${name}/items/good`), 404);
      const search = await postJson(lake, `/v1/vectors/index/${name}/search`, { vector: [1], k: 1 });
      expectError(search, 400, "bad_request");
    },
  );
  await check("an id twice in a batch is a 400", async () => {
    const vector = Array(dimension).fill(1);
    const batch = [
      { id: "twice", vector },
      { id: "twice", vector },
    ];
    expectStatus(await addItems(lake, name, batch), 400);
  });
  await check("the same name again is a 409", async () => {
    expectError(await createIndex(lake, { name, dimension }), 409, "conflict");
  });
  await check("an index that is not there is a 404", async () => {
    const search = await postJson(lake, "/v1/vectors/index/no_such_index/search", { vector: [1], k: 1 });
    expectError(search, 404, "not_found");
  });
}

export const g1: Smoke = {
  about: "vectors: recall, filters, upsert, delete, wrong dimension, a name twice",
  async run(stage) {
    const { check } = stage;
    const lake = await stage.lake();
    const name = freshName();
    await check("an index is created: 201", async () => {
      const answer = await createIndex(lake, { name, dimension, metric: "cosine" });
      expectStatus(answer, 201);
      expectEqual((answer.body as { type: string }).type, "hnsw");
    });
    await check(`${count} items are added in one batch`, async () => {
      const answer = await addItems(lake, name, items());
      expectStatus(answer, 200);
      expectEqual((answer.body as { count: number }).count, count);
    });
    await check(`recall@${k} is at least ${recallWanted}`, async () => {
      const share = await recall(lake, name);
      expectTrue(share >= recallWanted, `recall ${share}`);
    });
    await check("and so it is under a filter that keeps a quarter, and one that keeps twenty", async () => {
      const quarter = await recall(lake, name, { state: "IL" }, (row) => row % 4 === 0);
      const twenty = await recall(lake, name, { row: { lt: 20 } }, (row) => row < 20);
      expectTrue(Math.min(quarter, twenty) >= recallWanted, `recall ${quarter} and ${twenty}`);
    });
    await check("an item under the same id replaces; a deleted one is gone", async () => {
      const [vector, other] = [vectorAt(data.vectors, 0), vectorAt(data.vectors, 1)];
      expectStatus(
        await addItems(lake, name, [{ id: "w-1", vector: [...vector], metadata: { new: true } }]),
        200,
      );
      const [first, second] = await searchHits(lake, name, { vector: [...vector], k: 2 });
      expectEqual([first?.id, second?.id].sort(), ["w-0", "w-1"]);
      expectStatus(await postJson(lake, `/v1/vectors/index/${name}/delete`, { ids: ["w-0"] }), 200);
      const left = await searchHits(lake, name, { vector: [...vector], k: count });
      expectTrue(!left.some(({ id }) => id === "w-0"), "w-0 was deleted and is found");
      const nearOther = await searchHits(lake, name, { vector: [...other], k: 1 });
      expectTrue(nearOther[0]?.id !== "w-1", "w-1 is found where it was before it was replaced");
    });
    await refuses(stage, lake, name);
    await check("the index can be dropped", () => dropIndex(lake, name));
  },
};
