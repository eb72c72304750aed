import { clustered } from "../sample-data/sample-data.ts";
import {
  addItems,
  createIndex,
  expectEqual,
  expectStatus,
  expectTrue,
  type Hit,
  type Lake,
  type Product,
  postJson,
  type Smoke,
  searchHits,
} from "../smoke-product/smoke-product.ts";

const name = "smoke_durable";
const dimension = 32;
const batchRows = 250;
const batches = 8;
const openTimeoutMs = 60_000;
const data = clustered(batchRows * batches, dimension, 20, 2);
const vectorAt = (from: Float32Array, row: number) => [
  ...from.subarray(row * dimension, (row + 1) * dimension),
];

const batch = (index: number) =>
  Array.from({ length: batchRows }, (_, at) => {
    const row = index * batchRows + at;
    return { id: `w-${row}`, vector: vectorAt(data.vectors, row), metadata: { batch: index } };
  });

/** What every query finds, exactly: the state of an index as its users see it. */
async function found(lake: Lake): Promise<Hit[][]> {
  const queries = Array.from({ length: data.queries.length / dimension }, (_, at) =>
    vectorAt(data.queries, at),
  );
  return Promise.all(queries.map((vector) => searchHits(lake, name, { vector, k: 10, exact: true })));
}

const countOf = async ({ send }: Lake): Promise<number> => {
  const info = await send(`/v1/vectors/index/${name}`);
  expectStatus(info, 200);
  return (info.body as { count: number }).count;
};

/** A start reads every index, and answers 503 for one until it has. */
async function opened(lake: Product): Promise<Product> {
  const end = Date.now() + openTimeoutMs;
  while ((await lake.send(`/v1/vectors/index/${name}`)).status === 503 && Date.now() < end)
    await Bun.sleep(20);
  return lake;
}

export const g1p: Smoke = {
  about: "vectors survive a stop and kill -9: the same items, the same answers",
  ownProduct: true,
  async run({ check, start, directory }) {
    const home = directory();
    let lake = await start({ directory: home });
    await check("an index is filled, and some of it deleted", async () => {
      expectStatus(await createIndex(lake, { name, dimension }), 201);
      for (let index = 0; index < batches - 1; index++)
        expectStatus(await addItems(lake, name, batch(index)), 200);
      expectStatus(await postJson(lake, `/v1/vectors/index/${name}/delete`, { filter: { batch: 3 } }), 200);
      expectEqual(await countOf(lake), (batches - 2) * batchRows);
    });
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const before = await found(lake);
      await check(`after ${signal} and a start every search finds what it found`, async () => {
        await lake.end(signal);
        lake = await opened(await start({ directory: home }));
        expectEqual(await found(lake), before);
      });
    }
    await check("kill -9 right after an add and a delete loses neither", async () => {
      expectStatus(await addItems(lake, name, batch(batches - 1)), 200);
      expectStatus(await postJson(lake, `/v1/vectors/index/${name}/delete`, { ids: ["w-0"] }), 200);
      await lake.end("SIGKILL");
      lake = await opened(await start({ directory: home }));
      expectEqual(await countOf(lake), (batches - 1) * batchRows - 1);
      expectStatus(await lake.send(`/v1/vectors/index/${name}/items/w-0`), 404);
      const last = batch(batches - 1).at(-1);
      const [hit] = await searchHits(lake, name, { vector: last?.vector, k: 1 });
      expectTrue(hit?.id === last?.id, `the last item is not found: ${JSON.stringify(hit)}`);
    });
  },
};
