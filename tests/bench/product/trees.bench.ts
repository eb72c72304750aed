/**
 * This tree beside another: both products started, the same work sent to each in turn, and the processor time that the
 * process and its children took for it.
 * `LAKEHOUSE_BENCH_OLD=DIRECTORY bun test --timeout=3600000 ./tests/bench/product/trees.bench.ts`, where DIRECTORY is
 * a clone at the older commit with its packages; `LAKEHOUSE_BENCH_ROUNDS` (7), and `-t vectord` for one line of the table;
 * with `LAKEHOUSE_BENCH_TPCH=SCALE` TPC-H as well.
 * A busy machine lengthens both alike: ratios of medians are what to read.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import { workerColumns, workerRow } from "../../../scripts/sample-data/make-workers.ts";
import { inTurn, report, throughput } from "../../support/campaigns/measure.ts";
import { makeTpch, tpchTables } from "../../support/campaigns/tpch.ts";
import { treeMs } from "../../support/product/processor-time.ts";
import { type ModelServer, startModelServer } from "../../support/stacks/chatd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { tpchQueries } from "../peers/tpch/queries.ts";

const root = resolve(import.meta.dir, "../../..");
const old = process.env.LAKEHOUSE_BENCH_OLD;
const rounds = Number(process.env.LAKEHOUSE_BENCH_ROUNDS ?? 7);
const measured = test.skipIf(old === undefined);
const timeoutMs = 3_600_000;
const ingestRows = 200_000;
const dimension = 768;

interface Tree {
  url: string;
  pid: number;
  end: () => Promise<void>;
}

let models: ModelServer;
const home = temporaryDirectory("bench-trees");
const csv = join(home.path, "workers.csv");
let started = 0;

async function start(tree: string, dataDir = join(home.path, `data-${started++}`)): Promise<Tree> {
  const binds = Object.keys(topology).map((name) => [`LH_${name.toUpperCase()}_BIND`, "127.0.0.1:0"]);
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_)/.test(name));
  const child = Bun.spawn([process.execPath, join(tree, "runtime/main.ts")], {
    cwd: tree,
    env: {
      ...Object.fromEntries([...inherited, ...binds]),
      LH_DATA_DIR: dataDir,
      LH_INGESTD_MAX_INGEST_BYTES: String(2 ** 40),
      LH_PROVIDERS: `{ ollama = { base_url = "${models.url}" } }`,
    },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let greeting = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    greeting += decoder.decode(chunk, { stream: true });
    if (greeting.includes("\nAPI:")) break;
  }
  const url = /^ *gateway +(http:\S+)/m.exec(greeting)?.[1];
  if (url === undefined) throw new Error(`${tree} did not start: ${greeting}`);
  while (!(await fetch(`${url}/readyz`)).ok) await Bun.sleep(5);
  const end = async () => {
    child.kill("SIGTERM");
    await child.exited;
  };
  return { url, pid: child.pid, end };
}

/**
 * Workers whose `reliability` has three decimals in each row. Older trees took 0.9 beside 0.704 for text, which is less
 * work than a DECIMAL: only where both load the same types is the cost of one beside the other's a comparison.
 */
async function writeWorkers(): Promise<void> {
  const field = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (fields: readonly string[]) => `${fields.map(field).join(",")}\n`;
  const at = workerColumns.indexOf("reliability");
  const writer = Bun.file(csv).writer({ highWaterMark: 8 << 20 });
  writer.write(line(workerColumns));
  for (let row = 0; row < ingestRows; row++) {
    const fields = workerRow(1, row);
    writer.write(line(fields.with(at, Number(fields[at]).toFixed(3))));
    if (row % 10_000 === 0) await writer.flush();
  }
  await writer.end();
}

let trees: Record<"old" | "new", Tree>;
beforeAll(async () => {
  if (old === undefined) return;
  models = await startModelServer();
  await writeWorkers();
  trees = { old: await start(old), new: await start(root) };
}, timeoutMs);
afterAll(async () => {
  await trees?.old.end();
  await trees?.new.end();
  await models?.stop();
  home.remove();
});

/** Asks and reads the whole answer; throws with its text unless it is a success. */
async function ask({ url }: Tree, path: string, init: RequestInit = {}): Promise<Uint8Array> {
  const response = await fetch(`${url}${path}`, init);
  const bytes = await response.bytes();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${new TextDecoder().decode(bytes)}`);
  return bytes;
}
const json = (body: object): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** Runs before those that count: a JIT that compiles the new tree's code is not what a call costs. */
const warmRuns = 6;

/** The processor time of `work`, in each tree in turn; the median of the rounds, and the ratio. */
async function compare(name: string, work: (tree: Tree) => Promise<unknown>): Promise<void> {
  for (let run = 0; run < warmRuns; run++) for (const tree of Object.values(trees)) await work(tree);
  const spent = (tree: Tree) => async () => {
    const before = treeMs(tree.pid);
    await work(tree);
    return treeMs(tree.pid) - before;
  };
  const medians = await inTurn(rounds, { old: spent(trees.old), new: spent(trees.new) });
  report(name, { "old ms": medians.old, "new ms": medians.new, ratio: medians.new / medians.old });
}
const times = (count: number, atOnce: number, call: () => Promise<unknown>) =>
  throughput(count, atOnce, call);

let names = 0;
measured(
  "ingestd: 200,000 × 18, 127 MB",
  async () => {
    const file = Bun.file(csv);
    const types = async (tree: Tree) => {
      await ask(tree, "/v1/ingest?name=typed", { method: "POST", body: file });
      const manifest = new TextDecoder().decode(await ask(tree, "/v1/catalog/manifest/typed"));
      return (JSON.parse(manifest) as { columns: { type: string }[] }).columns.map(({ type }) => type);
    };
    expect(await types(trees.new)).toEqual(await types(trees.old));
    const upload = (body: () => BodyInit) => async (tree: Tree) => {
      const text = await ask(tree, `/v1/ingest?name=workers_${names++}`, { method: "POST", body: body() });
      expect(JSON.parse(new TextDecoder().decode(text))).toMatchObject({ rows_loaded: ingestRows });
    };
    await compare(
      "ingestd.body",
      upload(() => file),
    );
    const curl = async ({ url }: Tree) => {
      const child = Bun.spawn(
        ["curl", "-sSf", "-F", `file=@${csv}`, `${url}/v1/ingest?name=workers_${names++}`],
        { stdout: "pipe" },
      );
      expect(await new Response(child.stdout).json()).toMatchObject({ rows_loaded: ingestRows });
    };
    await compare("ingestd.form", curl);
    const small = (tree: Tree) =>
      times(40, 4, () =>
        ask(tree, `/v1/ingest?name=small_${names++}`, { method: "POST", body: "id,name\n1,Ann\n2,Bob\n" }),
      );
    await compare("ingestd.small ×40", small);
  },
  timeoutMs,
);

measured(
  "queryd",
  async () => {
    for (const tree of Object.values(trees)) {
      const rows = Array.from({ length: 1000 }, (_, id) => `${id},team ${id},${id % 7}`);
      await ask(tree, "/v1/ingest?name=teams", {
        method: "POST",
        body: `id,name,site\n${rows.join("\n")}\n`,
      });
      await ask(tree, "/v1/ingest?name=wide", { method: "POST", body: Bun.file(csv) });
    }
    const sql = (tree: Tree, text: string, accept = "application/json") =>
      ask(tree, "/v1/sql", {
        ...json({ sql: text }),
        headers: { accept, "content-type": "application/json" },
      });
    await compare("queryd.select-42 ×500", (tree) => times(500, 1, () => sql(tree, "SELECT 42 AS a")));
    const grouped =
      "SELECT site, count(*) AS n, max(name) AS m FROM teams WHERE id > 10 GROUP BY site ORDER BY site";
    await compare("queryd.group-by ×300", (tree) => times(300, 4, () => sql(tree, grouped)));
    // The system counts processor time in hundredths of a second: an answer of a quarter of one is asked for five times.
    for (const [kind, accept] of Object.entries({
      json: "application/json",
      ndjson: "application/x-ndjson",
      csv: "text/csv",
      arrow: "application/vnd.apache.arrow.stream",
      parquet: "application/vnd.apache.parquet",
    }))
      await compare(`queryd.${kind} ×5`, (tree) =>
        times(5, 1, () => sql(tree, "SELECT * FROM wide LIMIT 60000", accept)),
      );
  },
  timeoutMs,
);

const tpchScale = process.env.LAKEHOUSE_BENCH_TPCH;
measured.skipIf(tpchScale === undefined)(
  "tpch",
  async () => {
    const folder = join(home.path, "tpch");
    await makeTpch(folder, tpchScale ?? "1");
    const load = (table: string) => (tree: Tree) =>
      ask(tree, `/v1/ingest?name=${table}&mode=replace`, {
        method: "POST",
        body: Bun.file(join(folder, `${table}.csv`)),
      });
    for (const table of tpchTables.slice(0, -1))
      for (const tree of Object.values(trees)) await load(table)(tree);
    await compare("tpch.load lineitem", load("lineitem"));
    for (const [at, sql] of tpchQueries.entries())
      await compare(`tpch.Q${at + 1}`, (tree) => ask(tree, "/v1/sql", json({ sql })));
  },
  timeoutMs,
);

measured(
  "vectord",
  async () => {
    const vectors = Float32Array.from({ length: 4000 * dimension }, (_, at) => Math.sin(at * 12.9898) * 0.5);
    const vectorOf = (row: number) => [...vectors.subarray(row * dimension, (row + 1) * dimension)];
    const bodies = Array.from({ length: 4 }, (_, part) =>
      JSON.stringify({
        items: Array.from({ length: 1000 }, (_, at) => ({
          id: `w${part * 1000 + at}`,
          vector: vectorOf(part * 1000 + at),
          metadata: { row: at },
        })),
      }),
    );
    const fill = async (tree: Tree, name: string) => {
      await ask(tree, "/v1/vectors/index", json({ name, dimension }));
      for (const body of bodies)
        await ask(tree, `/v1/vectors/index/${name}/add`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
        });
      for (;;) {
        const { indexed } = JSON.parse(
          new TextDecoder().decode(await ask(tree, `/v1/vectors/index/${name}`)),
        );
        if (indexed >= 4000) return;
        await Bun.sleep(20);
      }
    };
    await compare("vectord.add 4,000 × 768", async (tree) => fill(tree, `index_${names++}`));
    for (const tree of Object.values(trees)) await fill(tree, "searched");
    const searched = Array.from({ length: 50 }, (_, at) => json({ vector: vectorOf(at * 70), k: 10 }));
    let turn = 0;
    const search = (tree: Tree) => ask(tree, "/v1/vectors/index/searched/search", searched[turn++ % 50]);
    await compare("vectord.search JSON ×800", (tree) => times(800, 8, () => search(tree)));
    const floats = (tree: Tree) =>
      ask(tree, "/v1/vectors/index/searched/search?k=10", {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body: vectors.slice(0, dimension),
      });
    await compare("vectord.search floats ×800", (tree) => times(800, 8, () => floats(tree)));
  },
  timeoutMs,
);

measured(
  "gateway",
  async () => {
    const megabyte = new Uint8Array(1 << 20).fill(97);
    for (const tree of Object.values(trees)) {
      await ask(tree, "/v1/storage/put/bench/one", { method: "PUT", body: megabyte });
      await ask(tree, "/v1/ingest?name=people", { method: "POST", body: "id,name\n1,Ann\n" });
    }
    await compare("gateway.small calls ×12,000", (tree) =>
      times(12_000, 32, () => ask(tree, "/v1/catalog/manifest/people")),
    );
    await compare("gateway.GET 1 MiB ×200", (tree) =>
      times(200, 4, () => ask(tree, "/v1/storage/get/bench/one")),
    );
    const large = new Uint8Array(50 << 20).fill(98);
    await compare("gateway.PUT 50 MiB ×2", (tree) =>
      times(2, 1, () => ask(tree, "/v1/storage/put/bench/large", { method: "PUT", body: large })),
    );
  },
  timeoutMs,
);

measured(
  "chatd",
  async () => {
    for (const stream of [false, true]) {
      const body = { model: "good", messages: [{ role: "user", content: "what is the answer?" }], stream };
      const call = (tree: Tree) => ask(tree, "/v1/chat/completions", json(body));
      await compare(`chatd.${stream ? "streamed" : "whole"} ×500`, (tree) =>
        times(500, 16, () => call(tree)),
      );
    }
  },
  timeoutMs,
);

/** A start to the first 200 of /readyz; `dataDir` is kept, or an empty one is made. */
async function compareStarts(name: string, dirs?: Record<"old" | "new", string>): Promise<void> {
  const spent = (tree: string, dataDir?: string) => async () => {
    const own = join(home.path, `start-${started++}`);
    mkdirSync(own);
    const product = await start(tree, dataDir ?? join(own, "data"));
    const ms = treeMs(product.pid);
    await product.end();
    rmSync(own, { recursive: true });
    return ms;
  };
  const medians = await inTurn(rounds, { old: spent(old ?? "", dirs?.old), new: spent(root, dirs?.new) });
  report(name, { "old ms": medians.old, "new ms": medians.new, ratio: medians.new / medians.old });
}

measured("start", () => compareStarts("start.empty"), timeoutMs);

measured(
  "start: with 1,000 datasets",
  async () => {
    const dirs = { old: join(home.path, "full-old"), new: join(home.path, "full-new") };
    for (const [key, tree] of [
      ["old", old ?? ""],
      ["new", root],
    ] as const) {
      const product = await start(tree, dirs[key]);
      let at = 0;
      await throughput(1000, 8, () =>
        ask(product, `/v1/ingest?name=dataset_${at++}`, {
          method: "POST",
          body: `id,name,day\n${at},a,${at % 7}\n`,
        }),
      );
      await product.end();
    }
    await compareStarts("start.1,000 datasets", dirs);
  },
  timeoutMs,
);
