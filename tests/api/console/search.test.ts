/** What the search page decides: where points stand, and what its fields ask. */
import { describe, expect, test } from "bun:test";
import { conditionsOf } from "../../../api/console/search/filters.tsx";
import { project } from "../../../api/console/search/projection.ts";

describe("vectors in a plane", () => {
  test("the two directions in which they differ most, and how much that is of all", () => {
    const { points, share } = project([
      [0, 10, 0, 5],
      [0, -10, 0, 5],
      [3, 0, 0, 5],
      [-3, 0, 1, 5],
    ]);
    const [a, b, c, d] = points.map(([x, y]) => [Math.round(Math.abs(x)), Math.round(Math.abs(y))]);
    expect([a, b, c, d]).toEqual([
      [10, 0],
      [10, 0],
      [0, 3],
      [0, 3],
    ]);
    expect(share).toBeCloseTo(218 / 218.75, 2);
  });
  test.each([
    { name: "one vector", vectors: [[1, 2, 3]] },
    {
      name: "vectors that are all the same",
      vectors: [
        [1, 2],
        [1, 2],
        [1, 2],
      ],
    },
    { name: "vectors of one number", vectors: [[1], [2]] },
  ])("$name gives points that are numbers", ({ vectors }) => {
    const { points, share } = project(vectors);
    expect(points).toHaveLength(vectors.length);
    expect(points.flat().every(Number.isFinite)).toBeTrue();
    expect(share).toBeCloseTo(1);
  });
});

describe("fields as SQL", () => {
  test.each<{ asked: string; sql: string[] }>([
    { asked: "f.is.city=Gary", sql: [`CAST("city" AS VARCHAR) = 'Gary'`] },
    { asked: "f.is.city=O'Fallon", sql: [`CAST("city" AS VARCHAR) = 'O''Fallon'`] },
    { asked: "f.min.rate=20&f.max.rate=30.5", sql: [`"rate" >= 20`, `"rate" <= 30.5`] },
    { asked: "f.min.rate=1 OR true", sql: [] },
    { asked: "f.is.secret=1", sql: [] },
    { asked: "f.is.city=&f.min.rate=", sql: [] },
    { asked: `f.is.a"b=1`, sql: [`CAST("a""b" AS VARCHAR) = '1'`] },
  ])("$asked", ({ asked, sql }) => {
    expect(conditionsOf(["city", "rate", 'a"b'], new URLSearchParams(asked))).toEqual(sql);
  });
});
