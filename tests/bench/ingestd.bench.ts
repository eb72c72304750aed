/**
 * A whole ingest over HTTP, to ingestd of the running product and through its gateway, beside DuckDB's bare
 * `COPY (FROM read_csv(file)) TO parquet` of the same file: the staffing CSV, 500,000 rows unless
 * LAKEHOUSE_BENCH_ROWS says otherwise.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { workersPieces } from "../../scripts/make-workers.ts";
import { temporaryDirectory } from "../support/in-process.ts";
import { inTurn, report, timed } from "../support/measure.ts";
import { startProduct } from "../support/product.ts";

const rows = Number(process.env.LAKEHOUSE_BENCH_ROWS ?? 500_000);
const rounds = 7;

interface Answer {
  rows_loaded: number;
  unchanged: boolean;
}

/** As a person sends it; without curl by fetch, unwrapped. */
async function upload(url: string, file: string): Promise<Answer> {
  if (Bun.which("curl") === null) {
    const response = await fetch(url, {
      method: "POST",
      body: Bun.file(file),
      headers: { "content-type": "text/csv" },
    });
    return (await response.json()) as Answer;
  }
  const curl = Bun.spawn(["curl", "--silent", "--form", `file=@${file}`, url], { stdout: "pipe" });
  return (await new Response(curl.stdout).json()) as Answer;
}

test("a CSV of the staffing kind", async () => {
  const { path, remove } = temporaryDirectory("bench-ingestd");
  const file = join(path, "workers.csv");
  const writer = Bun.file(file).writer({ highWaterMark: 8 << 20 });
  for (const piece of workersPieces({ rows, seed: 1 })) {
    writer.write(piece);
    await writer.flush();
  }
  await writer.end();
  const bare = await DuckDBInstance.create(":memory:");
  const connection = await bare.connect();
  const product = await startProduct({ flags: [`--ingestd.max_ingest_bytes=${2 ** 34}`] });
  try {
    let round = 0;
    const ingest = (url: string) =>
      timed(async () => {
        const answer = await upload(`${url}?name=workers_${round++}`, file);
        expect(answer).toMatchObject({ rows_loaded: rows, unchanged: false });
      });
    const medians = await inTurn(rounds, {
      bare: () =>
        timed(() =>
          connection.run(
            `COPY (FROM read_csv('${file}')) TO '${path}/bare.parquet' (FORMAT parquet, COMPRESSION zstd)`,
          ),
        ),
      gateway: () => ingest(`${product.url}/v1/ingest`),
      direct: () => ingest(`${product.addresses.ingestd}/ingest`),
    });
    const bytes = Bun.file(file).size;
    report("ingest of a CSV", {
      rows,
      bytes,
      "bare COPY ms": medians.bare,
      "to ingestd ms": medians.direct,
      "ratio to ingestd": medians.direct / medians.bare,
      "through the gateway ms": medians.gateway,
      "ratio through the gateway": medians.gateway / medians.bare,
    });
  } finally {
    await product.end();
    connection.closeSync();
    bare.closeSync();
    remove();
  }
});
