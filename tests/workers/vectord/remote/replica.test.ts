import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import type { Engine, Engines } from "../../../../workers/vectord/engine/interface.ts";
import { connect } from "../../../../workers/vectord/remote/connection.ts";
import { createProgress, judge } from "../../../../workers/vectord/remote/progress.ts";
import { openReplica } from "../../../../workers/vectord/remote/replica.ts";
import { readRemotes } from "../../../../workers/vectord/remote/settings.ts";
import { createRows } from "../../../../workers/vectord/rows/rows.ts";
import { createVectorBlocks } from "../../../../workers/vectord/rows/vector-blocks.ts";
import type { IndexConfig } from "../../../../workers/vectord/schemas/schemas.ts";
import { testEngines } from "../../../support/vectors/engines.ts";
import { memoryEngine } from "../../../support/vectors/memory-engine.ts";

const dimension = 4;
const config: IndexConfig = {
  ...{ name: "a", dimension, metric: "l2", type: "hnsw", quantization: "f32", engine: "far" },
  ...{ connectivity: 16, ef_construction: 64, ef_search: 32, created_at: "2026-01-01T00:00:00Z" },
};
const lines: string[] = [];
const log = createLog("vectord", "warn", (line) => lines.push(line));
let engines: Engines;
beforeAll(async () => {
  engines = await testEngines({ threads: 1 });
});
afterAll(() => engines.stop());

const vectorOf = (n: number) => Float32Array.from([n, 0, 0, 1]);

/** One process over an engine and a log: what it adds and removes is a segment each. */
async function open(
  far: ReturnType<typeof memoryEngine>,
  segments: [ids: number[], gone: number[]][] = [],
  from = 0,
) {
  const settings = {
    ...{ kind: "pgvector" as const, name: "far", url: "postgres://lake@far:5432/x" },
    ...{ namespace: "lakehouse", timeoutMs: 60_000, key: "hidden-key" },
  } as const;
  const connection = connect(settings, far.driver, {
    ...{ clock: systemClock, log, store: "store-1", takesOver: false },
  });
  const replica = openReplica(config, "log-1", { connection, log, newId: () => crypto.randomUUID() });
  const rows = createRows(createVectorBlocks(dimension));
  const local = await engines.open({ ...config, type: "flat" }, rows.blocks);
  const engine = replica.over(rows, local);
  let segment = from;
  const apply = (ids: number[], gone: number[] = []) => {
    const upserts = {
      ids: ids.map((n) => `i${n}`),
      vectors: Float32Array.from(ids.flatMap((n) => [...vectorOf(n)])),
      metadata: ids.map(() => undefined),
    };
    const deletes = gone.map((n) => `i${n}`);
    rows.apply({ deletes, upserts });
    replica.applied(segment, rows, deletes);
    segment += 1;
  };
  apply([]);
  for (const [ids, gone] of segments) apply(ids, gone);
  replica.serve(rows, () => {});
  return {
    ...{ rows, engine, connection, replica, apply },
    close: async () => {
      replica.close();
      await connection.stop();
      await engine.close();
    },
  };
}

const idsOf = async (
  { engine, rows }: { engine: Engine; rows: { id: (row: number) => string } },
  n: number,
  k = 3,
) => {
  const [found] = await engine.search(vectorOf(n), { k });
  return Array.from(found?.rows ?? [], rows.id);
};

describe("a replica", () => {
  test("is filled in steps, and then searched there, by the distances here", async () => {
    const far = memoryEngine(10);
    const one = await open(far, [[Array.from({ length: 35 }, (_, n) => n), []]]);
    expect([one.engine.covered(), one.engine.owes?.()]).toEqual([0, true]);
    await one.engine.add(35);
    expect([one.engine.covered(), one.engine.owes?.(), far.calls.written]).toEqual([35, false, 35]);
    const [found] = await one.engine.search(vectorOf(7), { k: 3 });
    expect([...(found?.rows ?? [])]).toEqual([7, 6, 8]);
    expect([...(found?.distances ?? [])]).toEqual([0, 1, 1]);
    await one.close();
  });

  test("a graph that does not grow with the rows is built when they are there, not over none", async () => {
    const far = memoryEngine();
    const one = await open(far);
    const add = async (from: number, to: number) => {
      one.apply(Array.from({ length: to - from }, (_, at) => from + at));
      await one.engine.add(to);
    };
    await one.engine.add(0);
    await add(0, 100);
    expect([far.calls.built, await idsOf(one, 7, 1)]).toEqual([[], ["i7"]]);
    await add(100, 350);
    await add(350, 400);
    expect([far.calls.built, one.engine.problem()]).toEqual([[350], undefined]);
    await one.close();
  });

  test("what was removed goes there too, and what was replaced is there once", async () => {
    const far = memoryEngine();
    const one = await open(far, [[[1, 2, 3], []]]);
    await one.engine.add(3);
    one.apply([2], [3]);
    expect(one.engine.owes?.()).toBe(true);
    await one.engine.add(4);
    expect([...(far.collections.get("a")?.vectors.keys() ?? [])].sort()).toEqual(["i1", "i2"]);
    expect(await idsOf(one, 2)).toEqual(["i2", "i1"]);
    await one.close();
  });

  test("an item that is replaced while it is searched is found where the search began", async () => {
    const far = memoryEngine();
    const one = await open(far, [[[1, 2], []]]);
    await one.engine.add(2);
    far.pausing(async () => one.apply([1]));
    const [found] = await one.engine.search(vectorOf(1), { k: 2, upTo: 2 });
    expect([...(found?.rows ?? [])]).toEqual([0, 1]);
    await one.close();
  });

  test("goes on after a restart from where the engine is, and sends nothing twice", async () => {
    const far = memoryEngine();
    const log: [number[], number[]][] = [[[1, 2, 3], []]];
    const first = await open(far, log);
    await first.engine.add(3);
    await first.close();
    const again = await open(far, [...log, [[4], [1]]]);
    await again.engine.add(4);
    expect([far.calls.reset, far.calls.written, again.engine.covered()]).toEqual([1, 4, 4]);
    expect(await idsOf(again, 1)).toEqual(["i2", "i3", "i4"]);
    await again.close();
  });

  test("an engine that was put back is found out by the next search, and brought to where the log is", async () => {
    const far = memoryEngine();
    const one = await open(far, [[[1, 2], []]]);
    await one.engine.add(2);
    const putBack = far.keep();
    one.apply([3], [1]);
    await one.engine.add(3);
    putBack();
    expect(await idsOf(one, 1).catch(({ type, message }) => [type, message])).toEqual([
      "unavailable",
      expect.stringContaining("engine 'far' (pgvector at far:5432) is not where index 'a' left it"),
    ]);
    expect(one.engine.owes?.()).toBe(true);
    await one.engine.add(3);
    expect(await idsOf(one, 1)).toEqual(["i2", "i3"]);
    expect(far.calls.reset).toBe(1);
    await one.close();
  });

  test("one that lost the collection is filled anew", async () => {
    const far = memoryEngine();
    const one = await open(far, [[[1, 2], []]]);
    await one.engine.add(2);
    far.collections.clear();
    expect(await idsOf(one, 1).catch(({ type }) => type)).toBe("unavailable");
    await one.engine.add(2).catch(() => undefined);
    await one.engine.add(2);
    expect(await idsOf(one, 1)).toEqual(["i1", "i2"]);
    await one.close();
  });

  test("another process that takes the collection is found out by both", async () => {
    const far = memoryEngine();
    const log: [number[], number[]][] = [[[1, 2], []]];
    const first = await open(far, log);
    await first.engine.add(2);
    const second = await open(far, log);
    await second.engine.add(2);
    expect(await idsOf(first, 1).catch(({ type }) => type)).toBe("unavailable");
    first.apply([3]);
    expect(await first.engine.add(3).catch(({ type }) => type)).toBeUndefined();
    expect(await idsOf(second, 1).catch(({ type }) => type)).toBe("unavailable");
    await first.close();
    await second.close();
  });

  test("an engine that is away says so in words without its key, and another store's is refused", async () => {
    const far = memoryEngine();
    far.ends("it broke: hidden-key");
    const one = await open(far, [[[1], []]]);
    await one.connection.looked();
    expect(one.engine.away?.()).toMatchObject({
      type: "unavailable",
      message: "engine 'far' (pgvector at far:5432): it broke: [hidden]",
    });
    await one.close();
    far.ends(undefined);
    await far.driver.own("store-2", true);
    const other = await open(far);
    await other.connection.looked();
    expect(other.engine.away?.()).toMatchObject({
      type: "conflict",
      message: expect.stringContaining("--adopt=vectord/engines/far"),
    });
    await other.close();
  });
});

describe("what an engine's state means", () => {
  const progress = createProgress();
  progress.add(5, 10, []);
  progress.add(6, 12, ["x"]);
  progress.add(8, 12, ["y"]);
  const state = { incarnation: "log-1", dimension, metric: "l2" as const, segment: 6, writer: "w" };
  const rows: [what: string, applied: Partial<typeof state> | undefined, says: string | number][] = [
    ["a segment that is known", {}, 6],
    ["the checkpoint's", { segment: 5 }, 5],
    ["the last one", { segment: 8 }, 8],
    ["nothing", undefined, "no whole collection"],
    ["another log", { incarnation: "log-0" }, "another index of that name"],
    ["another length", { dimension: 3 }, "holds vectors of 3 numbers under l2, the index has 4"],
    ["a filling that was cut off", { segment: -1 }, "was cut off"],
    ["a segment before the checkpoint", { segment: 4 }, "folded into a checkpoint"],
    ["a segment that was passed over", { segment: 7 }, "folded into a checkpoint"],
    ["one ahead of the log", { segment: 9 }, "ahead of the log, which ends at 8"],
  ];
  test.each(rows)("%s", (_, applied, says) => {
    const verdict = judge(
      applied && { ...state, ...applied },
      { dimension, metric: "l2" },
      "log-1",
      progress,
    );
    if (typeof says === "number") expect(verdict).toEqual({ from: says });
    else expect(verdict).toEqual({ rebuild: expect.stringContaining(says) });
  });
});

describe("the settings", () => {
  const url = "postgres://lake@db:5432/x";
  const rows: [what: string, tables: Record<string, Record<string, unknown>>, says: string][] = [
    [
      "another kind",
      { pg: { kind: "oracle", url } },
      "[vectord.engines.pg] kind: expected pgvector or weaviate or qdrant",
    ],
    ["no url", { pg: { kind: "pgvector" } }, "[vectord.engines.pg]"],
    ["an unknown key", { pg: { kind: "pgvector", url, user: "x" } }, "user"],
    [
      "a password in the url",
      { pg: { kind: "pgvector", url: "postgres://a:b@c/d" } },
      "[providers.pg] api_key",
    ],
    ["a name in capitals", { PG: { kind: "pgvector", url } }, "expected a name"],
    ["the name of those here", { local: { kind: "pgvector", url } }, "and not 'local'"],
    ["a namespace that is no word", { pg: { kind: "pgvector", url, namespace: "a b" } }, "namespace"],
  ];
  test.each(rows)("%s is refused", (_, engines, says) => {
    const read = () => readRemotes({ vectord: { engines } } as never, { provider: () => undefined });
    expect(read).toThrow(says);
  });
});
