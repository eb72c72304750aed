/** A slice of the campaign in which writers commit to one open table while the product is killed. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";

test("a slice of the campaign of writers to one table", async () => {
  const writers = ["--writers=4", "--ours=2", "--changers=2", "--commits=3"];
  const words = ["--count=1", ...writers, "--kills=1", "--seed=3"];
  expect((await slice("kills/tables.ts", ...words)).acknowledged).toBe(12);
});
