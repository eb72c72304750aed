/**
 * TPC-H beside peers, each at its defaults on the same cores: the eight tables loaded from CSV, and the 22 queries over
 * HTTP beside DuckDB in process, on our own Parquet objects and on its own tables.
 * `LAKEHOUSE_BENCH_TPCH=SCALE bun test --timeout=3600000 ./tests/bench/tables/tpch.bench.ts`; scale 1 is 1 GB of CSV.
 * The generator and the peers come from PyPI into environments of their own, at a first run.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { interpreter } from "../../../scripts/python/python.ts";
import { inTurn, median, report, timed } from "../../support/campaigns/measure.ts";
import { makeTpch, tpchTables as tables } from "../../support/campaigns/tpch.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { tpchQueries } from "../peers/tpch/queries.ts";

const scale = process.env.LAKEHOUSE_BENCH_TPCH;
const rounds = Number(process.env.LAKEHOUSE_BENCH_ROUNDS ?? 5);
const measured = test.skipIf(scale === undefined);
const timeoutMs = 3_600_000;
const packages = { duckdb: "duckdb==2.0.1", polars: "polars==2.1.0", chdb: "chdb==4.4.0" };

interface Answer {
  ms: number;
  rows?: (string | null)[][];
}
interface Peer {
  name: string;
  ask: (job: Record<string, unknown>) => Promise<Answer>;
  end: () => void;
}

const home = temporaryDirectory("bench-tpch");
const csvOf = (table: string): string => join(home.path, `${table}.csv`);
let product: Product;
const peers: Peer[] = [];

async function startPeer(name: keyof typeof packages): Promise<Peer> {
  const python = await interpreter(`tpch-${name}`, [packages[name]]);
  const script = resolve(import.meta.dir, "../peers/tpch/peer.py");
  const child = Bun.spawn([python, "-B", script, name], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const decoder = new TextDecoder();
  const chunks = child.stdout[Symbol.asyncIterator]();
  let text = "";
  const answer = async () => {
    while (!text.includes("\n")) {
      const { value, done } = await chunks.next();
      if (done) throw new Error(`${name} ended`);
      text += decoder.decode(value, { stream: true });
    }
    const line = text.slice(0, text.indexOf("\n"));
    text = text.slice(line.length + 1);
    return JSON.parse(line) as Record<string, unknown>;
  };
  report(`tpch.${name}`, (await answer()) as Record<string, string>);
  const ask = async (job: Record<string, unknown>) => {
    child.stdin.write(`${JSON.stringify(job)}\n`);
    await child.stdin.flush();
    const answered = await answer();
    if (answered.error !== undefined) throw new Error(`${name}: ${answered.error}`);
    return answered as unknown as Answer;
  };
  return { name, ask, end: () => child.kill() };
}

beforeAll(async () => {
  if (scale === undefined) return;
  await makeTpch(home.path, scale);
  for (const name of ["duckdb", "polars", "chdb"] as const) peers.push(await startPeer(name));
  product = await startProduct({ env: { LH_INGESTD_MAX_INGEST_BYTES: String(2 ** 40) } });
}, timeoutMs);
afterAll(async () => {
  for (const peer of peers) peer.end();
  await product?.end();
  home.remove();
});

async function load(table: string): Promise<number> {
  const started = performance.now();
  const answer = await fetch(`${product.url}/v1/ingest?name=${table}&mode=replace`, {
    method: "POST",
    body: Bun.file(csvOf(table)),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${table}: ${text}`);
  return performance.now() - started;
}

measured(
  "load",
  async () => {
    for (const table of tables) {
      const out = join(home.path, `${table}.parquet`);
      const theirs = Object.fromEntries(
        peers.map(({ name, ask }) => [
          name,
          async () => (await ask({ job: "load", csv: csvOf(table), out })).ms,
        ]),
      );
      const turns = { ours: () => load(table), ...theirs } as Record<
        "ours" | keyof typeof packages,
        () => Promise<number>
      >;
      const { ours, ...others } = await inTurn(table === "lineitem" ? rounds : 3, turns);
      const ratios = {
        "to duckdb": ours / others.duckdb,
        "to the best": ours / Math.min(...Object.values(others)),
      };
      report(`tpch.load ${table}`, { ours, ...others, ...ratios });
    }
  },
  timeoutMs,
);

/** Numbers by their first eleven digits: sums of doubles differ in the last, and 5 and 5.00 are one value. */
const plain = (cell: unknown): string | null => {
  if (cell === null || cell === undefined) return null;
  const number = Number(cell);
  return String(cell).trim() === "" || Number.isNaN(number) ? String(cell) : number.toPrecision(11);
};

async function ours(sql: string): Promise<unknown[][]> {
  const answer = await fetch(`${product.url}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${sql}: ${text}`);
  return (JSON.parse(text) as object[]).map((row) => Object.values(row));
}

measured(
  "queries",
  async () => {
    const duckdb = peers.find(({ name }) => name === "duckdb") as Peer;
    for (const table of tables) {
      const folder = join(product.dataDir, "buckets/primary/datasets", table);
      const objects = readdirSync(folder).filter((file) => file.endsWith(".parquet"));
      const files = JSON.stringify(objects.map((file) => join(folder, file))).replaceAll('"', "'");
      await duckdb.ask({ job: "open", name: table, files, native: false });
      await duckdb.ask({ job: "open", name: `native_${table}`, files, native: true });
    }
    const named = new RegExp(`\\b(${tables.join("|")})\\b(?=[ ,)]|$)`, "gm");
    const ratios = { parquet: [] as number[], native: [] as number[] };
    for (const [at, sql] of tpchQueries.entries()) {
      // Aliases such as `FROM lineitem l1` keep their columns, which no query names by the table.
      const native = sql.replaceAll(named, (name) => `native_${name}`);
      const theirs = (text: string) => async () => (await duckdb.ask({ job: "query", sql: text })).ms;
      let rows: unknown[][] = [];
      const first = await timed(async () => {
        rows = await ours(sql);
      });
      const told = await duckdb.ask({ job: "query", sql });
      expect(rows.map((row) => row.map(plain))).toEqual((told.rows ?? []).map((row) => row.map(plain)));
      const medians = await inTurn(rounds, {
        ours: () => timed(() => ours(sql)),
        parquet: theirs(sql),
        native: theirs(native),
      });
      ratios.parquet.push(medians.ours / medians.parquet);
      ratios.native.push(medians.ours / medians.native);
      const beside = { "first to first": first / told.ms, "to parquet": ratios.parquet.at(-1) ?? 0 };
      report(`tpch.Q${at + 1}`, { ...medians, first, ...beside, "to native": ratios.native.at(-1) ?? 0 });
    }
    for (const [kind, all] of Object.entries(ratios))
      report(`tpch.queries to ${kind}`, {
        "geometric mean": Math.exp(all.reduce((sum, ratio) => sum + Math.log(ratio), 0) / all.length),
        median: median(all),
        greatest: Math.max(...all),
      });
  },
  timeoutMs,
);
