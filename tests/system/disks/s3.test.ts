/**
 * The product with its objects on real S3 servers: a short slice. `bun tests/campaigns/faults/s3.ts` runs every smoke in every
 * mode on both, and the campaigns `objects.ts` and `vectors.ts` take `--s3` for long runs.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { smokes } from "../../../scripts/smoke/all.ts";
import { runSmoke } from "../../../scripts/smoke-product/stage.ts";
import { sliceWith } from "../../support/campaigns/slice.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { bucketFlags, flagsOnS3 } from "../../support/s3/lake.ts";
import { envOfS3, testS3Servers } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const servers = await testS3Servers();
/** What of the campaigns the suite runs on each: every kind once. */
const slices = {
  rgw: { smoke: "g1p", mode: "one", campaign: "vectors" },
  seaweedfs: { smoke: "d6", mode: "apart", campaign: "objects" },
} as const;

describe.each(servers)("the product on $name", (s3) => {
  const { smoke: name, mode, campaign } = slices[s3.name];

  test(`smoke ${name}, mode ${mode}`, async () => {
    const lines: string[] = [];
    const smoke = smokes[name];
    if (!smoke) throw new Error(`there is no smoke ${name}`);
    const flagsOf = flagsOnS3(s3);
    const outcome = await runSmoke(name, smoke, { mode, flagsOf, print: (line) => lines.push(line) });
    expect(outcome.failed, lines.join("\n")).toBe(0);
    expect(outcome.passed).toBeGreaterThan(2);
  });

  test(`${campaign} survive SIGKILL at a random instant`, async () => {
    const words = ["--count=1", "--seed=3", `--s3=${s3.name}`];
    const { cycles, acknowledged } = await sliceWith(envOfS3(s3), `kills/${campaign}.ts`, ...words);
    expect(cycles).toBe(1);
    expect(acknowledged).toBeGreaterThan(0);
  });
});

const [first, second] = servers;
describe.skipIf(!first || !second)("buckets in several places", () => {
  const home = temporaryDirectory("places");
  let product: Product;
  beforeAll(async () => {
    if (!first || !second) return;
    const flags = await bucketFlags(home.path, { primary: first, archive: second, cold: "local" });
    const only = "--only=gateway,storaged,catalogd,ingestd,queryd";
    product = await startProduct({ dataDir: home.path, flags: [...flags, only] });
  });
  afterAll(async () => {
    await product?.end();
    home.remove();
  });
  const get = async (path: string) => (await fetch(`${product.url}/v1/storage/${path}`)).json();

  test("each object is in the bucket that was named, and nowhere else", async () => {
    for (const bucket of ["primary", "archive", "cold"]) {
      const put = await fetch(`${product.url}/v1/storage/put/places/${bucket}?bucket=${bucket}`, {
        method: "PUT",
        body: bucket,
      });
      expect([put.status, await put.text()]).toEqual([201, expect.stringContaining(bucket)]);
    }
    for (const bucket of ["primary", "archive", "cold"]) {
      const listed = (await get(`list?bucket=${bucket}&prefix=places/`)) as { objects: { key: string }[] };
      expect(listed.objects.map(({ key }) => key)).toEqual([`places/${bucket}`]);
      const body = await fetch(`${product.url}/v1/storage/get/${bucket}://places/${bucket}`);
      expect(await body.text()).toBe(bucket);
    }
  });

  test("GET /v1/storage/buckets says what each server is and does", async () => {
    const { buckets } = (await get("buckets")) as { buckets: Record<string, unknown>[] };
    expect(buckets).toMatchObject([
      { name: "primary", kind: "s3", endpoint: first?.endpoint, conditional_writes: "native" },
      { name: "archive", kind: "s3", endpoint: second?.endpoint, conditional_writes: "native" },
      { name: "cold", kind: "local", conditional_writes: "native" },
    ]);
    expect(String(buckets[0]?.lacks)).toContain("If-Match with the object's own etag, quoted");
    expect(String(buckets[1]?.lacks)).toContain("takes '\\' in a key for '/'");
    const log = product.log();
    expect(log.split("what the S3 server supports")).toHaveLength(3);
    for (const server of [first, second]) expect(log).not.toContain(server?.keys.secretAccessKey ?? "");
  });

  test("datasets and their catalog are in the primary one", async () => {
    expect((await ingest(product.url, "name=people", "id,zip\n1,02134\n2,60605\n")).status).toBe(200);
    expect(await sql(product.url, "SELECT zip FROM people ORDER BY id")).toEqual([
      { zip: "02134" },
      { zip: "60605" },
    ]);
    const listed = (await get("list?prefix=&delimiter=/")) as { prefixes: string[] };
    expect(listed.prefixes).toContain("datasets/");
    expect(await get("list?bucket=archive&prefix=datasets/")).toEqual({ objects: [], prefixes: [] });
  });
});
