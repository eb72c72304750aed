/** What templates read in a job order. */
import { describe, expect, test } from "bun:test";
import {
  inWords,
  type Known,
  meets,
  type Requirement,
  readOrder,
} from "../../../api/console/copilot/job-order.ts";

const columns: Known[] = [
  { name: "city", type: "VARCHAR", values: ["Chicago", "Gary"] },
  { name: "role", type: "VARCHAR", values: ["Forklift operator", "Welder"] },
  { name: "skills", type: "VARCHAR", values: ["forklift, pallet jack", "MIG, C++"] },
  { name: "hourly_rate", type: "DECIMAL(18,2)", values: [] },
  { name: "years", type: "BIGINT", values: [] },
  { name: "available_from", type: "DATE", values: [] },
];

describe("a job order", () => {
  test.each([
    {
      order: "2 forklift operators near Chicago",
      wanted: 2,
      asks: ["city: Chicago", "role: Forklift operator"],
    },
    { order: "three welders, MIG", wanted: 3, asks: ["role: Welder", "skills: MIG"] },
    { order: "C++ (senior)", wanted: undefined, asks: ["skills: C++"] },
    { order: "welder under $30.50", wanted: undefined, asks: ["hourly_rate at most 30.5", "role: Welder"] },
    { order: "at most 5 years", wanted: undefined, asks: ["years at least 5"] },
    { order: "10 years of welding", wanted: undefined, asks: ["years at least 10"] },
    { order: "from 2026-12-15", wanted: undefined, asks: ["available_from by 2026-12-15"] },
    { order: "within 10 miles of Gary", wanted: undefined, asks: ["within 16 km of Gary"] },
    { order: "within 20 km of Gary", wanted: undefined, asks: ["within 20 km of Gary"] },
    { order: "garyish welderful people", wanted: undefined, asks: [] },
    { order: "(((", wanted: undefined, asks: [] },
  ])("$order", ({ order, wanted, asks }) => {
    const read = readOrder(order, columns);
    expect(read.wanted).toBe(wanted);
    expect(read.requirements.map(inWords).sort()).toEqual([...asks].sort());
  });

  const row = { city: "Chicago", hourly_rate: "30.00", years: "4", available_from: "2026-12-01", skills: "" };
  test.each([
    [{ kind: "value", column: "city", value: "chicago" }, true],
    [{ kind: "value", column: "city", value: "Gary" }, false],
    [{ kind: "value", column: "skills", value: "MIG" }, undefined],
    [{ kind: "most", column: "hourly_rate", limit: 30 }, true],
    [{ kind: "least", column: "years", limit: 5 }, false],
    [{ kind: "until", column: "available_from", date: "2026-11-30" }, false],
    [{ kind: "near", column: "city", value: "Chicago", km: 10 }, true],
  ] as [Requirement, boolean | undefined][])("%j is met: %p", (requirement, met) => {
    expect(meets(requirement, row, 9)).toBe(met as boolean);
  });
});
