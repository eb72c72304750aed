/** A file in and a question about it: objects on disk beside objects on each S3 server of this machine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { inTurn, report, timed } from "../../support/campaigns/measure.ts";
import { type Product, sql, startProduct } from "../../support/product/product.ts";
import { bucketFlags, type Place } from "../../support/s3/lake.ts";
import { testS3Servers } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rows = 100_000;
const rounds = 3;
const home = temporaryDirectory("bench-s3");
const places = new Map<string, Place>([
  ["local", "local"],
  ...(await testS3Servers()).map((s3): [string, Place] => [s3.name, s3]),
]);
const products = new Map<string, Product>();

beforeAll(async () => {
  for (const [name, place] of places) {
    const directory = join(home.path, name);
    mkdirSync(directory);
    const flags = await bucketFlags(directory, { primary: place });
    products.set(name, await startProduct({ dataDir: directory, flags }));
  }
}, 120_000);
afterAll(async () => {
  for (const product of products.values()) await product.end();
  home.remove();
}, 60_000);

test("s3: 100,000 rows in, and the first and a later query", async () => {
  const bodyOf = (seed: number) => Buffer.concat([...workersPieces({ rows, seed })]);
  const bodies = [bodyOf(1), bodyOf(2)];
  let turn = 0;
  /** Another file than the one before: the same again would be no work. */
  const load = async ({ url }: Product): Promise<void> => {
    const body = bodies[turn++ % bodies.length] ?? Buffer.of();
    const response = await fetch(`${url}/v1/ingest?name=workers&format=csv`, { method: "POST", body });
    const text = await response.text();
    expect(response.status, text).toBe(200);
  };
  const count = async ({ url }: Product): Promise<void> => {
    const [row] = await sql<{ n: number }>(
      url,
      "SELECT count(DISTINCT worker_id)::INTEGER AS n FROM workers",
    );
    expect(row?.n).toBe(rows);
  };
  const measured = async (work: (product: Product, name: string) => Promise<number>) =>
    inTurn(
      rounds,
      Object.fromEntries([...products].map(([name, product]) => [name, () => work(product, name)])),
    );
  const first: Record<string, number[]> = {};
  const ingest = await measured(async (product, name) => {
    const ms = await timed(() => load(product));
    const own = await timed(() => count(product));
    first[name] = [...(first[name] ?? []), own];
    return ms;
  });
  const later = await measured((product) => timed(() => count(product)));
  for (const name of products.keys()) {
    const sorted = (first[name] ?? []).toSorted((a, b) => a - b);
    report(`s3.${name}`, {
      "ingest, ms": ingest[name] ?? 0,
      "first query, ms": sorted[Math.floor(sorted.length / 2)] ?? 0,
      "later query, ms": later[name] ?? 0,
    });
  }
}, 600_000);
