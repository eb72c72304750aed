/**
 * Inputs each of which ends, hangs or bloats a plain engine: here each ends in an answer or a clear error, while others get
 * all their answers, and nothing is restarted. All of them: tests/campaigns/inputs/crash-list.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startBackgroundLoad } from "../../support/campaigns/background-load.ts";
import { restarted, sendHard } from "../../support/hard-inputs/inputs.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

/** Those that hang keep a core busy for so long. The campaign gives them more. */
const timeoutMs = 2000;
const inputs = [
  "LIKE with 22 wildcards",
  "structure of deep objects",
  "50,000 fields of fields",
  "replace by a megabyte at a million places",
  "texts of a megabyte aggregated",
  "a product of a billion by a billion",
  "900,000 semicolons",
  "4,000 columns of one name",
  "20,000 groups, one in the other",
  "zstd of one line of 600 MB",
];
const callers = 16;

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(async () => {
  await product.end();
});

test(`${inputs.length} hard inputs beside ${callers} callers`, async () => {
  const others = await startBackgroundLoad(product, callers);
  for (const name of inputs) {
    const { outcome, isClear } = await sendHard(product, name, timeoutMs);
    expect([name, isClear || outcome]).toEqual([name, true]);
  }
  expect(await others.end()).toEqual([]);
  expect(others.answered()).toBeGreaterThan(0);
  expect(await restarted(product)).toEqual([]);
});
