/** How fast the console is in a real browser: the first page until it reacts, and scrolling through a million rows. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { startBrowser } from "../../support/product/browser.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

const browser = await startBrowser();
let product: Product;
let page: Page;
beforeAll(async () => {
  if (!browser) return;
  product = await startProduct();
  page = await browser.page({ viewport: { width: 1200, height: 800 } });
});
afterAll(async () => {
  await browser?.end();
  await product?.end();
});

const quantile = (values: number[], share: number): string =>
  (values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0).toFixed(1);
const tell = (what: string, values: number[]): void =>
  void process.stdout.write(
    `${what}: median ${quantile(values, 0.5)} ms, 95 % ${quantile(values, 0.95)} ms, of ${values.length}\n`,
  );

const [loads, frames, rows] = [20, 300, 1_000_000];

test.skipIf(!browser)("the first page until its scripts have run", async () => {
  await page.goto(product.url);
  const took: number[] = [];
  for (let at = 0; at < loads; at++) {
    await page.goto("about:blank");
    await page.goto(product.url);
    // Modules run before this event.
    took.push(await page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"));
  }
  tell("first page", took);
});

test.skipIf(!browser)("scrolling through a million rows", async () => {
  await page.goto(`${product.url}/sql`);
  await page.selectOption("#limit", String(rows));
  await page.click(".cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(
    `SELECT range AS id, 'name ' || range AS name, range * 1.5 AS pay, range % 7 = 0 AS flag FROM range(${rows})`,
  );
  await page.click("#run");
  await page.waitForSelector("#result .rows .line");
  // Of the page's main thread, so that a busy machine counts as little as it can.
  const debug = await page.context().newCDPSession(page);
  await debug.send("Performance.enable", { timeDomain: "threadTicks" });
  const parts = ["TaskDuration", "ScriptDuration", "RecalcStyleDuration", "LayoutDuration"] as const;
  const processor = async (): Promise<number[]> => {
    const { metrics } = await debug.send("Performance.getMetrics");
    return parts.map((part) => 1000 * (metrics.find(({ name }) => name === part)?.value ?? 0));
  };
  const before = await processor();
  // Each frame scrolls on; what the grid does for it is in the time until the next one.
  const { between, working } = (await page.evaluate(`(async () => {
    const view = document.querySelector("#result .view");
    const frame = () => new Promise(requestAnimationFrame);
    const step = view.scrollHeight / ${frames};
    const [between, working] = [[], []];
    let last = await frame();
    for (let at = 0; at < ${frames}; at++) {
      view.scrollTop += step;
      const began = performance.now();
      const now = await frame();
      working.push(performance.now() - Math.max(began, now));
      between.push(now - last);
      last = now;
    }
    return { between, working };
  })()`)) as { between: number[]; working: number[] };
  tell("from frame to frame", between);
  tell("of that, drawing rows", working);
  const took = (await processor()).map((each, at) => ((each - (before[at] ?? 0)) / frames).toFixed(2));
  const [all, script, style, layout] = took;
  process.stdout.write(
    `a frame's processor time: ${all} ms; script ${script}, style ${style}, layout ${layout}\n`,
  );
  expect(await page.locator("#result .rows .line").last().textContent()).toContain("999");
});
