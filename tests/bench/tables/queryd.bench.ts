/**
 * queryd beside DuckDB in the same process, in alternating rounds: the latency of a small query, the throughput of
 * large results, and the memory they take. `bun test --bench queryd`
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { inTurn, latencies, quantile, timed } from "../../support/campaigns/measure.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { type QuerydStack, startQuerydStack } from "../../support/stacks/queryd.ts";

const rows = 2_000_000;
const say = (line: string) => process.stderr.write(`${line}\n`);

let stack: QuerydStack;
let server: ReturnType<typeof Bun.serve>;
let instance: DuckDBInstance;
let connection: DuckDBConnection;
let path: string;

beforeAll(async () => {
  stack = await startQuerydStack({ queryd: { memory_limit: "1GB" } });
  await stack.dataset(
    "events",
    `SELECT range AS i, range * 2 AS b, (range % 1000) / 7.0 AS r, if(range % 10 = 0, NULL, 's' || (range % 1000)) AS s FROM range(${rows})`,
  );
  await stack.dataset(
    "teams",
    "SELECT range AS id, 'team ' || range AS name, range % 7 AS site FROM range(1000)",
  );
  server = Bun.serve({
    port: 0,
    idleTimeout: 0,
    development: false,
    fetch: (request) => stack.send(request),
  });
  instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  connection = await instance.connect();
  for (const name of ["events", "teams"]) {
    const manifest = await stack.catalogd.peer.verbs.manifest({ name });
    const location = await stack.storaged.peer.verbs.locate({ key: manifest.objects[0]?.key ?? "" });
    path = location.kind === "local" ? location.path : "";
    await connection.run(`CREATE VIEW ${name} AS FROM read_parquet('${path}')`);
  }
}, 120_000);
afterAll(async () => {
  await server.stop(true);
  connection.closeSync();
  instance.closeSync();
  await stack.stop();
});

const post = (sql: string, accept: string, params?: unknown[]) =>
  fetch(new URL("/sql", server.url), {
    method: "POST",
    headers: { accept, "content-type": "application/json" },
    body: JSON.stringify({ sql, ...(params && { params }) }),
  });

const small: [name: string, sql: string][] = [
  ["SELECT 42", "SELECT 42 AS a"],
  ["count(*)", "SELECT count(*) FROM teams"],
  [
    "group by of 1,000 rows",
    "SELECT site, count(*) AS n, max(name) AS m FROM teams WHERE id > 10 GROUP BY site ORDER BY site",
  ],
];

test("small queries through the gateway and in process", async () => {
  const product = await startProduct();
  try {
    const csv = Array.from({ length: 1000 }, (_, id) => `${id},team ${id},${id % 7}`).join("\n");
    await (await ingest(product.url, "name=teams", `id,name,site\n${csv}\n`)).text();
    for (const [name, sql] of small) await compareSmall(product, name, sql);
  } finally {
    await product.end();
  }
}, 300_000);

async function compareSmall({ url }: Pick<Product, "url">, name: string, sql: string): Promise<void> {
  const send = async (text: string) => {
    const response = await fetch(`${url}/v1/sql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sql: text }),
    });
    await response.text();
    expect(response.status).toBe(200);
  };
  let round = 0;
  const candidates: Record<string, () => Promise<void>> = {
    http: () => send(sql),
    process: async () => void (await connection.runAndReadAll(sql)).getRowObjectsJson(),
    fresh: () => send(`${sql} -- ${round++}`),
  };
  const all: Record<string, number[]> = { http: [], process: [], fresh: [] };
  for (let at = 0; at < 6; at++) {
    for (const [key, call] of Object.entries(candidates)) {
      const found = await latencies(150, call);
      if (at > 0) all[key]?.push(...found);
    }
  }
  const p = (key: string, share: number) => quantile(all[key] ?? [], share);
  const shown = (key: string) => `${p(key, 0.5).toFixed(2)} / ${p(key, 0.99).toFixed(2)}`;
  say(
    `small query, ${name}: p50 / p99 ms: POST /v1/sql ${shown("http")}, text never seen before ${shown("fresh")}, in process ${shown("process")}; p50 over in process ${(p("http", 0.5) - p("process", 0.5)).toFixed(2)} ms`,
  );
}

/** Reads the whole answer and throws it away. */
async function drained(accept: string): Promise<number> {
  let bytes = 0;
  const ms = await timed(async () => {
    const response = await post("SELECT * FROM events", accept);
    if (response.body) for await (const chunk of response.body) bytes += chunk.length;
  });
  expect(bytes).toBeGreaterThan(rows);
  return rows / ms / 1000;
}

async function fetched(read: (chunk: { getColumns: () => unknown } | null) => void): Promise<number> {
  const ms = await timed(async () => {
    const result = await connection.stream("SELECT * FROM events");
    for (let chunks = 0; ; chunks++) {
      const chunk = await result.fetchChunk();
      if (!chunk?.rowCount) return;
      read(chunk);
      if (chunks % 256 === 0) Bun.gc(false);
    }
  });
  return rows / ms / 1000;
}

test("large results over HTTP and in process, in million rows a second", async () => {
  const speeds = await inTurn(5, {
    "in process, values": () => fetched((chunk) => chunk?.getColumns()),
    "in process, chunks unread": () => fetched(() => {}),
    arrow: () => drained("application/vnd.apache.arrow.stream"),
    ndjson: () => drained("application/x-ndjson"),
    json: () => drained("application/json"),
    csv: () => drained("text/csv"),
    parquet: () => drained("application/vnd.apache.parquet"),
  });
  const base = speeds["in process, values"];
  for (const [name, speed] of Object.entries(speeds))
    say(
      `${rows / 1e6} M rows × 4: ${name}: ${speed.toFixed(2)} M rows/s, ${(speed / base).toFixed(2)} × in-process fetch of the values`,
    );
}, 600_000);

const rssMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;

test("memory while 10 million rows stream", async () => {
  for (const accept of ["application/x-ndjson", "application/vnd.apache.arrow.stream", "text/csv"]) {
    Bun.gc(true);
    const before = rssMb();
    let peak = before;
    const response = await post("SELECT a.i, a.b, a.r, a.s FROM events a, range(3) LIMIT 10000000", accept);
    let pieces = 0;
    if (response.body)
      for await (const _ of response.body) if (pieces++ % 50 === 0) peak = Math.max(peak, rssMb());
    say(`10 M rows as ${accept}: memory from ${before.toFixed(0)} to at most ${peak.toFixed(0)} MB`);
    expect(peak - before).toBeLessThan(300);
  }
}, 600_000);
