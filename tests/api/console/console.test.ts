/** The console in a real browser: what a person does on each page, and what they see. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { startBrowser } from "../../support/product/browser.ts";
import { startProduct } from "../../support/product/product.ts";

const browser = await startBrowser();
const product = browser && (await startProduct());
const page = (await browser?.page({ viewport: { width: 1200, height: 800 } })) as Page;
const at = (path: string) => `${product?.url}${path}`;

afterAll(async () => {
  await browser?.end();
  await product?.end();
});
/** No page may complain, whatever was done on it. */
afterEach(() => expect(browser?.faults() ?? []).toEqual([]));

describe.skipIf(!browser)("the console", () => {
  test("a newcomer loads the sample, and sees its columns and rows", async () => {
    await page.goto(at("/"));
    await page.click("text=Load the sample");
    await page.waitForURL("**/datasets/workers");
    await page.waitForSelector("meter");
    await page.waitForSelector(".rows .line");
    expect(await page.textContent(".stats")).toContain("30");
    expect(await page.textContent(".rows .line")).toContain("Forklift operator");
  });
});
