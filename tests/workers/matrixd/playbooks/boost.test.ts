/** The boost: its factors one by one, its bounds, and its scale beside reciprocal rank fusion. */
import { describe, expect, test } from "bun:test";
import {
  type BoostFacts,
  boostBecause,
  boostMax,
  boostOf,
  freshnessOf,
  hasFaded,
  misleads,
  usefulnessOf,
} from "../../../../workers/matrixd/playbooks/boost.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

const dayMs = 86_400_000;
const best: BoostFacts = {
  similarity: 1,
  leastSimilarity: 0.45,
  score: 1,
  helpful: 0,
  harmful: 0,
  ageMs: 0,
  halfLifeDays: 90,
};
const rrf = (rank: number): number => 1 / (60 + rank);

describe("usefulness", () => {
  const rows: [helpful: number, harmful: number, usefulness: number][] = [
    [0, 0, 0.5],
    [1, 0, 2 / 3],
    [5, 0, 6 / 7],
    [0, 1, 0],
    [1, 1, 0.25],
    [5, 2, 4 / 9],
    [5, 6, 0],
    [5, 60, 0],
  ];
  test.each(rows)("%d helpful, %d harmful: %d", (helpful, harmful, usefulness) => {
    expect(usefulnessOf({ helpful, harmful })).toBeCloseTo(usefulness, 10);
  });

  test("is the mean of Jeffreys' posterior, from -1 to 1", () => {
    const [helpful, harmful] = [7, 3];
    const mean = (1 + helpful + 0.5) / (1 + helpful + harmful + 1);
    expect(usefulnessOf({ helpful, harmful })).toBeCloseTo(2 * mean - 1, 10);
  });
});

describe("freshness", () => {
  test("halves with each half-life", () => {
    expect([0, 90, 180, 270].map((days) => freshnessOf(days * dayMs, 90))).toEqual([1, 0.5, 0.25, 0.125]);
  });
  test("a half-life of 0 never fades, and a clock that went back makes nothing stronger", () => {
    expect(freshnessOf(1e6 * dayMs, 0)).toBe(1);
    expect(freshnessOf(-5 * dayMs, 90)).toBe(1);
  });
  test("has faded after five half-lives", () => {
    expect(hasFaded(450 * dayMs, 90)).toBe(false);
    expect(hasFaded(451 * dayMs, 90)).toBe(true);
    expect(boostOf({ ...best, ageMs: 451 * dayMs })).toBe(0);
  });
});

describe("boost", () => {
  test("is between 0 and its maximum, whatever comes", () => {
    const random = seeded(7);
    for (let at = 0; at < 5000; at++) {
      const facts = {
        similarity: random() * 2.4 - 1.2,
        leastSimilarity: random() < 0.1 ? 1 : random(),
        score: random(),
        helpful: Math.floor(random() * 1e6 ** random()),
        harmful: Math.floor(random() * 1e6 ** random()),
        ageMs: random() * 1000 * dayMs,
        halfLifeDays: Math.floor(random() * 200),
      };
      const boost = boostOf(facts);
      expect(boost >= 0 && boost <= boostMax).toBe(true);
    }
  });

  test("grows with similarity, score and help; shrinks with harm and age", () => {
    const base = { ...best, similarity: 0.6, score: 0.8, helpful: 2, harmful: 1, ageMs: 30 * dayMs };
    const boost = boostOf(base);
    expect(boostOf({ ...base, similarity: 0.7 })).toBeGreaterThan(boost);
    expect(boostOf({ ...base, score: 0.9 })).toBeGreaterThan(boost);
    expect(boostOf({ ...base, helpful: 3 })).toBeGreaterThan(boost);
    expect(boostOf({ ...base, harmful: 2 })).toBeLessThan(boost);
    expect(boostOf({ ...base, ageMs: 31 * dayMs })).toBeLessThan(boost);
  });

  test("lifts a row from rank 20 of both lists to the top for a paraphrase nobody judged", () => {
    expect(2 * rrf(20) + boostOf({ ...best, similarity: 0.6 })).toBeGreaterThan(2 * rrf(1));
  });
  test("lifts a row from rank 20 of one list to the top once it helped twice", () => {
    expect(rrf(20) + boostOf({ ...best, similarity: 0.75, helpful: 2 })).toBeGreaterThan(2 * rrf(1));
  });
  test("brings an answer that no list has to the top for the same question", () => {
    expect(boostOf(best)).toBeGreaterThan(2 * rrf(1));
  });
  test("begins at nothing where similarity begins to count", () => {
    expect(boostOf({ ...best, similarity: 0.45 })).toBe(0);
    expect(boostOf({ ...best, similarity: 0.725 })).toBeCloseTo(boostOf(best) / 2, 12);
  });
  test("does not let a weak memory beat a good row", () => {
    expect(boostOf({ ...best, similarity: 0.45, score: 0.5 })).toBeLessThan(rrf(20));
    expect(boostMax).toBeLessThan(5 * rrf(1));
  });

  test("the sentence has the numbers", () => {
    const because = boostBecause({
      ...best,
      similarity: 0.615,
      score: 0.9,
      helpful: 2,
      harmful: 1,
      ageMs: 12 * dayMs,
    });
    for (const part of ["0.615", "0.90", "2 helpful, 1 harmful", "12 days", "0.0667"])
      expect(because).toContain(part);
  });
});

test("misleads from three harmful voices on, when those for it are fewer", () => {
  expect(misleads({ helpful: 0, harmful: 2 })).toBe(false);
  expect(misleads({ helpful: 0, harmful: 3 })).toBe(true);
  expect(misleads({ helpful: 3, harmful: 3 })).toBe(false);
  expect(misleads({ helpful: 3, harmful: 4 })).toBe(true);
});
