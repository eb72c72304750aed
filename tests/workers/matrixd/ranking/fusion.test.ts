import { describe, expect, test } from "bun:test";
import { fuse, fusedMax, type Scored, worthOf } from "../../../../workers/matrixd/ranking/fusion.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

const list = (...items: string[]): Scored<string>[] => items.map((item, at) => ({ item, score: 100 - at }));
const order = (fused: Map<string, number>): string[] =>
  [...fused].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([item]) => item);

describe("fuse", () => {
  test("is the formula of the paper: the sum of 1 / (60 + rank)", () => {
    const fused = fuse([
      { weight: 1, lists: [list("a", "b", "c")] },
      { weight: 1, lists: [list("b", "c", "d")] },
    ]);
    expect(fused.get("a")).toBeCloseTo(1 / 61, 12);
    expect(fused.get("b")).toBeCloseTo(1 / 62 + 1 / 61, 12);
    expect(fused.get("c")).toBeCloseTo(1 / 63 + 1 / 62, 12);
    expect(fused.get("d")).toBeCloseTo(1 / 63, 12);
  });

  test("first in every ranking is worth the most there is, with any weights and any number of rankings", () => {
    for (const weights of [[1], [0.2, 0.9], [0.5, 0.5], [0, 1]]) {
      const fused = fuse(weights.map((weight) => ({ weight, lists: [list("a", "b")] })));
      expect(fused.get("a")).toBeCloseTo(fusedMax, 12);
      expect(fused.get("b")).toBeCloseTo(worthOf(2), 12);
    }
  });

  test("weights move the balance, and a weight of 0 silences a ranking", () => {
    const [one, two] = [[list("a", "b")], [list("b", "a")]];
    const heavy = fuse([
      { weight: 0.9, lists: one },
      { weight: 0.1, lists: two },
    ]);
    expect(order(heavy)).toEqual(["a", "b"]);
    const silent = fuse([
      { weight: 0, lists: one },
      { weight: 1, lists: two },
    ]);
    expect(order(silent)).toEqual(["b", "a"]);
  });

  test("equal scores share the better rank, and the next one counts on", () => {
    const fused = fuse([
      {
        weight: 1,
        lists: [
          [
            { item: "a", score: 3 },
            { item: "b", score: 3 },
            { item: "c", score: 1 },
          ],
        ],
      },
    ]);
    expect(fused.get("a")).toBe(fused.get("b") as number);
    expect(fused.get("c")).toBeCloseTo(worthOf(3), 12);
  });

  test("lists whose scores cannot be compared each have their own first place", () => {
    const fused = fuse([{ weight: 1, lists: [list("a", "b"), list("x", "y")] }]);
    expect(fused.get("a")).toBe(fused.get("x") as number);
    expect(fused.get("b")).toBe(fused.get("y") as number);
  });

  test("only the order of scores counts, not the order they come in nor their size", () => {
    const random = seeded(7);
    for (let round = 0; round < 50; round++) {
      const scores = Array.from({ length: 30 }, (_, at) => ({ item: `${at}`, score: random() }));
      const mixed = scores.toSorted((a, b) => ((a.score * 7919) % 1) - ((b.score * 7919) % 1));
      const larger = scores.map(({ item, score }) => ({ item, score: Math.exp(score * 5) }));
      const fused = order(fuse([{ weight: 1, lists: [scores] }]));
      expect(order(fuse([{ weight: 1, lists: [mixed] }]))).toEqual(fused);
      expect(order(fuse([{ weight: 3, lists: [larger] }]))).toEqual(fused);
    }
  });

  test("nothing gives nothing", () => {
    expect(fuse([{ weight: 1, lists: [] }]).size).toBe(0);
    expect(fuse([{ weight: 1, lists: [[]] }]).size).toBe(0);
  });
});
