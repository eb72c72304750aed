/**
 * A whole ingest over HTTP, to ingestd of the running product and through its gateway, beside DuckDB's bare
 * `COPY (FROM read_csv(file)) TO parquet` of the same file: the staffing CSV, 500,000 rows unless
 * LAKEHOUSE_BENCH_ROWS says otherwise.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { createSlices } from "../../../runtime/scheduling/time-slices.ts";
import { workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { csv } from "../../../workers/ingestd/csv/csv.ts";
import { type NewTarget, planOf, writeRun } from "../../../workers/ingestd/loading/run.ts";
import { createWriters } from "../../../workers/ingestd/loading/writers.ts";
import { peek } from "../../../workers/ingestd/receiving/upload.ts";
import type { FileContext } from "../../../workers/ingestd/tables/format.ts";
import { createScratch } from "../../../workers/ingestd/tables/scratch.ts";
import { inferFromSample } from "../../../workers/ingestd/typing/typing.ts";
import { inTurn, report, timed } from "../../support/campaigns/measure.ts";
import { startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { enginesIn } from "../../support/stacks/ingest-engines.ts";

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

const { path, remove } = temporaryDirectory("bench-ingestd");
const file = join(path, "workers.csv");
beforeAll(async () => {
  const writer = Bun.file(file).writer({ highWaterMark: 8 << 20 });
  for (const piece of workersPieces({ rows, seed: 1 })) {
    writer.write(piece);
    await writer.flush();
  }
  await writer.end();
});
afterAll(remove);

test("a CSV of the staffing kind", async () => {
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
    const copy = (options: string) =>
      timed(() => connection.run(`COPY (FROM read_csv('${file}')) TO '${path}/bare.parquet' (${options})`));
    const medians = await inTurn(rounds, {
      bare: () => copy("FORMAT parquet, COMPRESSION zstd"),
      snappy: () => copy("FORMAT parquet"),
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
      "bare COPY with Snappy ms": medians.snappy,
      "ratio through the gateway to that": medians.gateway / medians.snappy,
    });
  } finally {
    await product.end();
    connection.closeSync();
    bare.closeSync();
  }
});

test("the runs of a CSV, one after the other on all cores and beside each other on one each", async () => {
  const { signal } = new AbortController();
  const scratch = createScratch(join(path, "work"));
  const place: FileContext = {
    ...scratch,
    reading: { nulls: [], types: new Map() },
    rejectRules: { allowed: false, max: 0 },
    columnsMax: 4096,
    rowBytesMax: 2 ** 24,
    signal,
    slices: createSlices(signal),
    phase: () => undefined,
  };
  let drafts = 0;
  const newTarget: NewTarget = async () => ({
    path: join(path, `${drafts++}.parquet`),
    seal: async () => "",
    commit: () => Promise.reject(new Error("not to be stored")),
    compressionLevel: 1,
    rowGroupRows: 122_880,
  });
  await scratch.enter();
  const engines = enginesIn(path, { threads: 0 });
  const session = await engines.open(signal);
  try {
    const { head, whole, all } = await peek(Bun.file(file).stream(), 2 ** 20);
    const [open] = (await csv.store({ head, whole, chunks: all }, place)).tables;
    const table = await open?.(session);
    if (table === undefined) throw new Error("the file is not clean");
    const plan = planOf(table, undefined, await inferFromSample(session, table));
    const writers = createWriters({ engines, signal, newTarget });
    const medians = await inTurn(rounds, {
      inTurn: () =>
        timed(async () => {
          for (const run of table.runs) await writeRun(session, run, plan, newTarget);
        }),
      beside: () => timed(() => Promise.all(table.runs.map((run) => writers.begin(run, plan)))),
    });
    report("runs of a CSV", {
      runs: table.runs.length,
      "in turn, on all cores, ms": medians.inTurn,
      "beside each other, on one each, ms": medians.beside,
      ratio: medians.beside / medians.inTurn,
    });
  } finally {
    session.close();
    await engines.stop();
    await scratch.leave();
  }
});
