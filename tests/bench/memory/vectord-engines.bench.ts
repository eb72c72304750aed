/** Engines beside raw usearch in this thread: what the threads, the slices and the exact scores cost, at what recall. */
import { afterAll, expect, test } from "bun:test";
import { exactSearch, Index, type MetricKind, type ScalarKind } from "usearch";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { clustered } from "../../../scripts/sample-data/make-vectors.ts";
import type { Engine, EngineSpec, Neighbours } from "../../../workers/vectord/engine/interface.ts";
import { createVectorBlocks } from "../../../workers/vectord/rows/vector-blocks.ts";
import { defaults } from "../../../workers/vectord/verbs/indexes.ts";
import { inTurn, latencies, quantile, report, throughput, timed } from "../../support/campaigns/measure.ts";
import { testEngines } from "../../support/vectors/engines.ts";

const rows = Number(process.env.LAKEHOUSE_BENCH_ROWS ?? 10_000);
const dimension = 768;
const queryCount = 200;
const k = 10;
const { vectors, queries } = clustered(rows, dimension, queryCount);
const query = (at: number): Float32Array => {
  const from = (at % queryCount) * dimension;
  return queries.subarray(from, from + dimension);
};
const blocks = createVectorBlocks(dimension);
blocks.append(vectors);

const log = createLog("bench", "error");
const usearch = await testEngines({ threads: 1, maxWaiting: 1024, hnswEngine: "usearch", log });
const faiss = await testEngines({ threads: 1, maxWaiting: 1024, hnswEngine: "faiss", log });
afterAll(async () => {
  await usearch.stop();
  await faiss.stop();
});

const spec: EngineSpec = { dimension, ...defaults };
let truth: Set<number>[] = [];
const recall = (answers: readonly Neighbours[]): number => {
  const hits = answers.map(({ rows: found }, at) => found.filter((row) => truth[at]?.has(row)).length);
  return hits.reduce((sum, hit) => sum + hit, 0) / (answers.length * k);
};

/** usearch as it comes, with the defaults of an index here. */
function rawIndex(): { index: Index; build: () => void; one: (at: number) => Neighbours } {
  const index = new Index({
    dimensions: dimension,
    metric: "cos" as MetricKind,
    quantization: spec.quantization as ScalarKind,
    connectivity: spec.connectivity,
    expansion_add: spec.ef_construction,
    expansion_search: spec.ef_search,
    multi: false,
  });
  return {
    index,
    build: () =>
      index.add(
        BigUint64Array.from({ length: rows }, (_, at) => BigInt(at)),
        vectors,
        0,
      ),
    one: (at) => {
      const { keys, distances } = index.search(query(at), k, 1);
      return { rows: Uint32Array.from(keys, Number), distances };
    },
  };
}

test(`vectord engines: ${rows} × ${dimension}, clustered`, async () => {
  const flat = await usearch.open({ ...spec, type: "flat" }, blocks);
  await flat.add(rows);
  truth = (await flat.search(queries, { k })).map(({ rows: found }) => new Set(found));

  const raw = rawIndex();
  const rawBuild = await timed(raw.build);
  const rawAnswers = Array.from({ length: queryCount }, (_, at) => raw.one(at));
  report("usearch in this thread", { "build s": rawBuild / 1000, "recall@10": recall(rawAnswers) });

  const others: [name: string, open: () => Promise<Engine>][] = [
    ["usearch", () => usearch.open(spec, blocks)],
    ["usearch i8", () => usearch.open({ ...spec, quantization: "i8" }, blocks)],
    ["FAISS hnsw f32", () => faiss.open({ ...spec, quantization: "f32" }, blocks)],
    ["FAISS Flat", () => faiss.open({ ...spec, type: "Flat" }, blocks)],
    ["flat", async () => flat],
  ];
  for (const [name, open] of others) {
    const engine = await open();
    const build = await timed(() => engine.add(rows));
    const found = recall(await engine.search(queries, { k }));
    let next = 0;
    const one = () => engine.search(query(next++), { k });
    const rounds = name === "FAISS Flat" || name === "flat" ? 20 : 200;
    const times = await inTurn(3, {
      raw: () => timed(() => Array.from({ length: rounds }, (_, at) => raw.one(at))),
      engine: () =>
        timed(async () => {
          for (let at = 0; at < rounds; at++) await one();
        }),
    });
    const alone = await latencies(rounds, one);
    const perSecond = await throughput(rounds * 2, 64, one);
    const batch = await timed(() => engine.search(queries, { k }));
    report(name, {
      "build s": build / 1000,
      "build / raw": build / rawBuild,
      "recall@10": found,
      "µs a search": (times.engine * 1000) / rounds,
      "search / raw": times.engine / times.raw,
      "p99 ms": quantile(alone, 0.99),
      "a second, 64 at once": perSecond,
      "µs a query, 200 at once": (batch * 1000) / queryCount,
      "native MB": engine.memoryBytes() / 1e6,
    });
    if (name.startsWith("usearch")) expect(found).toBeGreaterThan(0.97);
    if (engine !== flat) await engine.close();
  }
});

/** Where copying rows together begins to pay, and what usearch's exact search does without this project around it. */
test("vectord engines: exact search among chosen rows", async () => {
  const flat = await usearch.open({ ...spec, type: "flat" }, blocks);
  const whole = vectors.slice();
  const bare = await timed(() => exactSearch(whole, query(0).slice(), dimension, k, "cos" as MetricKind, 0));
  const all = await timed(() => flat.exact(query(0), { from: 0, to: rows }, { k }));
  report("exact, all rows", { "bare ms": bare, "engine ms": all });
  for (const share of [0.001, 0.01, 0.1, 0.5]) {
    const count = Math.floor(rows * share);
    const chosen = Uint32Array.from({ length: count }, (_, at) => Math.floor(at / share));
    const times = await latencies(10, () => flat.exact(query(1), { rows: chosen }, { k }));
    report(`exact, ${count} rows`, {
      ms: quantile(times, 0.5),
      "µs a row": (quantile(times, 0.5) * 1000) / count,
    });
  }
  await flat.close();
});
