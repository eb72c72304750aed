import { describe, expect, test } from "bun:test";
import { scoreOf, weightsOf } from "../../../../runtime/ranking/parts.ts";
import { byDistance, byPlace, worthOf } from "../../../../workers/matrixd/ranking/fusion.ts";

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

describe("the parts of a hybrid score", () => {
  const even = { vector: 1, lexical: 1 };
  const parts = { vector: 0.6, spelling: 0.3, words: 0 };

  test("are summed by their weights, spelling twice what words count", () => {
    expect(scoreOf(parts, even)).toBeCloseTo((0.6 + (2 / 3) * 0.3) / 2, 12);
    expect(scoreOf({ ...parts, words: 0.3 }, even)).toBeCloseTo((0.6 + 0.3) / 2, 12);
    expect(scoreOf(parts, { vector: 0.5, lexical: 0 })).toBeCloseTo(0.6, 12);
    expect(scoreOf(parts, { vector: 0, lexical: 2 })).toBeCloseTo(0.2, 12);
  });

  test("have the nearest sentence beside the whole text, where it was looked at", () => {
    expect(scoreOf({ ...parts, sentence: 0.8 }, { vector: 1, lexical: 0 })).toBeCloseTo(0.7, 12);
  });

  test("that found nothing good do not outvote one that did", () => {
    const known = scoreOf({ vector: 0.7, spelling: 0.02, words: 0.01 }, even);
    const guessed = scoreOf({ vector: 0.2, spelling: 0.08, words: 0.1 }, even);
    expect(known).toBeGreaterThan(guessed);
  });
});

describe("weights", () => {
  test("are those of the corpus's model, a sentence model's vectors before all", () => {
    const share = (model: string) => weightsOf(model, undefined).vector;
    expect(share("onnx/minilm")).toBeGreaterThan(share("local-3"));
    expect(share("local-3")).toBeGreaterThan(share("lexical"));
  });

  test("are what a search says, each by itself", () => {
    expect(weightsOf("local-3", { vector: 0 })).toEqual({ ...weightsOf("local-3", undefined), vector: 0 });
  });
});

test("equal scores share the better place, and the next one counts on", () => {
  const worths = byPlace(scored({ a: 3, b: 3, c: 1 }));
  expect(worths.get("a")).toBe(worthOf(1));
  expect(worths.get("b")).toBe(worthOf(1));
  expect(worths.get("c")).toBe(worthOf(3));
});
