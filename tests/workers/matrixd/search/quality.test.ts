/** Retrieval on a labelled set: that hybrid costs little, that playbooks pay. Numbers: ADR 0208. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { labelledSet } from "../../../../scripts/sample-data/make-queries.ts";
import { type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";
import { buildLabelled, measure, qualityOf, recordAnswers } from "../../../support/vectors/retrieval.ts";

const set = labelledSet({ documents: 1500, queries: 90, seed: 1 });
/** Enough where the difference is large. */
const some = { ...set, queries: set.queries.slice(0, 60) };
let stack: MatrixdStack;
beforeAll(async () => {
  stack = await startMatrixdStack();
  await buildLabelled(stack, set);
});
afterAll(() => stack.stop());

test("the measures are those of the books", () => {
  expect(qualityOf(["a", "x", "b"], ["a", "b"])).toEqual({
    recall: 1,
    ndcg: (1 + 1 / Math.log2(4)) / (1 + 1 / Math.log2(3)),
  });
  expect(qualityOf([], ["a"])).toEqual({ recall: 0, ndcg: 0 });
});

/** The queries are made up: what hybrid searches must not lose is asserted on real labels too, in retrieval.bench.ts. */
test("hybrid is no worse than either of its two", async () => {
  const [vector, lexical, hybrid] = [
    await measure(stack, some, { mode: "vector" }),
    await measure(stack, some, { mode: "lexical" }),
    await measure(stack, some, { mode: "hybrid" }),
  ];
  expect(hybrid.ndcg).toBeGreaterThan(Math.max(vector.ndcg, lexical.ndcg) - 0.005);
});

test("answers recorded for one wording help the other", async () => {
  const plain = await measure(stack, some, {}, 1);
  const before = await measure(stack, set, { use_playbook: true }, 1);
  await recordAnswers(stack, set);
  const after = await measure(stack, set, { use_playbook: true }, 1);
  expect(await measure(stack, some, {}, 1)).toEqual(plain);
  expect(after.ndcg).toBeGreaterThan(before.ndcg + 0.02);
});
