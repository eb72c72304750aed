import { describe, expect, test } from "bun:test";
import { ServiceError } from "../../../../runtime/errors/errors.ts";
import { planSearch, type SearchInput } from "../../../../workers/matrixd/search/plan.ts";

const plan = (input: SearchInput, profile?: Parameters<typeof planSearch>[1]) =>
  planSearch(input, profile, 10_000);
const words = { query_text: "welder", corpora: ["a"] };
const profile = {
  name: "night",
  corpora: ["p", "q"],
  mode: "lexical",
  k: 7,
  use_playbook: true,
  weights: { vector: 0.1 },
  index: { ef: 99 },
} as const;

describe("planSearch", () => {
  test("fills the gaps", () => {
    expect(plan(words)).toMatchObject({
      mode: "hybrid",
      k: 10,
      candidates: 100,
      usePlaybook: false,
      rerank: undefined,
      timeoutMs: 10_000,
      profile: undefined,
    });
  });

  test("asks each corpus for enough rows, within the contract's bound", () => {
    expect(plan({ ...words, k: 100 }).candidates).toBe(300);
    expect(plan({ ...words, mode: "lexical" }).candidates).toBe(100);
    expect(plan({ ...words, k: 1000 }).candidates).toBe(1000);
    expect(plan({ ...words, k: 100, per_corpus_k: 5 }).candidates).toBe(5);
  });

  test("a vector alone is searched by vector", () => {
    expect(plan({ query_vector: [1, 2], corpora: ["a"] }).mode).toBe("vector");
    expect(plan({ query_vector: [1, 2] }, { ...profile, corpora: ["p"] }).mode).toBe("vector");
  });

  test("the active profile speaks when the search names no corpora", () => {
    expect(plan({ query_text: "welder" }, { ...profile, corpora: [...profile.corpora] })).toMatchObject({
      corpora: ["p", "q"],
      mode: "lexical",
      k: 7,
      usePlaybook: true,
      ef: 99,
      profile: "night",
    });
  });

  test("what the search says goes before the profile", () => {
    const given = {
      query_text: "welder",
      mode: "hybrid",
      k: 3,
      use_playbook: false,
      weights: { lexical: 0.9 },
    } as const;
    expect(plan({ ...given }, { ...profile, corpora: ["p"] })).toMatchObject({
      mode: "hybrid",
      k: 3,
      usePlaybook: false,
      weights: { vector: 0.1, lexical: 0.9 },
      profile: "night",
    });
    expect(plan(words, { ...profile, corpora: ["p"] })).toMatchObject({
      corpora: ["a"],
      k: 10,
      profile: undefined,
    });
  });

  const refused: [string, SearchInput, string, string][] = [
    ["neither text nor vector", { corpora: ["a"] }, "bad_request", "query_text, query_vector"],
    ["no corpora and no profile", { query_text: "x" }, "bad_request", "activate a profile"],
    ["white space", { ...words, query_text: " \n\t" }, "invalid_field", "query_text"],
    [
      "vector alone, lexical",
      { query_vector: [1], corpora: ["a"], mode: "lexical" },
      "invalid_field",
      "mode",
    ],
    ["vector alone, hybrid", { query_vector: [1], corpora: ["a"], mode: "hybrid" }, "invalid_field", "mode"],
    ["vector alone, rerank", { query_vector: [1], corpora: ["a"], rerank: true }, "invalid_field", "rerank"],
    ["a vector of zeros", { query_vector: [0, 0], corpora: ["a"] }, "invalid_field", "direction"],
    ["a number beyond floats", { query_vector: [1e300], corpora: ["a"] }, "invalid_field", "32-bit"],
    [
      "weights without hybrid",
      { ...words, mode: "vector", weights: { vector: 1 } },
      "invalid_field",
      "weights",
    ],
    ["weights of nothing", { ...words, weights: { vector: 0, lexical: 0 } }, "invalid_field", "both 0"],
    ["a blank sql_filter", { ...words, sql_filter: "  " }, "invalid_field", "sql_filter"],
  ];
  test.each(refused)("refuses %s", (_, input, type, text) => {
    let error: unknown;
    try {
      plan(input);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ServiceError);
    expect((error as ServiceError).type).toBe(type as ServiceError["type"]);
    expect((error as ServiceError).message).toContain(text);
  });
});
