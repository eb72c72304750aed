/**
 * Kills the product with SIGKILL at random instants while objects are put and files are ingested, on disk or with the
 * primary bucket on a real S3 server: `bun tests/campaigns/kills/objects.ts [--count 50] [--seed 1] [--s3 rgw|seaweedfs]`.
 * After each restart every acknowledged object and row must be there, and what was not answered must be there whole or
 * not at all. Prints one JSON line; exits 1 when something was wrong.
 */
import { noise } from "../../conformance/bucket.ts";
import { campaignRules, killDuring, runCampaign } from "../../support/campaigns/campaign.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { bucketFlags } from "../../support/s3/lake.ts";
import { s3Names, testS3 } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(50, ["s3"]);
const { random } = rules;
const pick = (below: number) => Math.floor(random() * below);
const home = temporaryDirectory("campaign-objects");
const asked = rules.given("s3");
const server = s3Names.find((name) => name === asked);
if (asked !== undefined && !server) throw new Error(`--s3: expected one of ${s3Names.join(", ")}`);
const s3 = server && (await testS3(server));
const flags = [
  ...["--only", "storaged,catalogd,ingestd,queryd"],
  ...(s3 ? await bucketFlags(home.path, { primary: s3 }) : []),
];
const start = () => startProduct({ dataDir: home.path, flags });

const outcomes = { acknowledged: 0, unanswered: 0, kept: 0, wrong: [] as string[] };

/** Repeats until its request is cut off by the kill; what was sent last stays noted as open. */
interface Writer {
  work: (product: Product) => Promise<void>;
  /** Compares what is there with what was acknowledged, and settles what was open. */
  verify: (product: Product) => Promise<void>;
}

/** What both kinds settle alike: one of the two states is there, and it is the state from now on. */
function settle<T>(what: string, { is, before, open }: { is: T; before: T; open: T | undefined }): T {
  if (open !== undefined) outcomes.unanswered += 1;
  if (Bun.deepEquals(is, before)) return before;
  if (open !== undefined && Bun.deepEquals(is, open)) {
    outcomes.kept += 1;
    return open;
  }
  outcomes.wrong.push(`${what}: there is ${is}, stored was ${before}, open was ${open}`);
  return before;
}

const MiB = 1024 * 1024;
/** Small, one part and a bit, three parts: those that S3 takes whole and those that go up in pieces. */
const sizes = [10, 10, 100_000, 8 * MiB + 5, 17 * MiB];
const bytesOf = (version: number) => noise(sizes[version % sizes.length] ?? 0, version);
const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

function putter(name: string): Writer {
  const keys = Array.from({ length: 6 }, (_, at) => `kills/${name}/${at}`);
  const stored = new Map<string, number>();
  let version = 0;
  let open: { key: string; version: number } | undefined;
  return {
    work: async (product) => {
      for (;;) {
        const key = keys[pick(keys.length)] ?? "";
        open = { key, version: ++version };
        const url = `${product.addresses.storaged}/storage/put/${key}`;
        const response = await fetch(url, { method: "PUT", body: bytesOf(version) });
        const text = await response.text();
        if (!response.ok) throw new Error(text);
        stored.set(key, version);
        open = undefined;
        outcomes.acknowledged += 1;
      }
    },
    verify: async (product) => {
      for (const key of keys) {
        const response = await fetch(`${product.addresses.storaged}/storage/get/${key}`);
        const bytes = await response.bytes();
        const shown = (at: number | undefined) => (at === undefined ? "404" : sha256(bytesOf(at)));
        const is = response.status === 200 ? sha256(bytes) : String(response.status);
        const own = open?.key === key ? open.version : undefined;
        const before = stored.get(key);
        const settled = settle(key, { is, before: shown(before), open: own && shown(own) });
        if (own !== undefined && settled === shown(own)) stored.set(key, own);
      }
      open = undefined;
    },
  };
}

function ingester(name: string): Writer {
  const rows = 200;
  /** The batches whose rows are there. */
  let stored: number[] = [];
  let batch = 0;
  let open: number | undefined;
  return {
    work: async ({ addresses }) => {
      for (;;) {
        open = ++batch;
        const lines = Array.from({ length: rows }, (_, row) => `${batch},${row}`);
        const response = await fetch(`${addresses.ingestd}/ingest?name=${name}&mode=append&format=csv`, {
          method: "POST",
          body: `batch,row\n${lines.join("\n")}\n`,
        });
        const text = await response.text();
        if (!response.ok) throw new Error(text);
        stored = [...stored, batch];
        open = undefined;
        outcomes.acknowledged += 1;
      }
    },
    verify: async ({ addresses }) => {
      const response = await fetch(`${addresses.queryd}/sql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sql: `SELECT batch, count(*) AS n FROM ${name} GROUP BY 1 ORDER BY 1` }),
      });
      const text = await response.text();
      const isEmpty = response.status !== 200 && stored.length === 0;
      const found: { batch: number; n: number }[] = isEmpty ? [] : JSON.parse(text);
      if (!Array.isArray(found)) throw new Error(text);
      if (found.some(({ n }) => n !== rows)) outcomes.wrong.push(`${name}: half a batch: ${text}`);
      const is = found.map((each) => each.batch);
      stored = settle(name, { is, before: stored, open: open === undefined ? undefined : [...stored, open] });
      open = undefined;
    },
  };
}

const writers = [putter("a"), putter("b"), ingester("one"), ingester("two")];
let product = await start();
await runCampaign({
  name: "objects",
  rules,
  outcomes,
  cycle: async () => {
    const running = product;
    const loads = writers.map((writer) => writer.work(running));
    await killDuring(product, loads, {
      acknowledged: () => outcomes.acknowledged,
      moreMs: random() * 1000,
    });
    product = await start();
    for (const writer of writers) await writer.verify(product);
    return `${outcomes.acknowledged} acknowledged`;
  },
  end: async () => {
    await product.end();
    home.remove();
    await s3?.stop();
  },
});
