import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../../runtime/telemetry/metrics.ts";
import { clustered } from "../../../../scripts/sample-data/make-vectors.ts";
import type { EngineSpec, Engines } from "../../../../workers/vectord/engine/interface.ts";
import { createVectorBlocks } from "../../../../workers/vectord/rows/vector-blocks.ts";
import { type EngineCase, testEngine } from "../../../conformance/engine.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { testEngines } from "../../../support/vectors/engines.ts";

const lines: string[] = [];
const log = createLog("vectord", "error", (line) => lines.push(line));
let usearch: Engines;
let faiss: Engines;
beforeAll(async () => {
  usearch = await testEngines({ threads: 2, maxWaiting: 256, hnswEngine: "usearch", log });
  faiss = await testEngines({ threads: 1, maxWaiting: 256, hnswEngine: "faiss", log });
});
afterAll(async () => {
  await usearch.stop();
  await faiss.stop();
});

const exact = { engine: "exact", recallMin: 1 };
// Two native threads that insert neighbours at the same moment may miss each other.
const graph = { engine: "usearch", recallMin: 0.96 };
const underUsearch: EngineCase[] = [
  { name: "flat, cosine", spec: { type: "flat", metric: "cosine", quantization: "f32" }, ...exact },
  { name: "flat, l2", spec: { type: "flat", metric: "l2", quantization: "f32" }, ...exact },
  { name: "usearch bf16, cosine", spec: { type: "hnsw", metric: "cosine", quantization: "bf16" }, ...graph },
  { name: "usearch i8, cosine", spec: { type: "hnsw", metric: "cosine", quantization: "i8" }, ...graph },
  { name: "usearch f32, ip", spec: { type: "hnsw", metric: "ip", quantization: "f32" }, ...graph },
  {
    name: "usearch i8, cosine, rows on disk",
    spec: { type: "hnsw", metric: "cosine", quantization: "i8", memory: "graph" },
    ...{ ...graph, isOnDisk: true },
  },
  {
    name: "codes, rows on disk",
    spec: { type: "hnsw", metric: "cosine", quantization: "bf16", memory: "codes" },
    ...{ engine: "codes", recallMin: 0.95, trainsFrom: 2048, isOnDisk: true },
  },
  {
    name: "usearch b1, cosine",
    spec: { type: "hnsw", metric: "cosine", quantization: "b1" },
    ...{ ...graph, recallMin: 0.9 },
  },
  { name: "usearch bf16, l2", spec: { type: "hnsw", metric: "l2", quantization: "bf16" }, ...graph },
];
const underFaiss: EngineCase[] = [
  {
    name: "FAISS hnsw, cosine",
    spec: { type: "hnsw", metric: "cosine", quantization: "f32" },
    engine: "faiss",
    recallMin: 0.99,
  },
  {
    name: "FAISS Flat, ip",
    spec: { type: "Flat", metric: "ip", quantization: "f32" },
    engine: "faiss",
    recallMin: 1,
  },
  {
    name: "FAISS ivf_flat, cosine",
    spec: { type: "ivf_flat", metric: "cosine", quantization: "f32" },
    engine: "faiss",
    recallMin: 0.95,
    trainsFrom: 2496,
  },
  {
    name: "FAISS ivf_pq, l2",
    spec: { type: "ivf_pq", metric: "l2", quantization: "f32" },
    engine: "faiss",
    recallMin: 0.9,
    trainsFrom: 2560,
  },
];
for (const one of underUsearch) testEngine(one, () => usearch);
for (const one of underFaiss) testEngine(one, () => faiss);

const dimension = 16;
const spec: EngineSpec = {
  dimension,
  metric: "cosine",
  type: "hnsw",
  quantization: "f32",
  connectivity: 16,
  ef_construction: 128,
  ef_search: 96,
};

describe("types", () => {
  const refused: [type: string, says: string][] = [
    ["", "is not known"],
    ["HNSW", "is not known"],
    ["hnsw32", "is not known"],
    ["IVF", "is not known"],
    ["Flat,Flat", "is not known"],
    ["IVF99999999999999999999,Flat", "is not known"],
    ["IVF0,Flat", "has 0 lists"],
    ["IVF16,PQ0", "is not known"],
    ["IVF16,PQ7", "makes no"],
    ["PQ5", "makes no"],
    ["HNSW1,Flat", "links a node"],
    ["HNSW900", "links a node"],
    ["IVF16_HNSW0,Flat", "links a node"],
    ["PCA17,Flat", "cannot begin a type"],
    ["PCA0,Flat", "cannot begin a type"],
    ["OPQ5,Flat", "parts of one size"],
    ["OPQ0_8,Flat", "parts of one size"],
    ["PCA8", "is not known"],
    ["IDMap,Flat", "is not known"],
    ["IVF16,PQ4x8", "is not known"],
    ["Flat; DROP", "is not known"],
  ];
  test.each(refused)("'%s' is refused", async (type, says) => {
    const opening = usearch.open({ ...spec, type }, createVectorBlocks(dimension));
    const error = await opening.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ type: "bad_request", message: expect.stringContaining(says) });
  });

  test("lists that it would take too much memory to train are refused", async () => {
    const opening = usearch.open({ ...spec, dimension: 768, type: "IVF4096,Flat" }, createVectorBlocks(768));
    const error = await opening.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ message: expect.stringContaining("expected 1 to 2240 at dimension 768") });
  });

  test("i8 is for directions", async () => {
    for (const metric of ["ip", "l2"] as const) {
      const opening = usearch.open({ ...spec, metric, quantization: "i8" }, createVectorBlocks(dimension));
      const error = await opening.catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        type: "bad_request",
        message: expect.stringContaining("use bf16 or f32"),
      });
    }
  });

  const known = [
    "SQ8",
    "SQfp16",
    "HNSW16,SQ8",
    "HNSW16_SQfp16",
    "PCA8,IVF16,Flat",
    "RR8,Flat",
    "L2norm,Flat",
    "IVF16_HNSW8,SQ8",
    "PCA8,IVF16,PQ4",
  ];
  test.each(known)("'%s' works", async (type) => {
    const { vectors } = clustered(3000, dimension, 0);
    const blocks = createVectorBlocks(dimension);
    blocks.append(vectors);
    const engine = await usearch.open({ ...spec, type, metric: "l2" }, blocks);
    await engine.add(3000);
    expect(engine.covered()).toBe(3000);
    const [found] = await engine.search(vectors.subarray(0, dimension), { k: 1 });
    expect([...(found?.rows ?? [])]).toEqual([0]);
    expect([...(found?.distances ?? [])]).toEqual([0]);
    await engine.close();
  });
});

test("without FAISS its types are unavailable and say what to do, and the rest works", async () => {
  const root = resolve(import.meta.dir, "../../../..");
  const home = temporaryDirectory("no-faiss");
  const modules = join(home.path, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "faiss-node") symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  for (const part of ["runtime", "workers", "package.json"]) {
    cpSync(join(root, part), join(home.path, part), { recursive: true });
  }
  const script = `
    import { createLog } from "./runtime/telemetry/log.ts";
    import { testEngines } from "./tests/support/vectors/engines.ts";
    import { createVectorBlocks } from "./workers/vectord/rows/vector-blocks.ts";
    const engines = await testEngines();
    const open = (type) => engines.open({ ...${JSON.stringify(spec)}, type }, createVectorBlocks(${dimension}));
    const refused = await Promise.all(["ivf_flat", "Flat"].map((type) => open(type).catch(({ type, message }) => ({ type, message }))));
    const works = await Promise.all(["hnsw", "flat"].map(async (type) => (await open(type)).name));
    await engines.stop();
    process.stdout.write(JSON.stringify({ refused, works }));
  `;
  mkdirSync(join(home.path, "tests/support"), { recursive: true });
  const engines = "tests/support/vectors/engines.ts";
  cpSync(join(root, engines), join(home.path, engines));
  writeFileSync(join(home.path, "probe.ts"), script);
  const done = Bun.spawnSync([process.execPath, "--no-install", "probe.ts"], { cwd: home.path });
  home.remove();
  if (done.exitCode) throw new Error(done.stderr.toString());
  const { refused, works } = JSON.parse(done.stdout.toString());
  const says = { type: "unavailable", message: expect.stringContaining("bun scripts/faiss/faiss.ts") };
  expect(refused).toEqual([says, says]);
  expect(works).toEqual(["usearch", "exact"]);
});

describe("engines", () => {
  const rows = 20_000;
  const { vectors, queries } = clustered(rows, dimension, 64, 7);
  const filled = () => {
    const blocks = createVectorBlocks(dimension);
    blocks.append(vectors);
    return blocks;
  };

  test("searches are answered while a build goes on, of the same index and of others", async () => {
    const engines = await testEngines({ threads: 1, maxWaiting: 16, hnswEngine: "usearch", log });
    const [built, other] = [await engines.open(spec, filled()), await engines.open(spec, filled())];
    await other.add(100);
    let isBuilt = false;
    const building = built.add(rows).then(() => {
      isBuilt = true;
    });
    let answered = 0;
    const seen = new Set<number>();
    while (answered < 5) {
      await Promise.all([built.search(queries, { k: 5 }), other.search(queries, { k: 5 })]);
      await built.exact(queries, { from: built.covered(), to: rows }, { k: 5 });
      expect(isBuilt).toBe(false);
      seen.add(built.covered());
      answered += 1;
    }
    expect(seen.size).toBeGreaterThan(2);
    await building;
    expect(built.covered()).toBe(rows);
    expect(built.memoryBytes()).toBeGreaterThan(rows * dimension * 4);
    await engines.stop();
  });

  test("no more searches wait than may; the others hear when to come again", async () => {
    const metrics = createMetrics();
    const engines = await testEngines({ threads: 1, maxWaiting: 3, hnswEngine: "usearch", log, metrics });
    const engine = await engines.open({ ...spec, type: "flat" }, filled());
    await engine.add(rows);
    const calls = Array.from({ length: 5 }, () => engine.search(queries, { k: 1 }));
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status).join(" ")).toBe(
      "fulfilled fulfilled fulfilled rejected rejected",
    );
    const refused = settled[4];
    expect(refused?.status === "rejected" && refused.reason).toMatchObject({
      type: "too_many_requests",
      retryAfterSeconds: 1,
    });
    expect(metrics.text()).toContain("lakehouse_vectord_engine_refused_total 2");
    expect(metrics.text()).toContain("lakehouse_vectord_engine_calls 0");
    expect((await engine.search(queries, { k: 1 })).length).toBe(64);
    await engines.stop();
  });

  test("stopping waits for the native call, fails the rest, and lets nothing be opened", async () => {
    const engines = await testEngines({ threads: 2, maxWaiting: 64, hnswEngine: "usearch", log });
    const engine = await engines.open(spec, filled());
    const adding = engine.add(rows).catch((reason: unknown) => reason);
    await engines.stop();
    expect(await adding).toMatchObject({ type: "unavailable" });
    const calls = [engine.search(queries, { k: 1 }), engine.add(rows), engines.open(spec, filled())];
    for (const call of calls) {
      expect(await call.catch((reason: unknown) => reason)).toMatchObject({ type: "unavailable" });
    }
    await engine.close();
    await engines.stop();
  });

  test("stopping ends a training of FAISS, and leaves nothing behind", async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith("lakehouse-faiss-"));
    const engines = await testEngines({ threads: 1, maxWaiting: 9, hnswEngine: "usearch", log });
    const engine = await engines.open({ ...spec, type: "IVF512,PQ8" }, filled());
    const adding = engine.add(rows).catch((reason: unknown) => reason);
    await engine.search(queries, { k: 1 });
    await engines.stop();
    expect(await adding).toMatchObject({ type: "unavailable" });
    const after = readdirSync(tmpdir()).filter((name) => name.startsWith("lakehouse-faiss-"));
    expect(after).toEqual(before);
  });

  test("a crash while FAISS trains is reported for that index alone, whose rows are compared one by one", async () => {
    const engines = await testEngines({ log: createLog("vectord", "error", (line) => lines.push(line)) });
    const blocks = createVectorBlocks(dimension);
    // Their squares are no f32 numbers, which FAISS finds out when its process cannot be saved any more.
    blocks.append(vectors.map((value) => value * 1e38));
    const broken = await engines.open({ ...spec, metric: "l2", type: "PQ4" }, blocks);
    const other = await engines.open({ ...spec, type: "SQ8" }, filled());
    await Promise.all([broken.add(3000), other.add(3000)]);
    expect([broken.covered(), other.covered()]).toEqual([0, 3000]);
    expect(broken.problem()).toMatch(
      /^FAISS could not train type 'PQ4' on 3000 rows \(engine_crashed: .*SIGABRT.*tries again at 6000 rows$/,
    );
    expect(other.problem()).toBeUndefined();
    const [nearest] = await broken.exact(queries, { from: 0, to: 3000 }, { k: 1 });
    expect(nearest?.rows.length).toBe(1);
    await engines.stop();
  });

  test("a thread that dies takes its engines along, and the next is opened in a new one", async () => {
    const started: Worker[] = [];
    const original = globalThis.Worker;
    globalThis.Worker = class extends original {
      constructor(...given: ConstructorParameters<typeof Worker>) {
        super(...given);
        started.push(this);
      }
    };
    const engines = await testEngines({ threads: 1, maxWaiting: 64, hnswEngine: "usearch", log });
    try {
      const engine = await engines.open(spec, filled());
      await engine.add(1000);
      started[0]?.terminate();
      const lost = await engine.search(queries, { k: 1 }).catch((reason: unknown) => reason);
      expect(lost).toMatchObject({ type: "unavailable", message: expect.stringContaining("opened again") });
      expect(await engine.add(2000).catch((reason: unknown) => reason)).toMatchObject({
        type: "unavailable",
      });
      await engine.close();
      const next = await engines.open(spec, filled());
      await next.add(1000);
      expect((await next.search(queries, { k: 1 })).length).toBe(64);
      expect(started.length).toBe(2);
    } finally {
      globalThis.Worker = original;
      await engines.stop();
    }
  });
});
