import { workersPieces } from "../sample-data/sample-data.ts";
import {
  drop,
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  freshName,
  ingest,
  type Lake,
  type Smoke,
  type Stage,
} from "../smoke-product/smoke-product.ts";

interface Ingested {
  manifest: { dataset_id: string; version: number; row_count: number; objects: { key: string }[] };
  rows_in: number;
  rows_loaded: number;
  rows_rejected: number;
  rejects?: string;
}

const rowsOfFile = 2000;
const csv = (seed: number): Blob => new Blob([...workersPieces({ rows: rowsOfFile, seed })] as BlobPart[]);

async function load({ check }: Stage, lake: Lake, name: string): Promise<void> {
  const first = await ingest(lake, `name=${name}`, csv(1));
  const { manifest } = first.body as Ingested;

  await check("a CSV becomes a dataset; rows in = loaded + rejected", () => {
    expectStatus(first, 200);
    const { rows_in, rows_loaded, rows_rejected } = first.body as Ingested;
    expectEqual([rows_in, rows_loaded, rows_rejected], [rowsOfFile, rowsOfFile, 0]);
    expectEqual([manifest.version, manifest.row_count], [1, rowsOfFile]);
  });
  await check("its object is under datasets/ and is Parquet", async () => {
    const [object] = manifest.objects;
    expectTrue(object?.key.startsWith(`datasets/${name}/`) ?? false, `the key is ${object?.key}`);
    const response = await lake.open(`/v1/storage/get/${object?.key}`);
    const bytes = await response.bytes();
    expectEqual(new TextDecoder().decode(bytes.slice(0, 4)), "PAR1");
    expectEqual(new TextDecoder().decode(bytes.slice(-4)), "PAR1");
  });
  await check("the same file again gives the same objects", async () => {
    const again = await ingest(lake, `name=${name}`, csv(1));
    expectStatus(again, 200);
    expectEqual((again.body as Ingested).manifest.objects, manifest.objects);
  });
  await check("other rows under the same header are the same dataset, a version on", async () => {
    const next = await ingest(lake, `name=${name}`, csv(2));
    expectStatus(next, 200);
    expectEqual((next.body as Ingested).manifest.dataset_id, manifest.dataset_id);
    expectTrue((next.body as Ingested).manifest.version > manifest.version, "the version did not grow");
  });
  await check("append adds the rows", async () => {
    const appended = await ingest(lake, `name=${name}&mode=append`, csv(3));
    expectStatus(appended, 200);
    expectEqual((appended.body as Ingested).manifest.row_count, 2 * rowsOfFile);
  });
}

async function refuse({ check }: Stage, lake: Lake, name: string): Promise<void> {
  await check("another header is a 409 that names the columns", async () => {
    const message = expectError(
      await ingest(lake, `name=${name}`, "id,colour\n1,red\n"),
      409,
      "schema_drift",
    );
    expectTrue(message.includes("colour"), `the message does not name the column: ${message}`);
  });
  await check("a ragged row is a 422 with its line, and nothing is registered", async () => {
    const ragged = freshName();
    const answer = await ingest(lake, `name=${ragged}`, "a,b\n1,2\n3,4,5\n");
    expectError(answer, 422, "rejected_rows");
    expectTrue(
      JSON.stringify(answer.body).includes('"line":3'),
      `line 3 is not named: ${JSON.stringify(answer.body)}`,
    );
    expectError(await lake.send(`/v1/catalog/manifest/${ragged}`), 404, "not_found");
  });
  await check("on_error=reject keeps the good rows and sets the bad ones aside", async () => {
    const mixed = freshName();
    const answer = await ingest(lake, `name=${mixed}&on_error=reject`, "a,b\n1,2\n3,4,5\n6,7\n");
    expectStatus(answer, 200);
    const { rows_in, rows_loaded, rows_rejected, rejects } = answer.body as Ingested;
    expectEqual([rows_in, rows_loaded, rows_rejected, rejects], [3, 2, 1, `${mixed}__rejects`]);
    await drop(lake, mixed);
    await drop(lake, `${mixed}__rejects`);
  });
  await check("a preview tells the columns and stores nothing", async () => {
    const preview = await ingest(lake, "rows=2", "id,zip\n1,02134\n2,60601\n", "/v1/ingest/preview");
    expectStatus(preview, 200);
    expectTrue(JSON.stringify(preview.body).includes("02134"), "the zip lost its zero");
  });
}

export const d4: Smoke = {
  about: "ingest: CSV to a registered dataset, again, append, drift, bad rows, preview",
  async run(stage) {
    const lake = await stage.lake();
    const name = freshName();
    await load(stage, lake, name);
    await refuse(stage, lake, name);
    await stage.check("the dataset can be dropped", () => drop(lake, name));
  },
};
