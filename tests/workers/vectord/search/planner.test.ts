/** How a search is done, and that what it finds is right at every selectivity, with dead rows and rows not covered. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parseFilter } from "../../../../runtime/filter/filter.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import type { Engine, Engines } from "../../../../workers/vectord/engine/interface.ts";
import { createRows } from "../../../../workers/vectord/rows/rows.ts";
import { createVectorBlocks } from "../../../../workers/vectord/rows/vector-blocks.ts";
import { createMetadataIndex } from "../../../../workers/vectord/search/metadata-index.ts";
import { createNamedIndex } from "../../../../workers/vectord/search/named-index.ts";
import { planSearch, planWider, type Situation } from "../../../../workers/vectord/search/planner.ts";
import { nearestNeighbours, type Searched } from "../../../../workers/vectord/search/search.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { testEngines } from "../../../support/vectors/engines.ts";

describe("plans", () => {
  const large: Situation = { k: 10, ef: 96, covered: 100_000, matching: 100_000, isWhole: true };
  const plans: [name: string, change: Partial<Situation>, plan: ReturnType<typeof planSearch>][] = [
    ["all rows of a large index", {}, { kind: "graph", candidates: 10 }],
    ["all rows of a small index", { covered: 1000, matching: 1000 }, { kind: "exact" }],
    ["half of the rows", { matching: 50_000, isWhole: false }, { kind: "graph", candidates: 192 }],
    ["a tenth", { matching: 10_000, isWhole: false }, { kind: "graph", candidates: 960 }],
    ["a hundredth", { matching: 1000, isWhole: false }, { kind: "exact" }],
    ["a few", { matching: 10, isWhole: false }, { kind: "exact" }],
    ["one dead row", { matching: 99_999, isWhole: false }, { kind: "graph", candidates: 97 }],
    ["as many results as there are rows", { k: 100_000 }, { kind: "exact" }],
  ];
  test.each(plans)("%s", (_, change, plan) => expect(planSearch({ ...large, ...change })).toEqual(plan));

  test("too few rows among the candidates: twice as many, until comparing all is cheaper", () => {
    const half = { ...large, matching: 50_000, isWhole: false };
    expect(planWider(192, half)).toEqual({ kind: "graph", candidates: 384 });
    expect(planWider(6144, half)).toEqual({ kind: "exact" });
    expect(planWider(100_000, { ...half, matching: 1e9 })).toEqual({ kind: "exact" });
  });
});

const dimension = 16;
const items = 20_000;
const covered = 19_000;
const k = 10;
let engines: Engines;
let engine: Engine;
let index: Searched & { asked: string[] };
const random = seeded(1);
const center = (cluster: number) =>
  Float32Array.from({ length: dimension }, (_, at) => Math.sin(cluster * 7 + at * 3));
const near = (cluster: number) => center(cluster).map((value) => value + (random() - 0.5) * 0.6);

beforeAll(async () => {
  const blocks = createVectorBlocks(dimension);
  const rows = createRows(blocks);
  for (let from = 0; from < items; from += 1000) {
    const ids = Array.from({ length: 1000 }, (_, at) => `${from + at}`);
    const vectors = new Float32Array(1000 * dimension);
    const metadata = ids.map((_, at) => {
      const cluster = Math.floor(random() * 50);
      vectors.set(near(cluster), at * dimension);
      return { cluster, part: random() };
    });
    rows.apply({ deletes: [], upserts: { ids, vectors, metadata } });
  }
  engines = await testEngines({
    threads: 1,
    maxWaiting: 100,
    hnswEngine: "usearch",
    log: createLog("test", "error"),
  });
  const spec = {
    dimension,
    metric: "l2",
    type: "hnsw",
    quantization: "f32",
    connectivity: 16,
    ef_construction: 128,
    ef_search: 64,
  } as const;
  engine = await engines.open(spec, blocks);
  await engine.add(covered);
  const asked: string[] = [];
  const watched: Engine = {
    ...engine,
    search: (...call) => {
      asked.push("graph");
      return engine.search(...call);
    },
    exact: (...call) => {
      asked.push("exact");
      return engine.exact(...call);
    },
  };
  index = {
    rows,
    engine: watched,
    asked,
    fields: createMetadataIndex(rows, systemClock),
    named: createNamedIndex(rows, undefined),
  };
});
afterAll(async () => {
  await engine.close();
  await engines.stop();
});

type Test = (metadata: { cluster: number; part: number }) => boolean;
const truth = (query: Float32Array, matches: Test): { id: string; distance: number }[] => {
  const found: { id: string; distance: number }[] = [];
  for (let row = 0; row < index.rows.total(); row++) {
    if (index.rows.find(index.rows.id(row)) !== row) continue;
    if (!matches(index.rows.metadata(row) as never)) continue;
    const distance = index.rows.blocks
      .row(row)
      .reduce((sum, value, at) => sum + (value - (query[at] ?? 0)) ** 2, 0);
    found.push({ id: index.rows.id(row), distance });
  }
  return found.sort((a, b) => a.distance - b.distance);
};

/** The share of the true k nearest that is found, over some queries in one call. */
async function recall(filter: unknown, matches: Test, clusters: readonly number[]): Promise<number> {
  const queries = clusters.map((cluster) => near(cluster));
  const vectors = new Float32Array(queries.flatMap((query) => [...query]));
  const condition = parseFilter(filter);
  index.asked.length = 0;
  const query = { vectors, k, ef: 64, exact: false, signal: new AbortController().signal };
  const results = await nearestNeighbours(index, { ...query, ...(condition && { filter: condition }) });
  let right = 0;
  let wanted = 0;
  for (const [at, near] of results.entries()) {
    const expected = truth(queries[at] ?? new Float32Array(), matches).slice(0, k);
    expect(near.length).toBe(expected.length);
    const ids = new Set(expected.map(({ id }) => id));
    right += near.filter(({ row }) => ids.has(index.rows.id(row))).length;
    wanted += expected.length;
    for (const { row } of near) {
      expect(matches(index.rows.metadata(row) as never)).toBe(true);
      expect(index.rows.find(index.rows.id(row))).toBe(row);
    }
    expect(near.map(({ distance }) => distance)).toEqual(
      near.map(({ distance }) => distance).sort((a, b) => a - b),
    );
  }
  return right / wanted;
}

const clusters = Array.from({ length: 20 }, (_, at) => at * 2);
const everything = () => {
  test("without a filter", async () => {
    expect(await recall({}, () => true, clusters)).toBeGreaterThanOrEqual(0.98);
    expect(index.asked).toContain("graph");
  });
  test.each([0.5, 0.1, 0.01, 0.001, 0.0001])("a filter that keeps %p", async (share) => {
    expect(
      await recall({ part: { lt: share } }, ({ part }) => part < share, clusters),
    ).toBeGreaterThanOrEqual(0.98);
  });
  test("rows far from the query: wider and wider, then exactly", async () => {
    const away = (cluster: number) =>
      center(cluster).reduce((sum, value, at) => sum + (value - (center(0)[at] ?? 0)) ** 2, 0);
    const far = Array.from({ length: 50 }, (_, cluster) => cluster)
      .sort((a, b) => away(b) - away(a))
      .slice(0, 25);
    const matches: Test = ({ cluster }) => far.includes(cluster);
    expect(await recall({ cluster: { in: far } }, matches, [0, 0, 0])).toBeGreaterThanOrEqual(0.98);
    expect(index.asked.filter((call) => call === "graph").length).toBeGreaterThan(1);
    expect(index.asked.at(-1)).toBe("exact");
  });
};

// In this order: each group changes the rows for those after it.
describe("with rows that the engine does not cover", everything);
describe("with a fifth of the rows deleted, and fresh ones nearest", () => {
  test("delete, replace", () => {
    const deletes = Array.from({ length: items }, (_, at) => `${at}`).filter(() => random() < 0.2);
    const ids = deletes.slice(0, 500);
    const vectors = new Float32Array(ids.flatMap((_, at) => [...near(clusters[at % 20] ?? 0)]));
    const metadata = ids.map((_, at) => ({ cluster: clusters[at % 20], part: random() }));
    index.rows.apply({ deletes, upserts: { ids, vectors, metadata } });
  });
  everything();
});
describe("with more candidates deleted than asked for", () => {
  test("the nearest thousand rows of a query are gone, and the next ones come", async () => {
    const query = near(0);
    const all = truth(query, () => true);
    index.rows.apply({
      deletes: all.slice(0, 1000).map(({ id }) => id),
      upserts: { ids: [], vectors: new Float32Array(), metadata: [] },
    });
    const found = await nearestNeighbours(index, {
      vectors: query,
      k,
      ef: 16,
      exact: false,
      signal: new AbortController().signal,
    });
    expect(found[0]?.map(({ row }) => index.rows.id(row))).toEqual(
      all.slice(1000, 1000 + k).map(({ id }) => id),
    );
  });
  test("k above what there is gives all there is", async () => {
    const condition = parseFilter({ cluster: 49 });
    if (!condition) throw new Error("expected a condition");
    const found = await nearestNeighbours(index, {
      vectors: near(3),
      k: 10_000,
      ef: 64,
      exact: false,
      filter: condition,
      signal: new AbortController().signal,
    });
    expect(found[0]?.length).toBe(truth(near(3), ({ cluster }) => cluster === 49).length);
  });
});
