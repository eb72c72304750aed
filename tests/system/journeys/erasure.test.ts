/** A person is erased from the whole product: from no byte of any file could they be known again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { filesWith } from "../../support/campaigns/needles.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("erasure");
const needle = "jane.doe@example.org";
const reasons = { who: "the data officer", why: "case 12" };
let product: Product;

beforeAll(async () => {
  product = await startProduct({ dataDir: home.path });
});
afterAll(async () => {
  await product.end();
  home.remove();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of many endpoints.
async function send(method: string, path: string, body?: object): Promise<any> {
  const response = await fetch(product.url + path, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

const csv = (rows: readonly string[]) => `id,name,mail\n${rows.join("\n")}\n`;

async function datasets(): Promise<void> {
  const load = async (query: string, text: string) =>
    expect((await ingest(product.url, query, text)).status).toBe(200);
  await load("name=people", csv(["1,Ann,ann@example.org", `2,Jane,${needle}`]));
  await load("name=people&mode=append", csv(["3,Bob,bob@example.org"]));
  await load("name=others", csv(["1,Ann,ann@example.org"]));
  await load("name=gone", csv([`1,Jane,${needle}`]));
  await send("DELETE", "/v1/catalog/manifest/gone");
  await load("name=formerly", csv([`1,Jane,${needle}`]));
  await load("name=formerly&mode=replace", csv(["1,Ann,ann@example.org"]));
  await load("name=bad&on_error=reject&types=id:BIGINT", csv(["1,Ann,a", `x,Jane,${needle}`]));
  await send("POST", "/v1/sql", { sql: "SELECT count(*) FROM people" });
}

async function operations(): Promise<void> {
  const event = { endpoint: "/x", success: false, duration_ms: 1, error: `no answer for ${needle}` };
  await send("POST", "/v1/observer/event", { ...event, source: "scenario" });
  await send("POST", "/v1/observer/event", { endpoint: "/y", success: true, duration_ms: 1 });
  const review = await send("POST", "/v1/observer/review", { task: "Who?", output: `It is ${needle}.` });
  await send("POST", "/v1/observer/scores", { review_id: review.id, score: 1, by: "eve" });
  const run = { endpoint: "/v1/chat", source: "scenario", success: true, duration_ms: 1, run_id: "r1" };
  await send("POST", "/v1/observer/event", {
    ...run,
    input_summary: "Who?",
    output_summary: `It is ${needle}.`,
  });
  const { sets } = await send("POST", "/v1/observer/distill", { include_unreviewed: true });
  expect(sets[0].examples).toBeGreaterThan(0);
}

test("everything that names the person goes, and who asked for it, when and why is kept", async () => {
  await send("POST", "/v1/pathway/add", { uid: "a", content: `wrote to ${needle}` });
  await send("POST", "/v1/pathway/add", { uid: "kept", content: "of somebody else" });
  await datasets();
  await operations();
  expect(filesWith(home.path, needle)).not.toEqual([]);

  const dry = await send("POST", "/v1/erase", { subject: needle, ...reasons, dry_run: true });
  expect(dry).toMatchObject({ dry_run: true, state: "done" });
  const done = await send("POST", "/v1/erase", { subject: needle, ...reasons });
  expect(done).toMatchObject({ dry_run: false, state: "done", ...reasons });
  expect(filesWith(home.path, needle)).toEqual([]);
  expect((await send("GET", "/v1/erasures")).erasures).toMatchObject([
    { id: done.id, state: "done", ...reasons },
  ]);
  expect((await send("GET", "/v1/system")).erasures_open).toEqual([]);
  expect(await sql(product.url, "SELECT id FROM people ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);
  expect(await send("GET", "/v1/observer/stats")).toMatchObject({ total: 3, failures: 1 });
});
