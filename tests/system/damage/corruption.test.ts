/** Damaged files are named by the whole product, or harm nothing: a slice of `bun tests/campaigns/faults/corruption.ts`. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";

test("what is damaged is named, and the rest is served", async () => {
  const kinds = ["data object", "index segment", "words of a corpus", "object of somebody's"];
  const words = ["--damage", "flip", "--only", kinds.join(","), "--seed", "7"];
  expect(await slice("faults/corruption.ts", ...words)).toMatchObject({ tried: kinds.length });
});
