import { describe, expect, test } from "bun:test";
import { filterAmong, listedMax, planAmong, rowSet } from "../../../../workers/matrixd/search/row-set.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

describe("rowSet", () => {
  test("knows its numbers and no others", () => {
    const random = seeded(3);
    for (let round = 0; round < 30; round++) {
      const numbers = Array.from({ length: 200 }, () => Math.floor(random() * 500));
      const [set, plain] = [rowSet(numbers), new Set(numbers)];
      expect(set.numbers).toEqual([...plain].sort((a, b) => a - b));
      for (let number = -1; number <= 501; number++) expect(set.has(number)).toBe(plain.has(number));
    }
    expect(rowSet([]).has(0)).toBe(false);
  });
});

describe("planAmong", () => {
  test("a rare set is listed, a common one is waited for", () => {
    expect(planAmong(10, 100_000, 50, 10_000).kind).toBe("filter");
    expect(planAmong(5000, 1_000_000, 50, 10_000).kind).toBe("filter");
    expect(planAmong(90_000, 100_000, 50, 10_000)).toEqual({ kind: "overfetch", ask: 134 });
  });
  test("never asks for more than may be asked", () => {
    for (const size of [1, 1999, 2001, 30_000, 99_999, 1_000_000]) {
      const plan = planAmong(size, 1_000_000, 1000, 10_000);
      if (plan.kind === "overfetch") expect(plan.ask).toBeLessThanOrEqual(10_000);
    }
  });
});

describe("filterAmong", () => {
  test("one list, together with another filter", () => {
    const set = rowSet([3, 1]);
    expect(filterAmong(set, "r", undefined)).toEqual({ r: { in: [1, 3] } });
    expect(filterAmong(set, "r", {})).toEqual({ r: { in: [1, 3] } });
    expect(filterAmong(set, "r", { state: "IL" })).toEqual({ and: [{ state: "IL" }, { r: { in: [1, 3] } }] });
  });
  test("more lists where one would be too long", () => {
    const set = rowSet(Array.from({ length: listedMax + 1 }, (_, at) => at));
    const { or } = filterAmong(set, "r", undefined) as { or: { r: { in: number[] } }[] };
    expect(or.map(({ r }) => r.in.length)).toEqual([listedMax, 1]);
  });
});
