/** The console in a real browser: what a person does on each page, and what they see. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { startBrowser } from "../../support/product/browser.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { type ModelServer, startModelServer } from "../../support/stacks/chatd.ts";

const browser = await startBrowser();
const folder = mkdtempSync(join(tmpdir(), "lakehouse-console-"));
const config = join(folder, "lakehouse.toml");
let product: Product;
let models: ModelServer;
let page: Page;
const at = (path: string) => `${product.url}${path}`;
const wide = { viewport: { width: 1200, height: 800 } };

beforeAll(async () => {
  if (!browser) return;
  models = await startModelServer();
  const local = `{ kind = "openai", base_url = "${models.url}/v1", needs_key = false }`;
  writeFileSync(config, "");
  product = await startProduct({
    flags: ["--config", config],
    env: { LH_GATEWAY_BACKUP_DIR: join(folder, hostile), LH_PROVIDERS: `{ local = ${local} }` },
  });
  page = await browser.page({ ...wide, permissions: ["clipboard-read", "clipboard-write"] });
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await browser?.end();
  await product?.end();
  await models?.stop();
});
/** No page may complain, whatever was done on it; what the product logged says why one did. */
afterEach(() => {
  const faults = browser?.faults() ?? [];
  const logged = product
    ?.log()
    .split("\n")
    .filter((line) => line.includes('"level":"error"'));
  expect(faults.length === 0 ? [] : [...faults, ...(logged ?? [])]).toEqual([]);
});

const api = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> => {
  const response = await fetch(at(path), {
    method,
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} ${response.status} ${text}`);
  return JSON.parse(text);
};

/** A statement in the editor of a window, run. */
async function runs(statement: string, on: Page = page): Promise<void> {
  await on.goto("about:blank");
  await on.goto(at(`/sql#sql=${encodeURIComponent(statement)}`));
  await on.waitForFunction((text) => document.querySelector(".cm-content")?.textContent === text, statement);
  await on.click("#run");
}

const traceId = "0af7651916cd43dd8448eb211c80319c";
const pages = [
  "/",
  "/datasets",
  "/datasets/workers",
  "/upload",
  "/sql",
  "/search?corpus=workers&q=night+shifts",
  "/chat",
  "/copilot?order=2+forklift+operators+in+Chicago",
  "/memory",
  "/memory/note-1",
  "/operations",
  `/operations/${traceId}`,
  "/erasures",
  "/system",
];

/** Shown as text wherever it is shown: as an element it would be found, and would leave its mark on the window. */
const hostile = `"><img src=x class=hostile onerror="window.hacked=1"><script>window.hacked=1</script>'`;
/** What rules alone do not decide. */
const unsure = {
  task: "Who is the forklift operator in Chicago?",
  output: "The forklift operator in Chicago is John Smith.",
};
/** Three spans, each below the one before it. */
const spans = {
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: ["agent", "chat", hostile].map((name, at) => ({
            traceId,
            spanId: `00000000000000a${at}`,
            ...(at > 0 && { parentSpanId: `00000000000000a${at - 1}` }),
            name,
            startTimeUnixNano: String((1_790_000_000n + BigInt(at)) * 1_000_000_000n),
            endTimeUnixNano: String((1_790_000_003n + BigInt(at === 2 ? 1 : 0)) * 1_000_000_000n),
            ...(at === 2 && { status: { code: 2, message: hostile } }),
          })),
        },
      ],
    },
  ],
};
/** Nothing that the page asks for is still on its way. */
const settled = () =>
  page.waitForFunction(
    () =>
      document.readyState === "complete" &&
      !document.querySelector(".htmx-request, [hx-trigger=load]:not([data-loaded]), .grid > .empty"),
  );
const harmless = async () => {
  expect(await page.locator(".hostile").count()).toBe(0);
  expect(await page.evaluate("window.hacked")).toBeUndefined();
};

describe.skipIf(!browser)("the console", () => {
  test("where nothing is yet, every page says so", async () => {
    for (const path of pages.filter((each) => !/note-1|workers$|operations\/\w/.test(each))) {
      await page.goto(at(path));
      await settled();
      const main = await page.textContent("main");
      expect([path, main]).toEqual([path, expect.not.stringMatching(/undefined|NaN|\[object/)]);
      expect([path, await page.locator("main [role=alert]:not(:empty)").count()]).toEqual([path, 0]);
    }
  });

  test("whoever is new loads a file, draws it and finds a candidate with twelve clicks at most", async () => {
    let clicks = 0;
    const click = async (what: string) => {
      clicks++;
      await page.click(what);
    };
    await page.goto(at("/"));
    await page.waitForSelector("text=Load the sample");
    await click("main a:has-text('Load a file')");
    clicks++;
    await page.setInputFiles("#files", join(import.meta.dir, "../../../api/console/home/workers.csv"));
    expect(await page.textContent("th:has-text('hourly_rate')")).toContain("reads back");
    await click("form button.primary");
    await click("text=Open workers");
    await page.waitForSelector("meter");
    expect(await page.getAttribute("svg[aria-label^=hourly_rate]", "aria-label")).toMatch(
      /from 18.00 to 47.25, in 12 parts: \d/,
    );
    await page.waitForSelector(".rows .line");
    expect(await page.textContent(".rows .line")).toContain("Forklift operator");
    await click("text=Ask in SQL");
    await page.waitForSelector("#result .rows .line");
    clicks += 2;
    await page.selectOption("#chart-kind", "bar");
    await page.waitForSelector(".uplot canvas");
    clicks++;
    await page.goBack();
    await click("text=Search it by meaning");
    await click("text=Build a corpus");
    await page.waitForURL("**/search?corpus=workers");
    await click("nav >> text=Co-pilot");
    await page.fill("textarea", "2 forklift operators near Chicago, OSHA 10, under $30");
    await click("text=Find candidates");
    expect(await page.locator(".hits > li").first().textContent()).toContain("Ann");
    expect(clicks).toBeLessThanOrEqual(12);
  });

  test("the co-pilot says why, learns what is accepted and rejected, and gives a shortlist", async () => {
    const best = page.locator(".hits > li").first();
    const reasons = await best.locator(".reasons").textContent();
    for (const words of [
      "meets city: Chicago",
      "meets certificate: OSHA 10",
      "meets hourly_rate at most 30",
      "0 km away",
    ])
      expect(reasons).toContain(words);
    await page.check("text=city: Chicago");
    await page.waitForFunction(() => {
      const cards = [...document.querySelectorAll(".hits > li")];
      return cards.length > 0 && cards.every((card) => card.textContent?.includes("meets city: Chicago"));
    });
    await best.locator("text=Accept").click();
    await page.waitForSelector(".hits > .accepted");
    await page.locator(".hits > li").nth(1).locator("text=Reject").click();
    await page.waitForSelector(".hits > .rejected");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#shortlist-csv")]);
    const csv = await Bun.file(await download.path()).text();
    expect(csv).toMatch(/^worker_id,name,.*,meets\r\n1,Ann,Chicago,/);
    const { playbooks } = await api<{ playbooks: { tags: string[] }[] }>("GET", "/v1/matrix/playbooks");
    expect(playbooks.flatMap(({ tags }) => tags).sort()).toEqual(["accepted", "rejected"]);
    await page.click("text=Find candidates");
    await page.waitForSelector(".reasons >> text=worked before");
    expect(await page.locator(".hits > li").last().textContent()).toContain("was rejected for this order");
  });

  test("a search is narrowed by fields made of metadata, and its corpus drawn in colours of them", async () => {
    await page.goto(at("/search?corpus=workers"));
    await page.fill("input[name=q]", "night shifts");
    await page.selectOption("select[name='f.is.city']", "Gary");
    await page.click("form button.primary");
    await page.waitForFunction(() => {
      const hits = [...document.querySelectorAll(".hits > li")];
      return hits.length > 0 && hits.every((hit) => hit.textContent?.includes("city: Gary"));
    });
    await page.reload();
    await page.waitForFunction(
      () => document.querySelector<HTMLSelectElement>("select[name='f.is.city']")?.value === "Gary",
    );
    await page.click("summary >> text=A picture of it");
    await page.waitForSelector("svg.picture circle");
    await page.selectOption("select[name=colour]", "city");
    await page.waitForSelector("#picture .row >> text=Chicago");
    const classes = await page
      .locator("svg.picture circle")
      .evaluateAll((all) => new Set(all.map((each) => each.getAttribute("class"))).size);
    expect(classes).toBeGreaterThan(2);
    expect(await page.locator("svg.picture circle").count()).toBe(30);
  });

  test("a hit that does not fit misleads nobody again, and its row is shown whole", async () => {
    await page.goto(at("/search?corpus=workers&q=night+shifts"));
    const first = page.locator(".hits > li").first();
    const id = await first.locator("a").first().textContent();
    await first.locator("text=This fits").click();
    await page.waitForSelector("#notices >> text=Done.");
    await page.goto(at("/search?corpus=workers&q=night+shifts"));
    await page.locator(".hits > li:has-text('playbook') >> text=This does not fit").first().click();
    await page.waitForSelector("#notices >> text=Done.");
    const { playbooks } = await api<{ playbooks: { answer_id: string; harmful: number; tags: string[] }[] }>(
      "GET",
      "/v1/matrix/playbooks?corpus=workers",
    );
    const ofHit = playbooks.filter(({ answer_id, tags }) => answer_id === id && !tags.includes("accepted"));
    expect(ofHit.reduce((sum, { harmful }) => sum + harmful, 0)).toBe(1);
    expect(ofHit.flatMap(({ tags }) => tags)).toContain("rejected");
    await page.click(".hits > li >> nth=0 >> a");
    await page.waitForSelector("dt >> text=hourly_rate");
    expect(await page.textContent("h1")).toBe(`${id} of workers`);
    await page.goto(at(`/search?corpus=workers&row=${encodeURIComponent(hostile)}`));
    expect(await page.textContent(".empty")).toContain(hostile);
    await harmless();
  });

  test("nothing is erased before a look and a question, and what stays is who asked for it", async () => {
    await fetch(at("/v1/ingest?name=people"), { method: "POST", body: "id,name\n1,Zoe Quill\n2,Bo\n" });
    for (const mode of ["replace", "append"])
      await fetch(at(`/v1/ingest?name=others&mode=${mode}`), { method: "POST", body: "id\n1\n" });
    await api("POST", "/v1/pathway/add", { uid: hostile, content: { met: "Zoe Quill" } });
    const fill = async (subject: string) => {
      await page.fill("input[name=subject]", subject);
      await page.fill("input[name=who]", hostile);
      await page.fill("input[name=why]", "asked for");
    };
    await page.goto(at("/memory"));
    await page.click("text=Erase what names someone");
    await page.waitForURL("**/erasures");
    await fill("Nobody Atall");
    await page.click("#erase button.primary");
    await page.waitForSelector("#report >> text=Nothing of it was found");
    await fill("Zoe Quill");
    await page.waitForSelector("#report >> text=Other words");
    expect(await page.isDisabled("#erase-now")).toBeTrue();
    await page.click("#erase button.primary");
    await page.waitForSelector("#report >> text=This would go");
    const found = await page.locator("#report tr").allTextContents();
    expect(found).toContainEqual(expect.stringContaining("catalogd/people"));
    expect(found).not.toContainEqual(expect.stringContaining("catalogd/others"));
    await harmless();
    await page.click("#erase-now");
    expect(await page.textContent("dialog")).toMatch(/'Zoe Quill' is erased for good: .*1 rows.*people/);
    await page.click("dialog >> text=Cancel");
    expect(await (await fetch(at("/v1/datasets/people.csv"))).text()).toContain("Zoe");
    await page.click("#erase-now");
    await page.click("dialog button.danger");
    await page.waitForSelector("#report >> text=This is erased");
    expect(await (await fetch(at("/v1/datasets/people.csv"))).text()).toBe("id,name\n2,Bo\n");
    const { versions } = await api<{ versions: object[] }>("GET", "/v1/catalog/versions/others");
    expect(versions).toHaveLength(2);
    expect(await page.isDisabled("#erase-now")).toBeTrue();
    await page.reload();
    expect(await page.textContent("section[aria-label='What was erased'] td >> nth=1")).toBe(hostile);
    expect(await page.textContent("main")).not.toContain("Zoe");
    await harmless();
  });

  test("a model asks its tools, is given what they find, and says what it cost", async () => {
    await models.set({ text: `${hostile} [1] [none]` });
    await page.goto(at("/chat"));
    const model = await page.locator("select[name=model] option").first().getAttribute("value");
    expect(model).toStartWith("local/");
    await page.check("input[name=tools]");
    await page.fill("textarea", "who works nights?");
    await page.click("text=Send");
    await page.waitForSelector(".turn >> text=tokens read");
    await page.click("summary >> text=It asked search");
    const [given, found] = await page.locator(".turn details pre").allTextContents();
    expect(given).toContain('"corpus":"workers"');
    expect(found).toContain('"hits":[{');
    expect(await page.locator(".turn .said").textContent()).toBe(`${hostile} [1] [none]`);
    expect(await page.locator(".turn").last().textContent()).toContain("local has cost $0.0000 today");
    const asked = (await models.requests()).at(-1)?.body.messages as { role: string }[];
    expect(asked.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
    await harmless();
  });

  test("a slow query is cancelled, and ends where it ran", async () => {
    await runs("SELECT count(*) FROM range(1000000000000) AS t(i) WHERE i % 7 = 3");
    await page.waitForSelector("text=Running for");
    const state = async () => {
      const { queries } = await api<{ queries: { sql: string; state: string }[] }>("GET", "/v1/sql/queries");
      return queries.find(({ sql }) => sql.includes("1000000000000"))?.state;
    };
    while ((await state()) !== "running") await Bun.sleep(20);
    await page.click("#cancel");
    await page.waitForSelector("#told >> text=Cancelled.");
    while ((await state()) === "running") await Bun.sleep(20);
  });

  test("an error stands at its place, a plan is a tree, parameters are fields, results are files", async () => {
    await runs("SELECT nam FROM workers");
    await page.waitForSelector("#failed .failure");
    expect(await page.textContent("#failed")).toMatch(/nam.*request [\w-]+/s);
    expect(await page.textContent(".wrong")).toBe("nam");
    browser?.faults();
    await runs("SELECT city, count(*) AS n FROM workers WHERE city = $city GROUP BY city");
    await page.fill("input[name=city]", "Gary");
    await page.click("#run");
    await page.waitForSelector("#result >> text=Gary");
    for (const [choice, begins] of [
      ["CSV", "city,n"],
      ["JSON", "["],
      ["NDJSON", "{"],
      ["Parquet", "PAR1"],
      ["Arrow", "\xff\xff"],
    ] as const) {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.selectOption("#download", { label: choice }),
      ]);
      const bytes = await Bun.file(await download.path()).bytes();
      expect(Buffer.from(bytes).toString("latin1")).toStartWith(begins);
    }
    await page.click("#explain");
    await page.waitForSelector(".plan li");
  });

  test("a statement is laid out, offered functions, saved under a name, opened again and dropped", async () => {
    await runs("select name,city from workers where city=$city");
    await page.fill("input[name=city]", "Gary");
    await page.click("#format");
    await page.waitForFunction(() => document.querySelectorAll(".cm-line").length > 3);
    const lines = await page.locator(".cm-line").allTextContents();
    expect(lines.map((line) => line.trim())).toEqual([
      ...["SELECT", "name,", "city", "FROM", "workers", "WHERE", "city = $city"],
    ]);
    await page.click("#save");
    await page.fill("dialog input >> nth=0", "not a name");
    await page.click("dialog button >> text=Save");
    await page.waitForSelector("dialog .failure");
    browser?.faults();
    await page.fill("dialog input >> nth=0", "of_city");
    await page.fill("dialog input >> nth=1", hostile);
    await page.click("dialog button >> text=Save");
    await page.click("#notices >> text=Saved as of_city, version 1.");
    expect(await (await fetch(at("/v1/queries/of_city.csv?city=Gary"))).text()).toContain("Gary");
    await Promise.all([page.waitForResponse("**/v1/sql/functions"), page.goto(at("/sql"))]);
    await page.selectOption("#saved", "of_city");
    expect(await page.inputValue("input[name=city]")).toBe("Gary");
    await page.click("#run");
    await page.waitForSelector("#result >> text=Gary");
    await page.click("#saved-drop");
    await page.click("dialog button.danger");
    await page.waitForSelector("#notices >> text=of_city is dropped.");
    await page.click(".cm-content");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("SELECT approx_quant");
    await page.waitForSelector(".cm-tooltip-autocomplete >> text=approx_quantile");
    await page.keyboard.press("Escape");
    await harmless();
  });

  test("places are drawn on a map by their coordinates", async () => {
    await runs("SELECT name, latitude, longitude FROM workers");
    await page.waitForSelector("#result .rows .line");
    await page.selectOption("#chart-kind", "map");
    await page.waitForSelector(".uplot canvas");
    expect(await page.textContent(".u-legend")).toContain("longitude, degrees");
    expect(await page.inputValue("#chart-y")).toBe("latitude");
    await page.selectOption("#chart-y", "name");
    await page.waitForSelector("#chart >> text=name and longitude have no coordinates");
    await runs("SELECT name FROM workers");
    await page.waitForFunction(() => document.querySelectorAll("#chart-x option").length === 1);
    expect(await page.locator("#chart-kind option[value=map]").count()).toBe(0);
  });

  test("a frame of scrolling makes no element, and writes and lays out no more than the rows that come", async () => {
    await runs(
      "SELECT range AS id, 'name ' || range AS name, CASE WHEN range % 7 = 0 THEN NULL ELSE range * 1.5 END AS pay FROM range(540000)",
    );
    await page.selectOption("#limit", "1000000");
    await page.click("#run");
    await page.waitForSelector("#told >> text=540,000 rows");
    const debug = await page.context().newCDPSession(page);
    await debug.send("Performance.enable");
    const layouts = async (): Promise<number> => {
      const { metrics } = await debug.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "LayoutCount")?.value ?? Number.NaN;
    };
    const scrolled = async (rows: number, frames: number) => {
      const before = await layouts();
      const counted = (await page.evaluate(`(async () => {
        const view = document.querySelector("#result .view");
        const frame = () => new Promise(requestAnimationFrame);
        const counted = { made: 0, written: 0, lines: view.querySelectorAll(".sheet .line").length };
        const watch = new MutationObserver((all) => {
          for (const { type, addedNodes } of all)
            if (type === "characterData") counted.written++;
            else if (type === "childList") counted.made += addedNodes.length;
        });
        watch.observe(view, { childList: true, subtree: true, characterData: true });
        await frame();
        for (let at = 0; at < ${frames}; at++) {
          view.scrollTop += ${rows} * 28 * (view.scrollHeight / (540001 * 28));
          await frame();
          await frame();
        }
        await new Promise((done) => setTimeout(done));
        return counted;
      })()`)) as { made: number; written: number; lines: number };
      return { ...counted, layouts: (await layouts()) - before };
    };
    const [frames, columns] = [30, 3];
    const slow = await scrolled(3, frames);
    expect(slow.made).toBe(0);
    // A row more or less comes where rows are no whole pixels of the scroll bar.
    expect(slow.written).toBeWithin(frames, frames * 4 * columns + 1);
    expect(slow.layouts).toBeLessThanOrEqual(2 * frames + 2);
    const fast = await scrolled(9000, frames);
    expect(fast.made).toBe(0);
    expect(fast.lines).toBeLessThan(40);
    expect(fast.written).toBeWithin(frames, frames * fast.lines * columns + 1);
    expect(fast.layouts).toBeLessThanOrEqual(2 * frames + 2);
    await page.click("#result .view");
    await page.keyboard.press("End");
    await page.waitForSelector("#result .line >> text=name 539999");
    await page.keyboard.press("Home");
    await page.waitForSelector("#result .line >> text='name 0'");
    expect(await page.textContent("#result .sheet .line .null")).toBe("NULL");
  });

  test("two windows keep their statements, and each shows its own", async () => {
    const other = await page.context().newPage();
    await runs("SELECT 1 AS mine");
    await runs("SELECT 2 AS other", other);
    await page.click(".cm-content");
    await page.keyboard.press("End");
    await page.keyboard.type(" -- still mine");
    await other.waitForSelector("#result >> text=other");
    await other.reload();
    await other.waitForFunction(
      () => document.querySelector(".cm-content")?.textContent === "SELECT 2 AS other",
    );
    await page.reload();
    await page.waitForFunction(() =>
      document.querySelector(".cm-content")?.textContent?.endsWith("still mine"),
    );
    await other.close();
  });

  test("a file of 100 MB is sent with progress", async () => {
    const path = join(folder, "large.csv");
    // Long texts: what is sent is as much, and there are fewer values to look at.
    const line = `${"some text that stands for a row of a file ".repeat(80)}\n`;
    writeFileSync(path, `text\n${line.repeat(30_500)}`);
    await page.goto(at("/upload"));
    await page.setInputFiles("#files", path);
    await page.evaluate(`
      window.seen = [];
      const look = () => document.querySelectorAll(".outcome [role=status]").forEach((each) => window.seen.push(each.textContent));
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
    `);
    await page.click("form button.primary");
    await page.waitForSelector(".outcome >> text=30,500 rows in");
    const seen = (await page.evaluate("window.seen")) as string[];
    expect(seen.some((text) => /\d of 10\d\.\d MB, \d+ MB a second, about \d+ s left/.test(text))).toBeTrue();
  });

  test("types are changed before the load, and bad rows are set aside where that is chosen", async () => {
    await page.goto(at("/upload"));
    const buffer = Buffer.from("code,pay\n007,1\n008,x\n");
    await page.setInputFiles("#files", { name: "codes.csv", mimeType: "text/csv", buffer });
    const card = page.locator("section[aria-label='codes.csv']");
    expect(await card.locator("th").first().textContent()).toContain("leading zeros");
    await card.locator("select[aria-label='Type of pay']").selectOption("BIGINT");
    await card.locator("button.primary").click();
    expect(await card.locator(".failure").textContent()).toContain("line 3");
    browser?.faults();
    await card.locator("input[type=checkbox]").check();
    await card.locator("button.primary").click();
    await card.locator("text=1 rows were set aside").waitFor();
    await card.locator(".outcome li >> text=Line 3, pay").waitFor();
    expect(await card.locator(".outcome li code").textContent()).toBe("008,x");
  });

  test("several files are dropped at once, each looked at, and loaded one after the other", async () => {
    await page.goto(at("/upload"));
    const files = await page.evaluateHandle(`(() => {
      const all = new DataTransfer();
      for (let n = 0; n < 8; n++) all.items.add(new File(["id\\n" + n + "\\n"], "drop_" + n + ".csv"));
      return all;
    })()`);
    await page.dispatchEvent("#drop", "drop", { dataTransfer: files });
    await page.click("#load-all");
    for (const n of [0, 7]) await page.waitForSelector(`text=Open drop_${n}`);
    const { datasets } = await api<{ datasets: { name: string }[] }>("GET", "/v1/catalog/list");
    expect(datasets.filter(({ name }) => name.startsWith("drop_"))).toHaveLength(8);
  });

  test("of a workbook the sheet that is chosen is looked at and loaded", async () => {
    await page.goto(at("/upload"));
    await page.setInputFiles("#files", join(import.meta.dir, "../../fixtures/ingestd/sources/jobs.xlsx"));
    await page.waitForSelector("th >> text=hired");
    await page.selectOption("label:has-text('Sheet') select", "Two tables");
    await page.waitForSelector("th >> text=a_2");
    await page.click("form button.primary");
    await page.waitForSelector("text=Open jobs");
    const { columns } = await api<{ columns: { name: string }[] }>("GET", "/v1/catalog/manifest/jobs");
    expect(columns.map(({ name }) => name)).toEqual(["a", "a_2", "k"]);
  });

  test("a document becomes a corpus", async () => {
    await page.goto(at("/upload"));
    const buffer = Buffer.from("# Welding\n\nTIG welding of pipes at the yard.\n");
    await page.setInputFiles("#files", { name: "welding.md", mimeType: "text/markdown", buffer });
    await page.click("text=Add to the corpus");
    await page.waitForSelector("text=1 documents in 1 rows of documents");
  });

  test("versions are compared, gone back to, dropped after a question, and brought back", async () => {
    await fetch(at("/v1/ingest?name=versions"), { method: "POST", body: "id\n1\n" });
    await fetch(at("/v1/ingest?name=versions&mode=append"), { method: "POST", body: "id\n2\n" });
    await page.goto(at("/datasets/versions"));
    await page.click("text=Compare");
    await page.waitForSelector("text=From version 1 to 2: +1 rows");
    await page.click("text=Go back to it");
    await page.click("dialog >> text=Go back to it");
    await page.waitForSelector('.stats dd:text-is("3")');
    await page.click("text=Drop");
    expect(await page.textContent("dialog")).toContain("can be brought back");
    await page.click("dialog >> text=Cancel");
    await page.click("main >> text=Drop");
    await page.click("dialog button.danger");
    await page.click("text=Bring it back");
    browser?.faults();
  });

  test("a trace is revised, seen as it was, and erased with its chain after a question", async () => {
    await api("POST", "/v1/pathway/add", { uid: "shift-1", content: { shift: "day" } });
    await api("POST", "/v1/pathway/update", { uid: "shift-1", content: { shift: "late" } });
    await page.goto(at("/memory/shift-1"));
    await page.locator("input[name=change]").fill("0");
    await page.waitForSelector("#state >> text=after add");
    expect(await page.textContent("#state pre")).toContain("day");
    await page.goto(at("/memory/shift-1"));
    await page.click("summary >> text=Revise");
    await page.fill("textarea[name=content]", "{ night }");
    await page.fill("input[name=reason]", "it was the night");
    await page.click("button >> text=Revise");
    await page.click("#notices >> text=content is no JSON");
    await page.fill("textarea[name=content]", '{ "shift": "night" }');
    await page.click("button >> text=Revise");
    await page.waitForURL((url) => !url.pathname.endsWith("shift-1"));
    expect(await page.textContent("#state pre")).toContain("night");
    await page.goto(at("/memory"));
    await page.locator("#ago").fill("5");
    await page.waitForSelector("#found >> text=Nothing was remembered then.");
    expect(await page.textContent("#ago-said")).toBe("1 day");
    await page.goto(at("/memory/shift-1"));
    await page.click("summary >> text=Erase");
    await page.fill("input[name=who]", "the tests");
    await page.fill("input[name=why]", "asked for");
    await page.click("button.danger >> text=Erase");
    expect(await page.textContent("dialog")).toContain("2 traces are erased for good");
    await page.click("dialog button.danger");
    await page.waitForSelector("#notices >> text=2 traces are erased.");
    expect((await fetch(at("/v1/pathway/get/shift-1"))).status).toBe(404);
    await page.goto(at("/memory/shift-1"));
    await page.waitForSelector(".timeline >> text=by the tests: asked for");
  });

  test("going back shows what was there, with all that it can do", async () => {
    await page.goto(at("/memory"));
    await page.fill("input[name=q]", "nothing like this");
    await page.keyboard.press("Enter");
    await page.waitForURL("**q=nothing**");
    await page.click("nav >> text=Datasets");
    await page.goBack();
    await page.waitForSelector("#found >> text=Nothing that is remembered");
    await page.goBack();
    await page.waitForFunction(
      () => location.search === "" && document.querySelector<HTMLInputElement>("input[name=q]")?.value === "",
    );
    expect(await page.evaluate("sessionStorage.getItem('htmx-history-cache')")).toBeNull();
    await page.locator("#ago").fill("4");
    expect(await page.textContent("#ago-said")).toBe("6 hours");
  });

  test("a cell of megabytes, other directions of text, nothing and many columns are shown as rows are", async () => {
    const rtl = "שלום (1) abc";
    const body = `big,rtl,nothing,missing\n${"x".repeat(5_000_000)},${rtl},"",\n`;
    await page.goto(at("/upload"));
    await page.setInputFiles("#files", {
      ...{ name: "strange.csv", mimeType: "text/csv" },
      buffer: Buffer.from(body),
    });
    await page.click("form button.primary");
    await page.click("text=Open strange");
    await page.waitForSelector("meter");
    await settled();
    expect((await page.content()).length).toBeLessThan(100_000);
    const cells = page.locator(".grid .sheet .line > div");
    expect((await cells.nth(0).textContent())?.length).toBeLessThan(300);
    expect((await cells.allTextContents()).slice(1)).toEqual([rtl, "", "NULL"]);
    await cells.nth(1).hover();
    expect(await cells.nth(1).getAttribute("title")).toBe(rtl);
    const names = Array.from({ length: 130 }, (_, n) => `c${n}`);
    await fetch(at("/v1/ingest?name=wide"), {
      method: "POST",
      body: `${names}\n${names.map((_, n) => n)}\n`,
    });
    await page.goto(at("/datasets/wide"));
    await settled();
    expect(await page.locator("meter").count()).toBe(100);
    await page.click("text=Look at more columns: there are 30");
    await page.waitForFunction(() => document.querySelectorAll("meter").length === 130);
    const view = page.locator(".grid .view");
    expect(await view.getAttribute("aria-colcount")).toBe("130");
    expect(await view.locator(".line > div").count()).toBeLessThan(100);
    await view.evaluate((element) => {
      element.scrollLeft = element.scrollWidth;
    });
    await page.waitForSelector(".grid [role=columnheader] >> text=c129");
    expect(await view.locator(".sheet .line > div").last().textContent()).toBe("129");
  });

  test("a person settles a review, sees a run's spans in their order, and makes training sets", async () => {
    await api("POST", "/v1/observer/review", { ...unsure, run_id: traceId });
    await api("POST", "/v1/observer/otlp/v1/traces", spans);
    await page.goto(at("/operations"));
    const card = page.locator("section.card");
    expect(await card.textContent()).toContain(unsure.task);
    await card.locator("select").selectOption({ label: "right" });
    await card.locator("input[name=by]").fill(hostile);
    await card.locator("button").click();
    await page.waitForSelector("text=No review waits for a person.");
    await page.uncheck("input[value=preference]");
    await page.click("text=Make training sets");
    await page.waitForSelector("a >> text=/distill.*supervised.jsonl/");
    const { sets } = await api<{ sets: { examples: number }[] }>("POST", "/v1/observer/distill", {});
    expect(sets[0]?.examples).toBeGreaterThan(0);
    await page.click(`a:has-text('${traceId}')`);
    await page.waitForSelector("svg.bar");
    const rows = page.locator("tbody tr");
    expect(await rows.allTextContents()).toEqual([
      expect.stringContaining("agent"),
      expect.stringContaining("chat"),
      expect.stringContaining("hostile"),
    ]);
    expect(await rows.locator("details").evaluateAll((all) => all.map((each) => each.className))).toEqual([
      "depth-0",
      "depth-1",
      "depth-2",
    ]);
    expect(await rows.nth(1).locator("svg").getAttribute("aria-label")).toBe(
      "begins after 1.0 s, takes 2.0 s",
    );
    await harmless();
  });

  test("the system shows its settings and its log, checks itself, tests a provider and takes a backup", async () => {
    await page.goto(at("/system"));
    const settings = page.locator("section[aria-label=Settings]").first();
    expect(await settings.textContent()).toContain("LH_GATEWAY_BACKUP_DIR");
    await page.click("text=All settings");
    await page.waitForSelector("td:has-text('auth.token') + td:has-text('not set')");
    await page.selectOption("select[name=service]", "pathwayd");
    await page.waitForSelector("#log >> text=log read");
    await page.click("#doctor");
    await page.waitForSelector("#checked tr:has-text('duckdb'):has-text('loads and answers')");
    // Packages that were put there by hand are none of set-up's, and said to be missing.
    expect(await page.textContent("#checking")).toMatch(/^(Everything|Something) required is/);
    const key = hostile.replaceAll("/", "");
    const object = `${encodeURIComponent(key)}?bucket=primary`;
    await fetch(at(`/v1/storage/put/${object}`), { method: "PUT", body: "what is damaged" });
    const damaged = readdirSync(product.dataDir, { recursive: true, withFileTypes: true }).find(
      (entry) =>
        entry.isFile() && readFileSync(join(entry.parentPath, entry.name), "latin1") === "what is damaged",
    );
    writeFileSync(join(damaged?.parentPath ?? "", damaged?.name ?? ""), "what was damaged");
    await page.click("#fsck");
    await page.waitForSelector("#checking >> text=1 findings in 10 services");
    expect(await page.textContent("#checked")).toContain("class=hostile");
    await harmless();
    await fetch(at(`/v1/storage/delete/${object}`), { method: "DELETE" });
    await page.click("section[aria-label^=Models] tr:has-text('ollama') button");
    await page.waitForSelector("#notices >> text=ollama: reachable false");
    await page.click("text=Take a backup now");
    expect(await page.textContent("dialog")).toContain("Earlier backups stay");
    await page.click("dialog button.danger");
    await page.waitForSelector("section[aria-label=Backups] td:text-is('whole')");
    await harmless();
  });

  test("what is hostile is text wherever it is shown", async () => {
    const csv = (cells: string[]) => `${cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(",")}\n`;
    const body = csv(["id", hostile]) + csv([hostile, hostile]);
    await page.goto(at("/upload"));
    await page.setInputFiles("#files", {
      name: `${hostile.replaceAll("/", "")}.csv`,
      mimeType: "text/csv",
      buffer: Buffer.from(body),
    });
    await page.waitForSelector("th:has-text('hostile')");
    await harmless();
    await fetch(at("/v1/ingest?name=hostile"), { method: "POST", body });
    const { job_id } = await api<{ job_id: string }>("POST", "/v1/matrix/corpora", {
      name: "hostile",
      dataset: "hostile",
      id_column: "id",
      text_columns: [hostile],
      metadata_columns: [hostile],
    });
    await (await fetch(at(`/v1/matrix/jobs/${job_id}/events`))).text();
    await api("POST", "/v1/matrix/playbooks/record", {
      query_text: hostile,
      answer_id: hostile,
      corpus: "hostile",
    });
    const content = { [hostile]: hostile };
    await api("POST", "/v1/pathway/add", { uid: "note-0", content, tags: [hostile] });
    await api("POST", "/v1/pathway/revise", { uid: "note-0", new_uid: "note-1", content, reason: hostile });
    await api("PUT", "/v1/matrix/profiles/hostile", { corpora: ["hostile"] });
    await api("POST", "/v1/observer/event", {
      source: "mcp",
      endpoint: hostile,
      success: false,
      duration_ms: 1,
      error: hostile,
      input_summary: hostile,
    });
    const q = encodeURIComponent(hostile);
    for (const path of [
      "/",
      `/datasets?q=${q}`,
      "/datasets/hostile",
      `/search?corpus=hostile&q=${q}`,
      `/copilot?corpus=hostile&order=${q}`,
      "/memory",
      `/memory?q=${q}`,
      "/memory/note-1",
      "/operations",
      `/operations/${traceId}`,
    ]) {
      await page.goto(at(path));
      await settled();
      expect([path, await page.content()]).toEqual([path, expect.stringContaining("hostile")]);
      await harmless();
    }
    await runs(`SELECT * FROM hostile`);
    await page.waitForSelector("#result .rows >> text=hostile");
    await harmless();
    expect(browser?.faults()).toEqual([]);
    for (const path of [`/datasets/${q}`, `/memory/${q}`, `/datasets/hostile?version=${q}`]) {
      await page.goto(at(path));
      expect(await page.textContent("[role=alert]")).not.toBe("");
      await harmless();
    }
    browser?.faults();
  });

  test("the keyboard leads to every page and dataset", async () => {
    await page.goto(at("/"));
    await page.keyboard.press("Control+k");
    await page.keyboard.type("work");
    await page.waitForSelector("dialog.palette li >> text=workers");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/datasets/workers");
  });

  test("a page sends less than 100 kB, the editor's apart", async () => {
    const sent = async (path: string): Promise<number> => {
      const response = await fetch(at(path), {
        headers: { "accept-encoding": "gzip" },
        decompress: false,
      } as RequestInit);
      return (await response.bytes()).length;
    };
    const html = await (await fetch(at("/"))).text();
    const assets = Array.from(
      html.matchAll(/(?:src|href)="(\/console\/assets\/[^"]+)"/g),
      ([, path = ""]) => path,
    );
    expect(assets.length).toBeGreaterThan(1);
    const bytes = await Promise.all(["/", ...assets].map(sent));
    expect(bytes.reduce((sum, each) => sum + each)).toBeLessThan(100_000);
  });

  test("axe finds nothing serious on any page, wide and light, narrow and dark; none is wider than a phone", async () => {
    const serious = async (rules: readonly string[]) => {
      const { violations } = await page.evaluate<{
        violations: { id: string; impact: string; nodes: { html: string }[] }[];
      }>(`axe.run({ runOnly: ${JSON.stringify(rules)}, resultTypes: ["violations"] })`);
      return violations
        .filter(({ impact }) => ["serious", "critical"].includes(impact))
        .map(({ id, nodes }) => [id, nodes[0]?.html]);
    };
    for (const path of pages) {
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize(wide.viewport);
      await page.goto(at(path));
      await settled();
      await page.evaluate(axe.source);
      expect([path, await serious(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"])]).toEqual([path, []]);
      await page.emulateMedia({ colorScheme: "dark" });
      await page.setViewportSize({ width: 390, height: 800 });
      // What a scheme or a width changes.
      expect([path, await serious(["color-contrast", "scrollable-region-focusable"])]).toEqual([path, []]);
      const isNarrow = await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth");
      expect([path, isNarrow]).toEqual([path, true]);
    }
  });

  test("whoever is signed in no more is told, nothing is done, and signing in goes on", async () => {
    await page.setViewportSize(wide.viewport);
    await page.goto(at("/datasets/workers"));
    await settled();
    writeFileSync(config, '[auth]\ntoken = "let-me-in"\n');
    process.kill(product.pid, "SIGHUP");
    while ((await fetch(at("/v1/system"))).status === 200) await Bun.sleep(10);
    await page.click("main >> text=Drop");
    await page.click("dialog button.danger");
    await page.waitForSelector("#notices >> text=You are signed in no more");
    browser?.faults();
    await page.reload();
    await page.fill("input[name=token]", "let-me-in");
    await page.keyboard.press("Enter");
    await page.waitForSelector("nav");
    await page.goto(at("/datasets/workers"));
    await page.waitForSelector(".grid .sheet .line");
    browser?.faults();
  });
});
