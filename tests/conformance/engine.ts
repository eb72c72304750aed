/** What every engine of vectord must do alike: one suite, run for each. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ServiceError } from "../../runtime/errors/errors.ts";
import { clustered } from "../../scripts/sample-data/make-vectors.ts";
import type { Engine, EngineSpec, Engines, Neighbours } from "../../workers/vectord/engine/interface.ts";
import { addRow, emptyBitmap } from "../../workers/vectord/rows/bitmap.ts";
import { createVectorBlocks, type VectorBlocks } from "../../workers/vectord/rows/vector-blocks.ts";
import { temporaryDirectory } from "../support/stacks/in-process.ts";

export interface EngineCase {
  name: string;
  spec: Pick<EngineSpec, "type" | "metric" | "quantization" | "memory">;
  engine: string;
  /** Of the true ten nearest, over all queries. */
  recallMin: number;
  /** Rows it must have before it covers any. */
  trainsFrom?: number;
  /** Its rows are on disk. */
  isOnDisk?: boolean;
}

const dimension = 32;
const rows = 5000;
const queryCount = 40;
const { vectors, queries } = clustered(rows, dimension, queryCount);
const vector = (row: number): Float32Array => vectors.subarray(row * dimension, (row + 1) * dimension);
const query = (at: number): Float32Array => queries.subarray(at * dimension, (at + 1) * dimension);

/** The definition of the contract, in the plainest way. */
function distanceBetween(metric: EngineSpec["metric"], a: Float32Array, b: Float32Array): number {
  const sum = (of: (x: number, y: number) => number) => a.reduce((all, x, at) => all + of(x, b[at] ?? 0), 0);
  if (metric === "l2") return sum((x, y) => (x - y) ** 2);
  const dot = sum((x, y) => x * y);
  if (metric === "ip") return -dot;
  return 1 - dot / Math.sqrt(a.reduce((all, x) => all + x * x, 0) * b.reduce((all, x) => all + x * x, 0));
}

const known = new Map<string, readonly { row: number; distance: number }[]>();
/** All rows by their distance from a query, nearest first: reckoned once for all engines of a metric. */
function ordered(metric: EngineSpec["metric"], at: number) {
  const name = `${metric} ${at}`;
  const all =
    known.get(name) ??
    numbers(0, rows)
      .map((row) => ({ row, distance: distanceBetween(metric, query(at), vector(row)) }))
      .sort((a, b) => a.distance - b.distance);
  known.set(name, all);
  return all;
}

function truth(metric: EngineSpec["metric"], at: number, among: readonly number[], k: number): Neighbours {
  const wanted = new Set(among);
  const nearest = ordered(metric, at)
    .filter(({ row }) => wanted.has(row))
    .slice(0, k);
  return {
    rows: Uint32Array.from(nearest, ({ row }) => row),
    distances: Float32Array.from(nearest, ({ distance }) => distance),
  };
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);
const setOf = (chosen: readonly number[]) => {
  const set = emptyBitmap(rows);
  for (const row of chosen) addRow(set, row);
  return set;
};
const only = (answers: Neighbours[]): Neighbours => {
  expect(answers.length).toBe(1);
  return answers[0] as Neighbours;
};
const refusal = async (work: Promise<unknown>): Promise<ServiceError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ServiceError);
  return error as ServiceError;
};
/** Equal but for the last digits of a sum in another order. */
const expectClose = (found: Float32Array, expected: Float32Array) => {
  expect(found.length).toBe(expected.length);
  for (const [at, distance] of expected.entries()) {
    expect(Math.abs((found[at] ?? Number.NaN) - distance)).toBeLessThanOrEqual(
      1e-5 * Math.max(1, Math.abs(distance)),
    );
  }
};

type Damage = [name: string, damage: (path: string, bytes: Buffer) => void, says: string];
/** Ways to damage a file that an engine wrote, and what the refusal says. */
const damages: Damage[] = [
  ["cut short", (path, bytes) => truncateSync(path, bytes.length - 100), "its end is missing"],
  [
    "cut in the middle",
    (path, bytes) => truncateSync(path, Math.floor(bytes.length / 2)),
    "its end is missing",
  ],
  ["empty", (path) => truncateSync(path, 0), "it has 0 bytes"],
  [
    "longer",
    (path, bytes) => writeFileSync(path, Buffer.concat([bytes, Buffer.from("more")])),
    "its end is missing",
  ],
  ...[0, 0.01, 0.5, 0.99].map(
    (share): Damage => [
      `with a bit turned at ${share * 100} %`,
      (path, bytes) => {
        const at = Math.floor((bytes.length - 32) * share);
        bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
        writeFileSync(path, bytes);
      },
      "its bytes changed",
    ],
  ),
];

/** Registers the suite for one engine; `open` gives the engines it belongs to. */
export function testEngine(given: EngineCase, open: () => Engines): void {
  const { metric } = given.spec;
  /** Enough to be a graph, or to be trained. */
  const someRows = given.trainsFrom ?? 1500;
  const spec: EngineSpec = {
    dimension,
    connectivity: 16,
    ef_construction: 128,
    ef_search: 96,
    ...given.spec,
  };

  describe(`engine ${given.name}`, () => {
    const home = temporaryDirectory("engine");
    const emptyBlocks = () => createVectorBlocks(dimension, given.isOnDisk ? home.path : undefined);
    let blocks: VectorBlocks;
    let engine: Engine;
    beforeAll(async () => {
      blocks = emptyBlocks();
      engine = await open().open(spec, blocks);
    });
    afterAll(async () => {
      await engine.close();
      home.remove();
    });

    test("covers nothing and finds nothing at first", async () => {
      expect(engine.name).toBe(given.engine);
      expect(engine.covered()).toBe(0);
      expect(await engine.search(query(0), { k: 3 })).toEqual([
        { rows: new Uint32Array(), distances: new Float32Array() },
      ]);
      expect(only(await engine.exact(query(0), { from: 0, to: 0 }, { k: 3 })).rows.length).toBe(0);
      expect(only(await engine.exact(query(0), { rows: new Uint32Array() }, { k: 3 })).rows.length).toBe(0);
    });

    test("searches exactly what it does not cover", async () => {
      blocks.append(vectors);
      const from = 37;
      const answers = await engine.exact(queries, { from, to: rows }, { k: 5 });
      for (const [at, answer] of answers.entries()) {
        const expected = truth(metric, at, numbers(from, rows), 5);
        expect(answer.rows).toEqual(expected.rows);
        expectClose(answer.distances, expected.distances);
      }
      expect(engine.covered()).toBe(0);
    });

    test("covers what it is told, no sooner than it can", async () => {
      if (given.trainsFrom !== undefined) {
        await engine.add(given.trainsFrom - 1);
        expect(engine.covered()).toBe(0);
      }
      await engine.add(4000);
      expect(engine.covered()).toBe(4000);
      const found = only(await engine.search(vector(4500), { k: rows }));
      expect(Math.max(...found.rows)).toBeLessThan(4000);
      await engine.add(rows);
      await engine.add(10);
      expect(engine.covered()).toBe(rows);
    });

    test("finds the nearest, by their exact distances", async () => {
      const answers = await engine.search(queries, { k: 10 });
      let hits = 0;
      for (const [at, answer] of answers.entries()) {
        const expected = truth(metric, at, numbers(0, rows), 10);
        const wanted = new Set(expected.rows);
        hits += answer.rows.filter((row) => wanted.has(row)).length;
        const distances = Float32Array.from(answer.rows, (row) =>
          distanceBetween(metric, query(at), vector(row)),
        );
        expectClose(answer.distances, distances);
        expect(answer.distances).toEqual(answer.distances.toSorted());
      }
      expect(hits / (queryCount * 10)).toBeGreaterThanOrEqual(given.recallMin);
    });

    test("keeps to the rows it is given, where it can, and finds the nearest of those", async () => {
      if (!engine.filters) return;
      const among = numbers(0, rows).filter((row) => row % 2 === 0);
      let hits = 0;
      for (const [at, { rows: found }] of (
        await engine.search(queries, { k: 10, among: setOf(among) })
      ).entries()) {
        const wanted = new Set(truth(metric, at, among, 10).rows);
        expect(found.every((row) => row % 2 === 0)).toBe(true);
        hits += found.filter((row) => wanted.has(row)).length;
      }
      expect(hits / (queryCount * 10)).toBeGreaterThanOrEqual(given.recallMin);
      // Of those that are all far away it says none, rather than others than the nearest.
      const far = ordered(metric, 0).slice(rows / 2);
      const none = await engine.search(query(0), { k: 10, among: setOf(far.map(({ row }) => row)) });
      expect([...only(none).rows]).toEqual([]);
      const few = only(await engine.search(query(0), { k: 10, among: setOf([4999, 7]) }));
      expect(few.rows.toSorted()).toEqual(Uint32Array.of(7, 4999));
    });

    test("answers many queries, alone and at once, with the same", async () => {
      const together = await engine.search(queries, { k: 7 });
      const apart = numbers(0, queryCount).map((at) => engine.search(query(at), { k: 7 }));
      expect((await Promise.all(apart)).map(only)).toEqual(together);
      const mixed = await Promise.all([engine.search(query(3), { k: 2 }), engine.search(query(3), { k: 9 })]);
      expect(mixed.map((answers) => only(answers).rows.length)).toEqual([2, 9]);
    });

    test("gives no more than there are, and each once", async () => {
      const { rows: found } = only(await engine.exact(query(1), { from: rows - 3, to: rows }, { k: 10 }));
      expect(found.toSorted()).toEqual(Uint32Array.from(numbers(rows - 3, rows)));
      const many = only(await engine.search(query(1), { k: 500 }));
      expect(new Set(many.rows).size).toBe(many.rows.length);
      if (given.trainsFrom === undefined) expect(many.rows.length).toBe(500);
    });

    const lists: [name: string, rows: number[]][] = [
      ["one row", [4711]],
      ["few rows", [0, 1, 2, 4095, 4096, 4999]],
      ["every third row", numbers(0, rows).filter((row) => row % 3 === 0)],
      ["all rows but one", numbers(1, rows)],
    ];
    test.each(lists.map(([name, among]) => ({ name, among })))(
      "searches exactly among $name",
      async ({ among }) => {
        for (const k of [1, 10, 300]) {
          const answers = await engine.exact(queries, { rows: Uint32Array.from(among) }, { k });
          expect(answers.length).toBe(queryCount);
          const expected = truth(metric, 5, among, k);
          expect(answers[5]?.rows).toEqual(expected.rows);
          expectClose(answers[5]?.distances ?? new Float32Array(), expected.distances);
        }
      },
    );

    test("leaves the caller his queries", async () => {
      const mine = query(2).slice();
      await engine.search(mine, { k: 1 });
      await engine.exact(mine, { from: 0, to: rows }, { k: 1 });
      expect([...mine]).toEqual([...query(2)]);
    });

    test("a call that is cancelled rejects with the reason, and the others are answered", async () => {
      const reason = new Error("the client left");
      const control = new AbortController();
      const calls = [
        engine.search(query(0), { k: 1, signal: AbortSignal.abort(reason) }),
        engine.search(queries, { k: 5, signal: control.signal }),
        engine.exact(queries, { from: 0, to: rows }, { k: 5, signal: control.signal }),
      ];
      const ended = Promise.allSettled(calls);
      const other = engine.search(query(0), { k: 5 });
      control.abort(reason);
      expect(await ended).toEqual(calls.map(() => ({ status: "rejected", reason })));
      expect(only(await other).rows.length).toBe(5);
    });

    test("a cancelled add leaves a sound engine that goes on from there", async () => {
      const fresh = emptyBlocks();
      const again = await open().open(spec, fresh);
      fresh.append(vectors);
      const gone = AbortSignal.abort(new Error("gone"));
      await expect(again.add(rows, gone)).rejects.toThrow("gone");
      const control = new AbortController();
      const adding = again.add(rows, control.signal).catch((reason: unknown) => reason);
      control.abort(new Error("not now"));
      expect(await adding).toEqual(new Error("not now"));
      await again.add(someRows);
      expect(again.covered()).toBe(someRows);
      expect(only(await again.search(vector(8), { k: 1 })).rows.length).toBe(1);
      await again.close();
      expect((await refusal(again.search(query(0), { k: 1 }))).type).toBe("unavailable");
    });

    test("what was saved opens again, answers the same and grows", async () => {
      if (engine.save === undefined) return;
      const path = join(home.path, "whole");
      const some = await open().open(spec, blocks);
      await some.add(someRows);
      const covered = (await some.save?.(path)) ?? 0;
      expect(covered).toBe(someRows);
      const before = await some.search(queries, { k: 10 });
      await some.close();
      const reopened = await open().open(spec, blocks, { path, rows: covered });
      expect(reopened.covered()).toBe(someRows);
      expect(await reopened.search(queries, { k: 10 })).toEqual(before);
      await reopened.add(someRows + 500);
      expect(reopened.covered()).toBe(someRows + 500);
      await reopened.close();
      const wrong = await refusal(open().open(spec, blocks, { path, rows: someRows - 1 }));
      expect(wrong.type).toBe("corrupt");
      expect(wrong.message).toContain(`it covers ${someRows} rows, expected ${someRows - 1} at most`);
      const other = await refusal(
        open().open({ ...spec, ef_construction: 64 }, blocks, { path, rows: someRows }),
      );
      expect(other.message).toContain("it was built for another index");
      for (const [name, damage, says] of damages) {
        const damaged = join(home.path, name);
        copyFileSync(path, damaged);
        damage(damaged, readFileSync(path));
        const error = await refusal(open().open(spec, blocks, { path: damaged, rows: someRows }));
        expect([name, error.type, error.message]).toEqual([name, "corrupt", expect.stringContaining(says)]);
      }
      const missing = await refusal(open().open(spec, blocks, { path: join(home.path, "none"), rows: 1 }));
      expect(missing.type).toBe("corrupt");
    });

    test("what was saved without rows that are gone is numbered without them, again and again", async () => {
      if (engine.save === undefined) return;
      const left = (which: number[]) => which.filter((_, at) => at % 5 !== 0);
      const every5th = (which: number[]) =>
        Uint32Array.from(numbers(0, which.length).filter((at) => at % 5 === 0));
      const joined = (which: number[]) => {
        const all = new Float32Array(which.length * dimension);
        for (const [at, row] of which.entries()) all.set(vector(row), at * dimension);
        return all;
      };
      let saver = engine;
      let kept = numbers(0, rows);
      for (const round of [1, 2]) {
        const path = join(home.path, `without-${round}`);
        const gone = every5th(kept);
        kept = left(kept);
        const covered = (await saver.save?.(path, gone)) ?? 0;
        expect(covered).toBe(kept.length);
        const fresh = emptyBlocks();
        fresh.append(joined(kept));
        if (saver !== engine) await saver.close();
        saver = await open().open(spec, fresh, { path, rows: covered });
        expect(saver.covered()).toBe(covered);
        // Rows that come after it: those that were gone.
        fresh.append(vector(0));
        await saver.add(covered + 1);
        const now = [...kept, 0];
        const answers = await saver.search(queries, { k: 10 });
        let hits = 0;
        for (const [at, answer] of answers.entries()) {
          expect(new Set(answer.rows).size).toBe(answer.rows.length);
          const meant = Uint32Array.from(answer.rows, (row) => now[row] ?? rows);
          const distances = Float32Array.from(meant, (row) =>
            distanceBetween(metric, query(at), vector(row)),
          );
          expectClose(answer.distances, distances);
          const wanted = new Set(truth(metric, at, now, 10).rows);
          hits += meant.filter((row) => wanted.has(row)).length;
        }
        expect(hits / (queryCount * 10)).toBeGreaterThanOrEqual(given.recallMin);
        // By the product another may be nearer to it than itself.
        if (metric !== "ip") expect(only(await saver.search(vector(0), { k: 1 })).rows[0]).toBe(covered);
        if (saver.filters) {
          const among = only(await saver.search(vector(0), { k: 9, among: setOf([1, 3, 2000, covered]) }));
          expect(among.rows.toSorted()).toEqual(Uint32Array.of(1, 3, 2000, covered));
        }
        kept = now;
      }
      await saver.close();
    });

    test("a file that cannot be written is an error, not the end", async () => {
      if (engine.save === undefined) return;
      await refusal(engine.save(join(home.path, "no", "such", "folder")));
      expect(only(await engine.search(query(0), { k: 1 })).rows.length).toBe(1);
    });
  });
}
