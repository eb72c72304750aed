import {
  type Answer,
  expectEqual,
  expectError,
  expectStatus,
  expectStored,
  expectTrue,
  type Lake,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

interface Manifest {
  dataset_id: string;
  name: string;
  version: number;
  schema_fingerprint: string;
  row_count: number;
}

const name = "smoke_catalog";
const columns = [
  { name: "id", type: "BIGINT", nullable: false },
  { name: "zip", type: "VARCHAR", nullable: true },
];

const register = ({ send }: Lake, registration: object): Promise<Answer> =>
  send("/v1/catalog/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(registration),
  });

const manifestOf = async ({ send }: Lake): Promise<Manifest> => {
  const answer = await send(`/v1/catalog/manifest/${name}`);
  expectStatus(answer, 200);
  return answer.body as Manifest;
};

/** An object for the dataset to hold. */
async function storedObject({ send }: Lake, content: string): Promise<object> {
  const key = `datasets/${name}/${Bun.hash(content).toString(16)}.parquet`;
  const put = await send(`/v1/storage/put/${key}`, { method: "PUT", body: content });
  expectStored(put);
  const etag = (put.headers.get("etag") ?? "").replaceAll('"', "");
  return { key, bytes: content.length, etag, row_count: 3, statistics: [] };
}

export const d3: Smoke = {
  about: "the catalog: register, manifest, list, drift; whole after a stop and after kill -9",
  ownProduct: true,
  async run({ check, start, directory }) {
    const data = directory();
    let lake = await start({ directory: data });
    const objects = [await storedObject(lake, "one")];
    const first = await register(lake, { name, columns, objects });
    const { dataset_id, schema_fingerprint } = first.body as Manifest;

    await check("register answers with version 1", () => {
      expectStatus(first, 200);
      expectEqual((first.body as Manifest).version, 1);
    });
    await check("the same schema again is the same dataset, a version on", async () => {
      const again = await register(lake, { name, columns, objects: [await storedObject(lake, "two")] });
      expectStatus(again, 200);
      const manifest = again.body as Manifest;
      expectEqual(
        [manifest.dataset_id, manifest.version, manifest.schema_fingerprint],
        [dataset_id, 2, schema_fingerprint],
      );
    });
    await check("another schema is a 409 that names the column", async () => {
      const other = [columns[0], { name: "zip", type: "INTEGER", nullable: true }];
      const message = expectError(
        await register(lake, { name, columns: other, objects }),
        409,
        "schema_drift",
      );
      expectTrue(message.includes("zip"), `the message does not name zip: ${message}`);
    });
    await check("the manifest has an etag and answers 304 to it", async () => {
      const etag = (await lake.send(`/v1/catalog/manifest/${name}`)).headers.get("etag") ?? "";
      expectTrue(etag !== "", "no etag");
      expectStatus(
        await lake.send(`/v1/catalog/manifest/${name}`, { headers: { "if-none-match": etag } }),
        304,
      );
    });

    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const before = await manifestOf(lake);
      await check(`after ${signal} and a start the dataset is what it was`, async () => {
        await lake.end(signal);
        lake = await start({ directory: data });
        expectEqual(await manifestOf(lake), before);
        const list = (await lake.send("/v1/catalog/list")).body as { datasets: Manifest[] };
        expectEqual(
          list.datasets.map((dataset) => [dataset.name, dataset.version]),
          [[name, before.version]],
        );
      });
    }
    await check("kill -9 right after a register loses nothing", async () => {
      const answer = await register(lake, { name, columns, objects: [await storedObject(lake, "three")] });
      await lake.end("SIGKILL");
      expectStatus(answer, 200);
      lake = await start({ directory: data });
      expectEqual(await manifestOf(lake), answer.body);
    });
    await check("after DELETE it is not found", async () => {
      expectStatus(await lake.send(`/v1/catalog/manifest/${name}`, { method: "DELETE" }), 200);
      expectError(await lake.send(`/v1/catalog/manifest/${name}`), 404, "not_found");
    });
  },
};
