/**
 * What large bodies cost in memory: a PUT and an ingest of `--bytes` (2 GiB), NDJSON and Arrow results of `--rows`
 * (10 million), each on the running product: `bun tests/campaigns/faults/memory.ts [--bytes N] [--rows N]`. Prints the
 * growth of the process's memory over idle beside DuckDB's configured limits; exits 1 when it is over 300 MB plus
 * those.
 */
import { parseArgs } from "node:util";
import { workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { memoryOf, type Product, startProduct } from "../../support/product/product.ts";

const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: String(2 ** 31) },
    rows: { type: "string", default: "10000000" },
  },
});
const bytes = Number(values.bytes);
const rows = Number(values.rows);
/** DuckDB's `memory_limit` of each engine in this run. */
const engineMb = 512;
const allowedMb = 300;

const flags = [
  `--ingestd.max_ingest_bytes=${2 ** 34}`,
  `--storaged.max_put_bytes=${2 ** 34}`,
  `--ingestd.memory_limit=${engineMb}MB`,
  `--queryd.memory_limit=${engineMb}MB`,
];

/** Pieces of staffing data up to about the wanted size, made as they are sent. */
function body(): ReadableStream<Uint8Array> {
  const pieces = workersPieces({ rows: Math.ceil(bytes / 640), seed: 11 });
  return new ReadableStream({
    pull(controller) {
      const { value, done } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

const send = (url: string, method: string, path: string) =>
  fetch(url + path, {
    method,
    body: body(),
    headers: { "content-type": "text/csv" },
    duplex: "half",
  } as RequestInit);

async function drain(response: Response): Promise<number> {
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  let received = 0;
  for await (const chunk of response.body as ReadableStream<Uint8Array>) received += chunk.length;
  return received;
}

const result = (accept: string) => async (url: string) => {
  const sql = `SELECT i AS id, i * 2 AS twice, i / 7.0 AS part, 'name ' || (i % 1000) AS name FROM range(${rows}) t(i)`;
  return drain(
    await fetch(`${url}/v1/sql`, {
      method: "POST",
      body: JSON.stringify({ sql }),
      headers: { accept, "content-type": "application/json" },
    }),
  );
};

const cases: [name: string, engines: number, run: (url: string) => Promise<number>][] = [
  ["put", 0, async (url) => drain(await send(url, "PUT", "/v1/storage/put/big.csv"))],
  ["get", 0, async (url) => drain(await fetch(`${url}/v1/storage/get/big.csv`))],
  ["ingest", 1, async (url) => drain(await send(url, "POST", "/v1/ingest?name=big&format=csv"))],
  ["ndjson", 1, result("application/x-ndjson")],
  ["arrow", 1, result("application/vnd.apache.arrow.stream")],
  ["csv", 1, result("text/csv")],
];

let failed = false;
let product: Product | undefined;
try {
  for (const [name, engines, run] of cases) {
    // A fresh product for each, but for the object that `get` reads.
    if (name !== "get") {
      await product?.end();
      product = await startProduct({ flags });
      await fetch(`${product.url}/v1/sql`, {
        method: "POST",
        body: '{"sql":"SELECT 1"}',
        headers: { "content-type": "application/json" },
      });
    }
    if (!product) throw new Error("no product");
    const idle = await memoryOf(product.pid);
    const started = performance.now();
    const received = await run(product.url);
    const seconds = (performance.now() - started) / 1000;
    const { peak } = await memoryOf(product.pid);
    const grownMb = Math.round((peak - idle.resident) / 1e6);
    const limitMb = allowedMb + engines * engineMb;
    failed ||= grownMb > limitMb;
    process.stdout.write(
      `${JSON.stringify({ name, bytes, rows, received, seconds: Math.round(seconds * 10) / 10, idle_mb: Math.round(idle.resident / 1e6), grown_mb: grownMb, limit_mb: limitMb })}\n`,
    );
  }
} finally {
  await product?.end();
}
process.exit(failed ? 1 : 0);
