/**
 * Replaces one dataset and appends to another by files of 20 rows, again and again, under the default schedule: disk, memory, the list of
 * objects, the time of a commit and of a start stay flat, and every row is there: `bun tests/campaigns/upkeep/maintenance.ts
 * [--count 10000] [--seed 1] [--off]`. With `--off` there is no schedule. Kills the product with SIGKILL once at a random
 * instant of each thousand. Prints a line of figures for each thousand, and one JSON line at the end; exits 1 when anything
 * differs.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { numberFields, readStatistics } from "../../../workers/ingestd/loading/field-ids.ts";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { memoryOf, type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(10_000, [], ["off"]);
const { random, count } = rules;
const home = temporaryDirectory("campaign-maintenance");
const flags = rules.given("off") === undefined ? [] : ["--catalogd.maintenance=false"];
const stepSize = Math.min(1000, count);
const figures: Record<string, unknown>[] = [];
const outcomes = { wrong: [] as string[], figures };
const { wrong } = outcomes;
/** Rows that were acknowledged for the dataset that is appended to: how many, and the sum of their ids. */
const appended = { rows: 0, sum: 0 };
let replaced = 0;
let product: Product = await start();

async function start(): Promise<Product> {
  const begun = performance.now();
  const started = await startProduct({ dataDir: home.path, flags });
  figures.push({ started_ms: Math.round(performance.now() - begun) });
  return started;
}

/** Files and bytes below a folder, links to one file once. */
function sizeOf(folder: string): { files: number; bytes: number } {
  const total = { files: 0, bytes: 0 };
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    total.files += 1;
    total.bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return total;
}

const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
const maker = await instance.connect();
const columns = [
  { name: "id", type: "BIGINT" },
  { name: "name", type: "VARCHAR" },
  { name: "amount", type: "DOUBLE" },
].map((column, at) => ({ ...column, nullable: true, field_id: at + 1 }));
const fields = numberFields(columns.map((column) => ({ ...column, shape: {} })));

/** A file as an ingest would have written it. */
async function makeFile(number: number): Promise<{ body: ArrayBuffer; statistics: unknown[] }> {
  const path = join(home.path, "made.parquet");
  const made = await maker.runAndReadAll(
    `COPY (SELECT ${number * 20} + i AS id, 'name ' || ${number} || '-' || i AS name, ((${number} * i) % 97)::DOUBLE AS amount FROM range(20) AS r(i)) TO '${path}' (FORMAT parquet, COMPRESSION zstd, RETURN_STATS, FIELD_IDS ${fields.sql})`,
  );
  const [answer] = made.getRowObjectsJson();
  return { body: await Bun.file(path).arrayBuffer(), statistics: readStatistics(answer as never, fields) };
}

/** Tries until it is acknowledged: what a kill cut off is sent again under its key, and done once. */
async function acknowledged(path: string, init: () => RequestInit): Promise<Record<string, unknown>> {
  for (let tries = 0; ; tries++) {
    const response = await fetch(product.url + path, init()).catch(() => undefined);
    if (response?.ok) return (await response.json()) as Record<string, unknown>;
    if (tries > 200) throw new Error(`${path}: ${response?.status} ${await response?.text()}`);
    await Bun.sleep(200);
  }
}

async function send(
  name: string,
  operation: "replace" | "append",
  number: number,
  made: Awaited<ReturnType<typeof makeFile>>,
) {
  const key = `datasets/${name}/${number}.parquet`;
  const stored = await acknowledged(`/v1/storage/put/${key}`, () => ({ method: "PUT", body: made.body }));
  const object = { key, bytes: stored.bytes, etag: stored.etag, row_count: 20, statistics: made.statistics };
  await acknowledged("/v1/catalog/register", () => ({
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": `${name}-${number}` },
    body: JSON.stringify({ name, columns, objects: [object], operation }),
  }));
}

async function verify(): Promise<void> {
  const [now] = await sql<{ n: number; sum: string }>(
    product.url,
    "SELECT count(*) AS n, sum(id)::VARCHAR AS sum FROM appended",
  );
  if (now?.n !== appended.rows || Number(now?.sum) !== appended.sum)
    wrong.push(`appended has ${JSON.stringify(now)}, acknowledged were ${JSON.stringify(appended)}`);
  const ids = await sql<{ id: number }>(product.url, "SELECT id FROM replaced ORDER BY id");
  if (ids[0]?.id !== replaced * 20 || ids.length !== 20)
    wrong.push(`replaced is not what came last: ${JSON.stringify(ids[0])}`);
  const [order] = await sql<{ n: number }>(
    product.url,
    "SELECT count(*) AS n FROM (SELECT id - lag(id) OVER () AS step FROM appended) WHERE step <> 1",
  );
  if (order?.n !== 0) wrong.push(`rows of appended are out of order ${order?.n} times`);
}

async function versionsOf(name: string) {
  const response = await fetch(`${product.url}/v1/catalog/manifest/${name}`);
  const {
    version,
    first_version = 1,
    objects,
  } = (await response.json()) as { version: number; first_version?: number; objects: unknown[] };
  return { versions: version - first_version + 1, objects: objects.length };
}

/** A thousand of each, killed once. */
async function cycle(step: number): Promise<string> {
  const begun = performance.now();
  const killAt = Math.floor(random() * stepSize);
  for (let at = 0; at < stepSize; at++) {
    const number = step * stepSize + at;
    if (at === killAt) {
      await product.end("SIGKILL");
      product = await start();
    }
    const made = await makeFile(number);
    await Promise.all([send("replaced", "replace", number, made), send("appended", "append", number, made)]);
    replaced = number;
    appended.rows += 20;
    for (let row = 0; row < 20; row++) appended.sum += number * 20 + row;
  }
  const seconds = (performance.now() - begun) / 1000;
  await verify();
  const [ofReplaced, ofAppended] = [await versionsOf("replaced"), await versionsOf("appended")];
  const { files, bytes } = sizeOf(join(product.dataDir, "buckets"));
  const { resident } = await memoryOf(product.pid);
  const line = {
    each: (step + 1) * stepSize,
    per_second: Math.round((2 * stepSize) / seconds),
    files,
    megabytes: Math.round(bytes / 1e6),
    resident_megabytes: Math.round(resident / 1e6),
    versions: [ofReplaced.versions, ofAppended.versions],
    objects_of_appended: ofAppended.objects,
  };
  figures.push(line);
  process.stderr.write(`${JSON.stringify(line)}\n`);
  if (flags.length === 0 && ofAppended.objects > 500)
    wrong.push(`appended has ${ofAppended.objects} objects`);
  if (flags.length === 0 && Math.max(ofReplaced.versions, ofAppended.versions) > 1500)
    wrong.push(`there are ${ofReplaced.versions} and ${ofAppended.versions} versions`);
  return `${ofAppended.objects} objects, ${files} files`;
}

await runCampaign({
  name: "maintenance",
  rules: { ...rules, count: Math.ceil(count / stepSize) },
  outcomes,
  cycle,
  end: async () => {
    await product.end();
    home.remove();
  },
});
