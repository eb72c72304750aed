/**
 * The pictures of docs/console/, taken anew: `bun tests/campaigns/upkeep/screenshots.ts [folder]`. The same data and size
 * each time; whoever changes a page looks at what has changed.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { startBrowser } from "../../support/product/browser.ts";
import { startProduct } from "../../support/product/product.ts";

const root = join(import.meta.dir, "../../..");
const folder = process.argv[2] ?? join(root, "docs/console");
const bytesMax = 150_000;
const order = "2 forklift operators near Chicago, OSHA 10, under $30";
const traceId = "0af7651916cd43dd8448eb211c80319c";

const browser = await startBrowser();
if (!browser) throw new Error("expected chromium");
const product = await startProduct();
const post = async (path: string, body: unknown): Promise<string> => {
  const isText = typeof body === "string";
  const response = await fetch(product.url + path, {
    method: "POST",
    headers: isText ? {} : { "content-type": "application/json" },
    body: isText ? body : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status} ${text}`);
  return text;
};

const csv = readFileSync(join(root, "api/console/home/workers.csv"), "utf8");
await post("/v1/ingest?name=workers", csv);
// A second version, with one worker more.
await post(
  "/v1/ingest?name=workers&mode=append",
  csv.split("\n").slice(0, 2).join("\n").replace("1,Ann", "31,Cy"),
);
const built = await post("/v1/matrix/corpora", {
  ...{ name: "workers", dataset: "workers", id_column: "worker_id" },
  text_columns: ["role", "skills", "certificate"],
  metadata_columns: ["name", "city", "hourly_rate"],
});
await fetch(`${product.url}/v1/matrix/jobs/${JSON.parse(built).job_id}/events`).then((events) =>
  events.text(),
);
await post("/v1/pathway/add", { uid: "note-1", content: { met: "Zoe Quill" } });
const spans = ["find candidates", "search", "ask a model", "write"].map((name, at) => ({
  ...{ traceId, spanId: `00000000000000a${at}`, name },
  ...(at > 0 && { parentSpanId: "00000000000000a0" }),
  startTimeUnixNano: String((1_790_000_000n * 1000n + BigInt(at * 700)) * 1_000_000n),
  endTimeUnixNano: String((1_790_000_000n * 1000n + BigInt(at === 0 ? 3200 : at * 700 + 900)) * 1_000_000n),
}));
await post("/v1/observer/otlp/v1/traces", { resourceSpans: [{ scopeSpans: [{ spans }] }] });

const page = await browser.page({ viewport: { width: 1200, height: 800 } });
const settled = () =>
  page.waitForFunction(
    () => !document.querySelector(".htmx-request, [hx-trigger=load]:not([data-loaded]), .grid > .empty"),
  );
const onMap = async (on: Page) => {
  await on.waitForSelector("#result .line .number");
  await on.selectOption("#chart-kind", "map");
  await on.waitForSelector(".uplot canvas");
};
const statement = encodeURIComponent("SELECT name, city, latitude, longitude FROM workers");
const pictures: [name: string, path: string, work?: (on: Page) => Promise<unknown>][] = [
  ["home", "/"],
  ["dataset", "/datasets/workers"],
  [
    "upload",
    "/upload",
    async (on) => {
      await on.setInputFiles("#files", join(root, "api/console/home/workers.csv"));
      await on.waitForSelector("form button.primary");
    },
  ],
  ["sql", `/sql#sql=${statement}&run`, onMap],
  ["search", "/search?corpus=workers&q=night+shifts"],
  [
    "picture",
    "/search?corpus=workers",
    async (on) => {
      await on.click("summary >> text=A picture of it");
      await on.waitForSelector("svg.picture circle");
      await on.selectOption("select[name=colour]", "city");
      await on.waitForSelector("#picture .row");
    },
  ],
  ["copilot", `/copilot?order=${encodeURIComponent(order)}`],
  ["run", `/operations/${traceId}`],
  [
    "erasures",
    "/erasures",
    async (on) => {
      for (const [field, text] of Object.entries({
        subject: "Zoe Quill",
        who: "the data officer",
        why: "case 12",
      }))
        await on.fill(`input[name=${field}]`, text);
      await on.click("form button.primary");
      await on.waitForSelector("#report .note");
    },
  ],
  ["system", "/system"],
];
for (const [name, path, work] of pictures) {
  await page.goto(product.url + path);
  await settled();
  await work?.(page);
  const file = join(folder, `${name}.png`);
  await page.screenshot({ path: file });
  const { size } = statSync(file);
  process.stdout.write(`${file}: ${size} bytes${size > bytesMax ? `, at most ${bytesMax}` : ""}\n`);
}
await browser.end();
await product.end();
