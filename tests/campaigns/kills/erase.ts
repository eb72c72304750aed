/**
 * Kills the product with SIGKILL at random instants while a person is erased from all of its services:
 * `bun tests/campaigns/kills/erase.ts [--count 20] [--seed 1] [--s3 rgw]`. After the restart an erasure that was written down goes on
 * by itself, and one that was not is asked for again; then nothing of the person is in any byte of any file, and everything
 * of others is as it was. Prints one JSON line; exits 1 when something was wrong.
 */
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { filesWith } from "../../support/campaigns/needles.ts";
import { sendJson } from "../../support/clients/send-json.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { bucketFlags } from "../../support/s3/lake.ts";
import { connectionTo, objectsOf } from "../../support/s3/objects.ts";
import { type S3Name, testS3 } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { tablesAt } from "../../support/tables/tracked-table.ts";

const rules = campaignRules(20, ["s3"]);
const { random } = rules;
const home = temporaryDirectory("campaign-erase");
/** `before`: complete before the kill. `went on`: by itself after it, also where it was answered as open. `again`: it had not been written down. */
const outcomes = { before: 0, "went on": 0, again: 0, wrong: [] as string[] };
const reasons = { who: "the campaign", why: "to see it go" };

const s3Name = rules.given("s3");
const s3 = s3Name === undefined ? undefined : await testS3(s3Name as S3Name);
const flags = s3 ? await bucketFlags(home.path, { primary: s3, warehouse: s3 }) : [];
const start = () => startProduct({ dataDir: home.path, flags });
let product: Product = await start();

const send = (method: string, path: string, body?: object) => sendJson(product.url + path, method, body);

async function load(name: string, more: string, row: string, columns = "id,mail"): Promise<void> {
  const response = await ingest(product.url, `name=${name}${more}`, `${columns}\n${row}\n`);
  if (!response.ok) throw new Error(`ingest: ${response.status} ${await response.text()}`);
}

async function loadDocument(name: string, text: string): Promise<void> {
  const form = new FormData();
  form.append("file", new Blob([text]), name);
  const response = await fetch(`${product.url}/v1/documents?corpus=papers`, { method: "POST", body: form });
  if (!response.ok) throw new Error(`documents: ${response.status} ${await response.text()}`);
}

/** Somebody in every kind of store. */
async function known(at: number, mail: string): Promise<void> {
  const mode = at === 0 ? "" : "&mode=append";
  await load("people", mode, `${at},${mail}`);
  await load("open.people", "&mode=append", `${at},${mail}`, "id,name");
  await send("POST", "/v1/pathway/add", { uid: `t${at}`, content: { mail } });
  const items = [{ id: `v${at}`, vector: [1, at + 1], metadata: { mail } }];
  await send("POST", "/v1/vectors/index/faces/add", { items });
  const event = { endpoint: "/x", success: true, duration_ms: 1, input_summary: `asked ${mail}` };
  await send("POST", "/v1/observer/event", event);
  await loadDocument(`d${at}.md`, `# About\n\nWrite to ${mail}.\n`);
}

/** Twice as many of them as cycles were: every second one is erased. */
let made = 0;
const kept: string[] = [];
/** How long an erasure takes, as seen last, in milliseconds. */
let takesMs = 5000;

async function cycle(): Promise<string> {
  if (made === 0) {
    await send("POST", "/v1/vectors/index", { name: "faces", dimension: 2, metric: "cosine" });
    await tablesAt(product.url).make("people");
  }
  const [other, needle] = [`kept${made}@example.org`, `gone${made + 1}@example.org`];
  await known(made++, other);
  await known(made++, needle);
  kept.push(other);
  const began = performance.now();
  let isDone = false;
  const asked = send("POST", "/v1/erase", { subject: needle, ...reasons }).then(
    ({ state }) => {
      isDone = state === "done";
      takesMs = performance.now() - began;
    },
    () => undefined,
  );
  await Bun.sleep(random() * takesMs * 1.2);
  const wasDone = isDone;
  await product.end("SIGKILL");
  await asked;
  product = await start();
  outcomes[wasDone ? "before" : await finished(needle)] += 1;
  await check(needle);
  return needle;
}

async function finished(needle: string): Promise<"went on" | "again"> {
  const { erasures } = await send("GET", "/v1/erasures");
  const isWrittenDown = erasures.length === kept.length;
  if (!isWrittenDown) await send("POST", "/v1/erase", { subject: needle, ...reasons });
  while ((await send("GET", "/v1/system")).erasures_open.length > 0) await Bun.sleep(50);
  return isWrittenDown ? "went on" : "again";
}

/** Objects on the server that hold it. */
async function objectsWith(needle: string): Promise<string[]> {
  const found: string[] = [];
  for (const at of s3 ? [0, 1] : [])
    for (const [key, { bytes }] of await objectsOf(connectionTo(s3 as NonNullable<typeof s3>, flags, at)))
      if (key.includes(needle) || bytes.includes(needle)) found.push(key);
  return found;
}

async function check(needle: string): Promise<void> {
  const files = [...filesWith(home.path, needle), ...(await objectsWith(needle))];
  if (files.length > 0) outcomes.wrong.push(`${needle} is in ${files.join(", ")}`);
  const rows = await sql<{ mail: string }>(product.url, "SELECT mail FROM people ORDER BY id");
  const mails = rows.map(({ mail }) => mail);
  if (!Bun.deepEquals(mails, kept)) outcomes.wrong.push(`people are ${mails.join(", ")}`);
  const inTable = await sql<{ name: string }>(product.url, "SELECT name FROM open.people ORDER BY id");
  if (
    !Bun.deepEquals(
      inTable.map(({ name }) => name),
      kept,
    )
  )
    outcomes.wrong.push(`of the open table there are ${JSON.stringify(inTable)}`);
  const { live } = await send("GET", "/v1/pathway/stats");
  const { count } = await send("GET", "/v1/vectors/index/faces");
  const { total } = await send("GET", "/v1/observer/stats");
  const { documents } = await send("GET", "/v1/documents?corpus=papers");
  const counted = { live, count, total: total / 2, documents: documents.length };
  if (Object.values(counted).some((each) => each !== kept.length))
    outcomes.wrong.push(`of ${kept.length} others: ${JSON.stringify(counted)}`);
  const { erasures } = await send("GET", "/v1/erasures");
  if (JSON.stringify(erasures).includes(needle)) outcomes.wrong.push(`${needle} is in the list of erasures`);
}

await runCampaign({
  name: "erasures",
  rules,
  outcomes,
  cycle,
  end: async () => {
    await product.end();
    home.remove();
  },
});
