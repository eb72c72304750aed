/** Which objects become one: runs of neighbours, the least first, and a list that stays short however many appends there are. */
import { expect, test } from "bun:test";
import { planRuns, runObjectsMax } from "../../../../workers/ingestd/compaction/plan.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

const rules = { targetBytes: 1000, minObjects: 4 };
const big = 2000;

test("runs are of small neighbours, at least so many, and no object becomes too large", () => {
  const rows: [sizes: number[], runs: [at: number, count: number][]][] = [
    [[], []],
    [[1, 1, 1], []],
    [[1, 1, 1, 1], [[0, 4]]],
    [[big, 1, 1, 1, 1, big, 1, 1], [[1, 4]]],
    [
      [1, 1, 1, 1, 1, Number.POSITIVE_INFINITY, 1, 1, 1, 1],
      [
        [0, 5],
        [6, 4],
      ],
    ],
    // One that outweighs the others is left, and what stands on each side of it merged.
    [[900, 1, 1, 1, 1, 900], [[1, 4]]],
    [
      [1, 1, 1, 1, 90, 2, 2, 2, 2],
      [
        [0, 4],
        [5, 4],
      ],
    ],
    [[1, 1, 1, 90, 2, 2, 2], []],
    [
      [300, 300, 300, 300, 300, 300, 300, 300],
      [
        [0, 3],
        [3, 3],
        [6, 2],
      ],
    ],
    [[700, 700, 700, 700], []],
    [
      [200, 200, 200, 200, 200, 200, 200, 200, 200],
      [
        [0, 5],
        [5, 4],
      ],
    ],
    [[1000, 1000, 1000, 1000], []],
  ];
  for (const [sizes, expected] of rows)
    expect(planRuns(sizes, rules).map(({ at, count }) => [at, count])).toEqual(expected as never);
  expect(planRuns(Array(1000).fill(1), rules).map(({ count }) => count)).toEqual([256, 256, 256, 232]);
  expect(runObjectsMax).toBe(256);
});

test("10,000 objects that cannot be merged are planned at once", () => {
  expect(planRuns(Array(10_000).fill(600), rules)).toEqual([]);
});

test("10,000 appends leave few objects, and write each byte a few times", () => {
  for (const size of [() => 1000, seededSizes(3)]) {
    let sizes: number[] = [];
    let written = 0;
    let appended = 0;
    let most = 0;
    const rules = { targetBytes: 128 * 1024 * 1024, minObjects: 32 };
    for (let at = 0; at < 10_000; at++) {
      const bytes = size();
      sizes.push(bytes);
      appended += bytes;
      for (let [run] = planRuns(sizes, rules); run; [run] = planRuns(sizes, rules)) {
        written += run.bytes;
        sizes = [...sizes.slice(0, run.at), run.bytes, ...sizes.slice(run.at + run.count)];
      }
      most = Math.max(most, sizes.length);
    }
    expect(most).toBeLessThan(4 * 32 + appended / (64 * 1024 * 1024) + 1);
    expect(written / appended).toBeLessThan(10);
  }
});

/** Mostly small, some of megabytes. */
const seededSizes = (seed: number) => {
  const random = seeded(seed);
  return () => Math.ceil(10 ** (2 + 4.5 * random()));
};
