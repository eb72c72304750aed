import { describe, expect, test } from "bun:test";
import {
  byDistance,
  byPlace,
  byWords,
  weightsOf,
  worthOf,
} from "../../../../workers/matrixd/ranking/fusion.ts";

const scored = (scores: Record<string, number>) =>
  Object.entries(scores).map(([item, score]) => ({ item, score }));

describe("cosines", () => {
  test("are spread from the last to the best, whatever their size", () => {
    expect(Object.fromEntries(byDistance(scored({ a: 0.9, b: 0.8, c: 0.7 })))).toEqual({
      a: 1,
      b: expect.closeTo(0.5, 12),
      c: 0,
    });
    expect(byDistance(scored({ a: 0.09, b: 0.08, c: 0.07 })).get("b")).toBeCloseTo(0.5, 12);
    expect(byDistance(scored({ a: -0.2, b: -0.4 })).get("a")).toBe(1);
  });

  test("that are all alike are all the best", () => {
    expect([...byDistance(scored({ a: 0.3, b: 0.3 })).values()]).toEqual([1, 1]);
    expect(byDistance([]).size).toBe(0);
  });
});

describe("words", () => {
  test("count from none to the best", () => {
    expect(Object.fromEntries(byWords(scored({ a: 8, b: 6, c: 0 })))).toEqual({ a: 1, b: 0.75, c: 0 });
    expect(byWords([]).size).toBe(0);
  });

  test("that stand in so many rows that BM25 gives them nothing are all alike", () => {
    expect([...byWords(scored({ a: 0, b: 0 })).values()]).toEqual([1, 1]);
  });
});

describe("weights", () => {
  test("are those of the corpus's model, a sentence model's vectors before all", () => {
    const share = (model: string) => weightsOf(model, undefined).vector;
    expect(share("onnx/minilm")).toBeGreaterThan(share("local-2"));
    expect(share("local-2")).toBeGreaterThan(share("lexical"));
  });

  test("are what a search says, each by itself", () => {
    expect(weightsOf("local-2", { vector: 0 })).toEqual({ ...weightsOf("local-2", undefined), vector: 0 });
  });
});

test("equal scores share the better place, and the next one counts on", () => {
  const worths = byPlace(scored({ a: 3, b: 3, c: 1 }));
  expect(worths.get("a")).toBe(worthOf(1));
  expect(worths.get("b")).toBe(worthOf(1));
  expect(worths.get("c")).toBe(worthOf(3));
});
