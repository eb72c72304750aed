/** A slice of the campaign in which writers commit to one open table while the product is killed. */
import { expect, test } from "bun:test";
import { slice } from "../../support/campaigns/slice.ts";

test("a slice of the campaign of writers to one table", async () => {
  const words = ["--count=1", "--writers=4", "--commits=4", "--kills=1", "--seed=3"];
  expect((await slice("kills/tables.ts", ...words)).acknowledged).toBe(16);
});
