import { describe, expect, test } from "bun:test";
import { rerank, termsOf } from "../../../../workers/matrixd/ranking/rerank.ts";
import { processorMs } from "../../../support/product/processor-time.ts";

const documents = (...texts: string[]) => texts.map((text) => ({ text, metadata: {} }));
const ranks = (query: string, ...texts: string[]): string[] =>
  rerank(query, documents(...texts))
    .map(({ rerank }, at) => ({ rerank, text: texts[at] ?? "" }))
    .sort((a, b) => b.rerank - a.rerank)
    .map(({ text }) => text);

describe("rerank", () => {
  test("a row with more of the query's terms comes before one with fewer", () => {
    const [first] = ranks(
      "forklift operator chicago",
      "forklift operator in Chicago",
      "forklift driver",
      "nurse",
    );
    expect(first).toBe("forklift operator in Chicago");
  });

  test("a rare term counts more than one that all candidates have", () => {
    const looks = rerank(
      "certified welder",
      documents("certified nurse", "certified clerk", "welder", "certified"),
    );
    const [nurse, , welder] = looks;
    expect(welder?.coverage).toBeGreaterThan(nurse?.coverage ?? 1);
  });

  test("terms that stand together come before terms far apart", () => {
    const far = `night ${"word ".repeat(30)} shift`;
    const [near, apart] = rerank("night shift", documents("the night shift of a nurse", far));
    expect(near?.proximity).toBe(1);
    expect(apart?.proximity).toBeCloseTo(2 / 32, 6);
    expect(near?.coverage).toBe(apart?.coverage as number);
    expect(near?.rerank).toBeGreaterThan(apart?.rerank ?? 1);
  });

  test("what a column says counts more than what a note mentions", () => {
    const [column, note] = rerank("welder chicago", [
      { text: "welder, Chicago", metadata: { city: "Chicago", role: "Welder" } },
      { text: "welder, once in Chicago", metadata: { city: "Boston", role: "Nurse" } },
    ]);
    expect(column?.metadata).toBe(1);
    expect(note?.metadata).toBe(0);
    expect(column?.rerank).toBeGreaterThan(note?.rerank ?? 1);
  });

  test("inflections and slips of the pen count in part, numbers do not", () => {
    const [exact, plural, slip, other] = rerank(
      "electrician",
      documents("electrician", "electricians", "electrican", "nurse"),
    );
    expect(exact?.coverage).toBeCloseTo(1, 12);
    for (const partly of [plural, slip]) {
      expect(partly?.coverage).toBeGreaterThan(0.5);
      expect(partly?.coverage).toBeLessThan(1);
    }
    expect(other?.coverage).toBe(0);
    const [ten, hundred] = rerank("10", documents("10", "100"));
    expect([ten?.coverage, hundred?.coverage]).toEqual([1, 0]);
  });

  test("every part is between 0 and 1, and the same at each call", () => {
    const texts = documents(
      "",
      "!!!",
      "a the of",
      "forklift ".repeat(20_000),
      "Ünïcödé straße",
      "forklift c++",
    );
    const query = "forklift forklift C++ straße the of ünïcödé";
    const looks = rerank(query, texts);
    for (const look of looks)
      for (const part of Object.values(look)) {
        expect(part).toBeGreaterThanOrEqual(0);
        expect(part).toBeLessThanOrEqual(1);
      }
    expect(rerank(query, texts)).toEqual(looks);
    expect(rerank(query, [])).toEqual([]);
  });

  test("a row of 200,000 words is read in part, and quickly", async () => {
    const long = Array.from({ length: 200_000 }, (_, at) => `word${at % 5000}`).join(" ");
    const text = "welder with night shift near chicago and a forklift licence";
    expect(await processorMs(() => rerank(text, documents(long)))).toBeLessThan(2000);
  });
});

describe("termsOf", () => {
  test("leaves function words out, unless there are no others", () => {
    expect(termsOf("We need someone for the night shift")).toEqual(["night", "shift"]);
    expect(termsOf("who is it")).toEqual(["who", "is", "it"]);
    expect(termsOf("!!!")).toEqual([]);
  });

  test("keeps signs that belong to a name, and each term once", () => {
    expect(termsOf("C++ c++ C# C")).toEqual(["c++", "c#", "c"]);
  });
});
