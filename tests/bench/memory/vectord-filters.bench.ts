/**
 * What the planner's costs stand on: a candidate of the graph against a row compared exactly; and the recall of searches
 * under filters, with the times of both ways.
 */

import { afterAll, expect, test } from "bun:test";
import { parseFilter } from "../../../runtime/filter/filter.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { clustered } from "../../../scripts/sample-data/make-vectors.ts";
import { createRows } from "../../../workers/vectord/rows/rows.ts";
import { createVectorBlocks } from "../../../workers/vectord/rows/vector-blocks.ts";
import { createMetadataIndex } from "../../../workers/vectord/search/metadata-index.ts";
import { nearestNeighbours } from "../../../workers/vectord/search/search.ts";
import { defaults } from "../../../workers/vectord/verbs/indexes.ts";
import { latencies, median, report, timed } from "../../support/campaigns/measure.ts";
import { testEngines } from "../../support/vectors/engines.ts";

const items = Number(process.env.LAKEHOUSE_BENCH_ROWS ?? 10_000);
const dimension = Number(process.env.LAKEHOUSE_BENCH_DIMENSION ?? 256);
const queryCount = 40;
const k = 10;
const ef = defaults.ef_search;
const { vectors, queries } = clustered(items, dimension, queryCount);
const query = (at: number) =>
  queries.slice((at % queryCount) * dimension, ((at % queryCount) + 1) * dimension);

const blocks = createVectorBlocks(dimension);
const rows = createRows(blocks);
const ids = Array.from({ length: items }, (_, at) => `${at}`);
// 7,919 is prime: shares of the rows that have nothing to do with where their vectors lie.
const metadata = ids.map((_, at) => ({ share: ((at * 7919) % items) / items, text: `t${at}` }));
rows.apply({ deletes: [], upserts: { ids, vectors, metadata } });
const log = createLog("bench", "error");
const engines = await testEngines({ threads: 1, maxWaiting: 1024, hnswEngine: "usearch", log });
const engine = await engines.open({ dimension, ...defaults }, blocks);
await engine.add(items);
const index = { rows, engine, fields: createMetadataIndex(rows, systemClock) };
const { signal } = new AbortController();
afterAll(async () => {
  await engine.close();
  await engines.stop();
});

/** The median time of a call, in microseconds. */
const microseconds = async (call: (query: Float32Array) => Promise<unknown>): Promise<number> => {
  let at = 0;
  return median(await latencies(queryCount, () => call(query(at++)))) * 1000;
};

test("a candidate against a row", async () => {
  const few = await microseconds((one) => engine.search(one, { k: 100, ef: 100 }));
  const many = await microseconds((one) => engine.search(one, { k: 1100, ef: 1100 }));
  const candidate = (many - few) / 1000;
  const half = Uint32Array.from({ length: items / 2 }, (_, at) => at * 2);
  const chosen = (await microseconds((one) => engine.exact(one, { rows: half }, { k }))) / half.length;
  const whole = (await microseconds((one) => engine.exact(one, { from: 0, to: items }, { k }))) / items;
  report(`vectord: costs of a search over ${items} x ${dimension}`, {
    "candidate of the graph, us": candidate.toFixed(2),
    "chosen rows a candidate": (candidate / chosen).toFixed(1),
    "rows in order a candidate": (candidate / whole).toFixed(1),
  });
});

test("recall under filters", async () => {
  const figures: Record<string, string> = {};
  for (const field of [{ share: { lt: 2 } }, { text: "t5" }]) {
    const condition = parseFilter(field);
    if (!condition) throw new Error("expected a condition");
    const ms = await timed(() => index.fields.prepare(condition, signal));
    figures[`first filter on ${Object.keys(field)[0]}, ms`] = ms.toFixed(1);
  }
  for (const share of [1, 0.5, 0.2, 0.1, 0.05, 0.01, 0.001, 0.0001]) {
    const filter = parseFilter({ share: { lt: share } });
    if (!filter) throw new Error("expected a condition");
    const search = (vectors: Float32Array, exact: boolean) =>
      nearestNeighbours(index, { vectors, k, ef, exact, signal, ...(share < 1 && { filter }) });
    let right = 0;
    let wanted = 0;
    for (let at = 0; at < queryCount; at++) {
      const [[found = []], [truth = []]] = [await search(query(at), false), await search(query(at), true)];
      const expected = new Set(truth.map(({ row }) => row));
      right += found.filter(({ row }) => expected.has(row)).length;
      wanted += expected.size;
    }
    const planned = await microseconds((one) => search(one, false));
    const exactly = await microseconds((one) => search(one, true));
    const recall = right / wanted;
    figures[`keeping ${share * 100} %`] =
      `recall ${recall.toFixed(4)}, ${planned.toFixed(0)} us, exactly ${exactly.toFixed(0)} us`;
    expect(recall).toBeGreaterThanOrEqual(0.98);
  }
  report(`vectord: filters over ${items} x ${dimension}`, figures);
});
