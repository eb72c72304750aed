/**
 * Vectors that do not fit into memory: `bun tests/campaigns/upkeep/vectors-past-memory.ts [--rows 200000] [--memory graph]
 * [--quantization i8] [--limit 4] [--count 2] [--seed 1]`. Loads clustered vectors of 768 numbers while storaged and vectord have
 * `--limit` GiB, page cache included (a control group of Linux), and measures the load, what is resident, recall@10 against the
 * exact search, filters, and starts. Each of `--count` cycles kills the process during adds and deletes: what was acknowledged
 * must be there afterwards, what was deleted must not. Prints one JSON line; exits 1 when something was wrong.
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as arrow from "apache-arrow";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { memoryOf, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(2, ["rows", "memory", "quantization", "limit", "recall"]);
const rows = Number(rules.given("rows") ?? 200_000);
const memory = rules.given("memory") ?? "graph";
const quantization = rules.given("quantization") ?? "i8";
const limitBytes = Number(rules.given("limit") ?? 4) * 2 ** 30;
const recallMin = Number(rules.given("recall") ?? 0.95);

const dimension = 768;
const batchRows = 2000;
const queryCount = 50;
const k = 10;
const index = "past-memory";
const home = temporaryDirectory("past-memory");
const outcomes = { rows, memory, quantization, wrong: [] as string[] } as Record<string, unknown> & {
  wrong: string[];
};

// Clusters along few directions, as in scripts/sample-data/make-vectors.ts, drawn piece by piece.

const shared = seeded(rules.seed);
const normalOf = (random: () => number) => (random() + random() + random() + random() - 2) * 1.732;
const filled = (length: number) => Float32Array.from({ length }, () => normalOf(shared));
const clusters = Math.round(Math.sqrt(rows));
const directions = 24;
const centres = filled(clusters * dimension);
const axes = filled(directions * dimension);
function draw(count: number, seed: number): Float32Array {
  const random = seeded(rules.seed * 1_000_003 + seed);
  const drawn = new Float32Array(count * dimension);
  for (let row = 0; row < count; row++) {
    const own = drawn.subarray(row * dimension, (row + 1) * dimension);
    const centre = Math.floor(random() * clusters) * dimension;
    for (let i = 0; i < dimension; i++) own[i] = (centres[centre + i] as number) + 0.1 * (random() - 0.5);
    for (let axis = 0; axis < directions; axis++) {
      const along = normalOf(random) * 0.15;
      for (let i = 0; i < dimension; i++)
        own[i] = (own[i] as number) + along * (axes[axis * dimension + i] as number);
    }
  }
  return drawn;
}

const listOf = new arrow.FixedSizeList(dimension, new arrow.Field("item", new arrow.Float32()));
function bodyOf(first: number, vectors: Float32Array): Uint8Array<ArrayBuffer> {
  const count = vectors.length / dimension;
  const child = arrow.makeData({ type: new arrow.Float32(), length: vectors.length, data: vectors });
  const list = arrow.makeData({ type: listOf, length: count, nullCount: 0, child });
  const numbers = Array.from({ length: count }, (_, at) => first + at);
  const table = new arrow.Table({
    id: arrow.vectorFromArray(
      numbers.map((at) => `i${at}`),
      new arrow.Utf8(),
    ),
    vector: new arrow.Vector([list]),
    part: arrow.vectorFromArray(
      numbers.map((at) => at % 1000),
      new arrow.Int32(),
    ),
  } as never);
  return arrow.tableToIPC(table, "stream") as Uint8Array<ArrayBuffer>;
}

// The product within its limit.

/** Of the machine, where this process may make one: version 2, or 1. */
function controlGroup(): { enter: string; remove: () => void; peak: string } | undefined {
  const [path, limit, peak] = existsSync("/sys/fs/cgroup/cgroup.controllers")
    ? [`/sys/fs/cgroup/lakehouse-${process.pid}`, "memory.max", "memory.peak"]
    : [
        `/sys/fs/cgroup/memory/lakehouse-${process.pid}`,
        "memory.limit_in_bytes",
        "memory.max_usage_in_bytes",
      ];
  try {
    mkdirSync(path);
    writeFileSync(join(path, limit), String(limitBytes));
    return { enter: join(path, "cgroup.procs"), remove: () => rmdirSync(path), peak: join(path, peak) };
  } catch {
    return undefined;
  }
}
const group = controlGroup();
outcomes.limited = group !== undefined;
const by = group ? ["sh", "-c", `echo $$ > ${group.enter} && exec "$@"`, "sh"] : [];
const flags = [
  "--only",
  "storaged,vectord",
  `--vectord.max_memory_bytes=${Math.floor(limitBytes * 0.75)}`,
  "--vectord.compact_deleted_percent=90",
];
let product: Product;
const start = async () => {
  product = await startProduct({ dataDir: home.path, flags, by });
};

async function ask<T>(method: string, path: string, body?: object | Uint8Array<ArrayBuffer>): Promise<T> {
  const isRaw = body instanceof Uint8Array;
  const type = isRaw ? "application/vnd.apache.arrow.stream" : "application/json";
  for (;;) {
    const response = await fetch(`${product.addresses.vectord}/vectors/index${path}`, {
      method,
      headers: { "content-type": type },
      ...(body && { body: isRaw ? body : JSON.stringify(body) }),
    });
    if (response.ok) return (await response.json()) as T;
    const text = await response.text();
    if (response.status !== 429 && response.status !== 503)
      throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    await Bun.sleep(100);
  }
}
interface Info {
  count: number;
  deleted: number;
  indexed: number;
  vector_bytes: number;
  memory_bytes: number;
  problems?: string[];
}
const info = () => ask<Info>("GET", `/${index}`);
const indexed = async () => {
  for (;;) {
    const found = await info();
    if (found.indexed >= found.count + found.deleted) return found;
    await Bun.sleep(250);
  }
};
const seconds = async (work: () => Promise<unknown>) => {
  const began = performance.now();
  await work();
  return Math.round((performance.now() - began) / 10) / 100;
};
const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
async function resident() {
  const { resident: now, peak } = await memoryOf(product.pid);
  const status = await Bun.file(`/proc/${product.pid}/status`).text();
  const anonymous = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  return { now_mb: megabytes(now), peak_mb: megabytes(peak), anonymous_mb: megabytes(anonymous) };
}

type Hits = { id: string }[];
const queries = draw(queryCount, 99_999_999);
const asked = Array.from({ length: queryCount }, (_, at) => [
  ...queries.subarray(at * dimension, (at + 1) * dimension),
]);
const search = (more: object) => ask<{ results: Hits[] }>("POST", `/${index}/search`, { k, ...more });

/** Recall@10 of single searches against the exact one, and their median time. */
async function measured(filter?: object) {
  const same = filter ? { filter } : {};
  const { results: truth } = await search({ ...same, vectors: asked, exact: true });
  const times: number[] = [];
  let [hits, wanted] = [0, 0];
  for (const [at, vector] of asked.entries()) {
    const began = performance.now();
    const { results } = await search({ ...same, vectors: [vector] });
    times.push(performance.now() - began);
    const right = new Set(truth[at]?.map(({ id }) => id));
    wanted += right.size;
    hits += results[0]?.filter(({ id }) => right.has(id)).length ?? 0;
  }
  const median = times.sort((a, b) => a - b)[queryCount >> 1] ?? 0;
  const recall = hits / wanted;
  if (recall < recallMin) outcomes.wrong.push(`recall ${recall} of ${JSON.stringify(filter ?? {})}`);
  return { recall: Math.round(recall * 1e4) / 1e4, median_ms: Math.round(median * 10) / 10 };
}

async function load() {
  await ask("POST", "", { name: index, dimension, memory, quantization });
  outcomes.load_s = await seconds(async () => {
    for (let first = 0; first < rows; first += batchRows) {
      const count = Math.min(batchRows, rows - first);
      await ask("POST", `/${index}/add`, bodyOf(first, draw(count, first)));
    }
  });
  outcomes.after_load = await resident();
  outcomes.indexing_s = await seconds(indexed);
  const { vector_bytes, memory_bytes, problems = [] } = await info();
  Object.assign(outcomes, { vector_bytes, memory_bytes, problems });
  outcomes.unfiltered = await measured();
  for (const [share, filter] of [
    ["50 %", { part: { lt: 500 } }],
    ["10 %", { part: { lt: 100 } }],
    ["1 %", { part: { lt: 10 } }],
    ["0.1 %", { part: 7 }],
  ] as const)
    outcomes[`kept ${share}`] = await measured(filter);
  outcomes.after_searches = await resident();
}

/** What was acknowledged, by id; absent: deleted. */
let written = 0;
async function killed(cycle: number): Promise<string> {
  const fresh = draw(20, 5_000_000 + cycle);
  const own = (at: number) => [...fresh.subarray(at * dimension, (at + 1) * dimension)];
  const stored: number[] = [];
  const deleted: number[] = [];
  const work = (async () => {
    for (let at = 0; ; at++) {
      const id = `k${cycle}-${at}`;
      await ask("POST", `/${index}/add`, { items: [{ id, vector: own(at % 20), metadata: { part: -1 } }] });
      stored.push(at);
      if (at % 3 === 2) {
        await ask("POST", `/${index}/delete`, { ids: [`k${cycle}-${at - 1}`, `i${cycle * 1000 + at}`] });
        deleted.push(at - 1);
        written = Math.max(written, cycle * 1000 + at);
      }
    }
  })().catch(() => {});
  while (stored.length < 12 + rules.random() * 12) await Bun.sleep(5);
  await product.end("SIGKILL");
  await work;
  const start_s = await seconds(async () => {
    await start();
    await info();
  });
  const at_start = await info();
  for (const at of stored) {
    const { results } = await search({ vectors: [own(at % 20)], k: 40, filter: { part: -1 } });
    const isThere = results[0]?.some(({ id }) => id === `k${cycle}-${at}`);
    if (isThere === deleted.includes(at))
      outcomes.wrong.push(`k${cycle}-${at}: ${isThere ? "came back" : "lost"}`);
  }
  const first_ms = Math.round((await seconds(() => search({ vectors: [asked[0] as number[]] }))) * 1000);
  const behind = at_start.count + at_start.deleted - at_start.indexed;
  outcomes[`start ${cycle}`] = { start_s, rows_to_index: behind, first_ms, ...(await resident()) };
  return `start in ${start_s} s`;
}

await start();
await runCampaign({
  name: "vectors past memory",
  rules,
  outcomes,
  cycle: async (at) => {
    if (at === 0) await load();
    const note = await killed(at);
    if (at === rules.count - 1) outcomes.after_kills = await measured();
    return note;
  },
  end: async () => {
    await product.end();
    if (group) {
      outcomes.group_peak_mb = megabytes(Number(await Bun.file(group.peak).text()));
      group.remove();
    }
    home.remove();
  },
});
