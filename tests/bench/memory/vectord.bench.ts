/**
 * Vector search through the product beside what its users would hold it against, on the same clustered vectors: raw
 * `usearch` in this process with the product's own settings (the limit for what HTTP, durability and metadata cost),
 * FAISS flat (exact), and LanceDB embedded (a peer), tuned to a recall that is not below the product's.
 * LAKEHOUSE_BENCH_ROWS sets the number of rows, 100,000 unless told. `bun test --bench vectord`
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  Field,
  FixedSizeList,
  Float32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { type BatchMatches, exactSearch, Index, MetricKind, type ScalarKind } from "usearch";
import { clustered, nearestByCosine } from "../../../scripts/sample-data/make-vectors.ts";
import { lanceDb } from "../../support/campaigns/bench-peers.ts";
import { latencies, median, quantile, report, throughput, timed } from "../../support/campaigns/measure.ts";
import { memoryOf, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rows = Number(process.env.LAKEHOUSE_BENCH_ROWS ?? 100_000);
const dimension = 768;
const k = 10;
const data = clustered(rows, dimension, 200, 1);
const queries = Array.from({ length: 200 }, (_, at) =>
  data.queries.subarray(at * dimension, (at + 1) * dimension),
);
const texts = new Map<Float32Array, string>();
const home = temporaryDirectory("bench-vectord");
/** The first is unmeasured: caches fill, code is compiled. */
const rounds = 7;

let product: Product;
let truth: number[][];

beforeAll(() => {
  truth = nativeTruth();
  for (const at of [0, 7, 42])
    expect(truth[at]).toEqual(
      nearestByCosine({ vectors: data.vectors, dimension }, queries[at] as Float32Array, k),
    );
}, 300_000);
afterAll(async () => {
  await product?.end();
  home.remove();
});

/** Exact neighbours by usearch's scan; a few are checked against a plain loop. */
function nativeTruth(): number[][] {
  const found = exactSearch(data.vectors, data.queries, dimension, k, MetricKind.Cos) as BatchMatches;
  return queries.map((_, at) => [...found.get(at).keys].map(Number));
}

const recallOf = (answers: readonly (readonly number[])[]): number => {
  const hits = answers.map((rows_, at) => rows_.filter((row) => truth[at]?.includes(row)).length);
  return hits.reduce((sum, n) => sum + n, 0) / (answers.length * k);
};

interface Measured {
  recall: number;
  p50: number;
  p99: number;
  qps: number;
}

interface Way {
  search: (query: Float32Array) => Promise<number[]>;
  /** Queries that are open at once when they are counted by the second. */
  concurrency: number;
}

/**
 * Recall first; then, round after round and in turn, since a machine's speed drifts, latencies one after another and
 * queries a second with several open.
 */
async function measure<W extends Record<string, Way>>(ways: W): Promise<{ [K in keyof W]: Measured }> {
  const all = [];
  for (const [name, { search, concurrency }] of Object.entries(ways)) {
    const recall = recallOf(await Promise.all(queries.map(search)));
    let turn = 0;
    const next = () => search(queries[turn++ % queries.length] as Float32Array);
    all.push({ name, recall, next, concurrency, times: [] as number[], rates: [] as number[] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { next, concurrency, times, rates } of round % 2 === 0 ? all : all.toReversed()) {
      const some = await latencies(200, next);
      const rate = await throughput(600, concurrency, next);
      if (round === 0) continue;
      times.push(...some);
      rates.push(rate);
    }
  }
  const measured = all.map(({ name, recall, times, rates }) => [
    name,
    { recall, p50: quantile(times, 0.5), p99: quantile(times, 0.99), qps: median(rates) },
  ]);
  return Object.fromEntries(measured) as { [K in keyof W]: Measured };
}

const shown = (name: string, { recall, p50, p99, qps }: Measured) => ({
  [`${name} recall@${k}`]: recall,
  [`${name} p50 ms`]: p50,
  [`${name} p99 ms`]: p99,
  [`${name} queries/s`]: qps,
});

/** Rows `from` to `to` as an Arrow IPC stream: id, vector, metadata columns. */
function arrowBatch(from: number, to: number): Uint8Array {
  const ids = vectorFromArray(
    Array.from({ length: to - from }, (_, at) => `w-${from + at}`),
    new Utf8(),
  );
  const child = new Field("item", new Float32(), false);
  const type = new FixedSizeList(dimension, child);
  const values = data.vectors.slice(from * dimension, to * dimension);
  const vectors = makeData({
    type,
    length: to - from,
    child: makeData({ type: new Float32(), length: values.length, data: values }),
  });
  const row = vectorFromArray(
    Array.from({ length: to - from }, (_, at) => from + at),
    new Float32(),
  );
  const schema = new Schema([
    new Field("id", new Utf8(), false),
    new Field("vector", type, false),
    new Field("row", new Float32(), false),
  ]);
  const struct = makeData({
    type: new Struct(schema.fields),
    length: to - from,
    children: [ids.data[0], vectors, row.data[0]] as never,
  });
  return tableToIPC(new Table(schema, [new RecordBatch(schema, struct as never)]), "stream");
}

const send = async (path: string, init: RequestInit): Promise<unknown> => {
  const response = await fetch(`${product.url}/v1/vectors${path}`, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return JSON.parse(text);
};
const sendJson = (path: string, body: object) =>
  send(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

async function searchRows(query: Float32Array, more: object = {}): Promise<number[]> {
  const { results } = (await sendJson("/index/bench/search", { vector: [...query], k, ...more })) as {
    results: { id: string }[];
  };
  return results.map(({ id }) => Number(id.slice(2)));
}

/** The same with the text made before: writing 768 numbers takes the client's time. */
async function searchText(query: Float32Array): Promise<number[]> {
  const body = texts.get(query) ?? JSON.stringify({ vector: [...query], k });
  texts.set(query, body);
  const init = { method: "POST", headers: { "content-type": "application/json" }, body };
  const { results } = (await send("/index/bench/search", init)) as { results: { id: string }[] };
  return results.map(({ id }) => Number(id.slice(2)));
}

/** The same with the query as 32-bit floats. */
async function searchFloats(query: Float32Array): Promise<number[]> {
  const { results } = (await send(`/index/bench/search?k=${k}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: query as Float32Array<ArrayBuffer>,
  })) as { results: { id: string }[][] };
  return (results[0] ?? []).map(({ id }) => Number(id.slice(2)));
}

/** Fills the product's index; milliseconds until all is durable, and until all is in the graph. */
async function fill(): Promise<{ durable: number; indexed: number }> {
  await sendJson("/index", { name: "bench", dimension, metric: "cosine" });
  const batch = 5000;
  const started = performance.now();
  for (let from = 0; from < rows; from += batch) {
    const body = arrowBatch(from, Math.min(rows, from + batch));
    const headers = { "content-type": "application/vnd.apache.arrow.stream" };
    await send("/index/bench/add", { method: "POST", headers, body: body as BodyInit });
  }
  const durable = performance.now() - started;
  for (;;) {
    const { indexed } = (await send("/index/bench", {})) as { indexed: number };
    if (indexed >= rows) return { durable, indexed: performance.now() - started };
    await Bun.sleep(100);
  }
}

interface Settings {
  quantization: string;
  connectivity: number;
  ef_construction: number;
  ef_search: number;
}

function openRaw({ quantization, connectivity, ef_construction, ef_search }: Settings): Index {
  return new Index({
    dimensions: dimension,
    metric: MetricKind.Cos,
    quantization: quantization as ScalarKind,
    connectivity,
    expansion_add: ef_construction,
    expansion_search: ef_search,
    multi: false,
  });
}

const keysFrom = (from: number, count: number) =>
  BigUint64Array.from({ length: count }, (_, at) => BigInt(from + at));

test("search and build beside raw usearch", async () => {
  product = await startProduct({ dataDir: home.path });
  const idle = await memoryOf(product.pid);
  const built = await fill();
  const full = await memoryOf(product.pid);
  const settings = (await send("/index/bench", {})) as Settings;
  const before = process.memoryUsage().rss;
  const raw = openRaw(settings);
  const rawMs = await timed(() => raw.add(keysFrom(0, rows), data.vectors, 0));
  const rawBytes = process.memoryUsage().rss - before;
  report(`vectors: build of ${rows} × ${dimension}`, {
    "product, durable, ms": built.durable,
    "product, in the graph, ms": built.indexed,
    "raw usearch, all cores, ms": rawMs,
    "product/raw": built.indexed / rawMs,
    "product grows MiB": (full.resident - idle.resident) / 2 ** 20,
    "raw usearch grows MiB": rawBytes / 2 ** 20,
  });
  const { inProcess, floats, json } = await measure({
    inProcess: {
      search: async (query) => [...raw.search(query, k, 1).keys].map(Number),
      concurrency: 1,
    },
    floats: { search: searchFloats, concurrency: 16 },
    json: { search: searchText, concurrency: 16 },
  });
  report(`vectors: search of ${rows} × ${dimension}, k ${k}`, {
    ...shown("raw usearch", inProcess),
    ...shown("through the gateway, floats", floats),
    ...shown("through the gateway, JSON", json),
    "floats: p50 over raw ms": floats.p50 - inProcess.p50,
    "JSON: p50 over raw ms": json.p50 - inProcess.p50,
    "floats: queries/s of raw": floats.qps / inProcess.qps,
  });
  await compareAdds(raw);
}, 1_200_000);

/** A durable add beside the engine's own of the same batch, at the same size. */
async function compareAdds(raw: Index): Promise<void> {
  const batch = 1000;
  const fresh = clustered(6 * batch, dimension, 0, 2).vectors;
  const times: Record<string, number[]> = { product: [], raw: [] };
  for (let turn = 0; turn < 6; turn++) {
    const some = fresh.slice(turn * batch * dimension, (turn + 1) * batch * dimension);
    const items = Array.from({ length: batch }, (_, at) => ({
      id: `new-${turn * batch + at}`,
      vector: [...some.subarray(at * dimension, (at + 1) * dimension)],
    }));
    const body = JSON.stringify({ items });
    const headers = { "content-type": "application/json" };
    times.product?.push(await timed(() => send("/index/bench/add", { method: "POST", headers, body })));
    times.raw?.push(await timed(() => raw.add(keysFrom(rows + turn * batch, batch), some, 0)));
  }
  const [ours, theirs] = [median(times.product?.slice(1) ?? []), median(times.raw?.slice(1) ?? [])];
  report(`vectors: add of ${batch} at ${rows}`, {
    "product, JSON, durable, ms": ours,
    "raw usearch, all cores, in memory, ms": theirs,
    ratio: ours / theirs,
  });
}

test("recall under filters, against a plain loop", async () => {
  const shares = [0.5, 0.1, 0.01, 0.001, 0.0001];
  const figures: Record<string, number> = {};
  for (const share of shares) {
    const limit = Math.max(k, Math.round(rows * share));
    let found = 0;
    const times: number[] = [];
    for (const query of queries.slice(0, 30)) {
      const wanted = nearestByCosine({ vectors: data.vectors, dimension }, query, k, (row) => row < limit);
      let answer: number[] = [];
      times.push(
        await timed(async () => {
          answer = await searchRows(query, { filter: { row: { lt: limit } } });
        }),
      );
      found += wanted.filter((row) => answer.includes(row)).length;
    }
    figures[`recall at ${share * 100} %`] = found / (30 * k);
    figures[`p50 ms at ${share * 100} %`] = median(times);
  }
  report("vectors: filters", figures);
}, 600_000);

test("beside LanceDB embedded and FAISS flat", async () => {
  const search = (query: Float32Array) => searchRows(query);
  const recall = recallOf(await Promise.all(queries.map(search)));
  const peer = await lance(recall);
  const flat = await faissFlat();
  const measured = await measure({
    product: { search, concurrency: 16 },
    lance: { search: peer.search, concurrency: 16 },
  });
  const exact = flat && (await measure({ flat: { search: flat, concurrency: 1 } }));
  report("vectors: peers", {
    ...shown("product through its gateway", measured.product),
    ...shown("LanceDB", measured.lance),
    "LanceDB ef": peer.ef,
    "LanceDB build ms": peer.buildMs,
    ...(exact && shown("FAISS flat", exact.flat)),
    "product/LanceDB queries/s": measured.product.qps / measured.lance.qps,
  });
}, 1_200_000);

/** LanceDB with the smallest ef that reaches the recall. */
async function lance(recall: number): Promise<{ search: Way["search"]; ef: number; buildMs: number }> {
  process.env.LANCEDB_LOG = "error";
  const { connect, Index: LanceIndex } = await lanceDb();
  const database = await connect(`${home.path}/lance`);
  const started = performance.now();
  const piece = 5000;
  const items = (from: number) =>
    Array.from({ length: Math.min(piece, rows - from) }, (_, at) => ({
      id: from + at,
      vector: Array.from(data.vectors.subarray((from + at) * dimension, (from + at + 1) * dimension)),
    }));
  const table = await database.createTable("bench", items(0));
  for (let from = piece; from < rows; from += piece) await table.add(items(from));
  await table.createIndex("vector", {
    config: LanceIndex.hnswSq({ distanceType: "cosine", numPartitions: 1 }),
  });
  const buildMs = performance.now() - started;
  const search = (ef: number) => async (query: Float32Array) => {
    const found = await table
      .vectorSearch(Array.from(query))
      .distanceType("cosine")
      .ef(ef)
      .refineFactor(2)
      .select(["id", "_distance"])
      .limit(k)
      .toArray();
    return found.map(({ id }) => Number(id));
  };
  for (const ef of [30, 60, 100, 200, 400, 800]) {
    const reached = recallOf(await Promise.all(queries.map(search(ef))));
    if (reached < recall - 0.002 && ef < 800) continue;
    return { search: search(ef), ef, buildMs };
  }
  throw new Error("unreachable");
}

async function faissFlat(): Promise<Way["search"] | undefined> {
  const { default: faiss } = await import("faiss-node").catch(() => ({ default: undefined }));
  if (faiss === undefined) return undefined;
  const index = new faiss.IndexFlatIP(dimension);
  const unit = (vector: Float32Array) => {
    const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    return Array.from(vector, (value) => value / length);
  };
  const piece = 1000;
  for (let from = 0; from < rows; from += piece) {
    const some = Array.from({ length: Math.min(piece, rows - from) }, (_, at) =>
      unit(data.vectors.subarray((from + at) * dimension, (from + at + 1) * dimension)),
    );
    index.add(some.flat());
  }
  return async (query) => index.search(unit(query), k).labels;
}
