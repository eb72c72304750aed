/**
 * From nothing to the first 200 of /readyz, in one process, and what the idle product takes in memory. On a machine that
 * does other work the processor's time is what to read: `cpu ms` counts the process's own, whoever else runs.
 */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import { clustered } from "../../../scripts/sample-data/make-vectors.ts";
import { median, report } from "../../support/campaigns/measure.ts";
import { ownAddress } from "../../support/product/addresses.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rounds = 7;
const services = Object.keys(topology);
const timeoutMs = 900_000;
const MiB = 1024 ** 2;

/** Processor time of a process so far, in milliseconds: fields 14 and 15 of proc(5), in hundredths of a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** One start on the directory, from the spawn to the first 200. */
async function measureStart(dataDir: string): Promise<{ wallMs: number; cpuMs: number }> {
  const binds = Object.fromEntries(services.map((name) => [`LH_${name.toUpperCase()}_BIND`, ownAddress()]));
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_)/.test(name));
  const started = performance.now();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../../runtime/main.ts")], {
    env: { ...Object.fromEntries(inherited), ...binds, LH_DATA_DIR: dataDir },
    stdio: ["ignore", "ignore", "ignore"],
  });
  const isReady = () =>
    fetch(`http://${binds.LH_GATEWAY_BIND}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`the product ended with ${child.exitCode}`);
    await Bun.sleep(5);
  }
  const measured = { wallMs: performance.now() - started, cpuMs: cpuMs(child.pid) };
  child.kill("SIGTERM");
  await child.exited;
  return measured;
}

async function fill(url: string): Promise<void> {
  for (let at = 0; at < 20; at++) {
    const rows = Array.from({ length: 1000 }, (_, row) => `${row},name ${row * at},${row % 7}`);
    const answer = await ingest(url, `name=dataset_${at}`, `id,name,day\n${rows.join("\n")}\n`);
    if (!answer.ok) throw new Error(await answer.text());
  }
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${url}/v1/vectors${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
  };
  const dimension = 128;
  const { vectors } = clustered(10_000, dimension, 0);
  await post("/index", { name: "people", dimension });
  for (let from = 0; from < 10_000; from += 1000) {
    const items = Array.from({ length: 1000 }, (_, at) => ({
      id: `p${from + at}`,
      vector: [...vectors.subarray((from + at) * dimension, (from + at + 1) * dimension)],
    }));
    await post("/index/people/add", { items });
  }
}

test(
  "from the spawn to the first 200 of /readyz",
  async () => {
    const full = temporaryDirectory("bench-start");
    const product = await startProduct({ dataDir: full.path });
    await fill(product.url);
    await product.end();
    const results: Record<string, { wallMs: number; cpuMs: number }[]> = { empty: [], full: [] };
    for (let round = 0; round <= rounds; round++) {
      const empty = temporaryDirectory("bench-start");
      const both = {
        empty: await measureStart(join(empty.path, "data")),
        full: await measureStart(product.dataDir),
      };
      empty.remove();
      // The first one fills the page cache.
      if (round > 0) for (const [name, measured] of Object.entries(both)) results[name]?.push(measured);
    }
    full.remove();
    for (const [name, measured] of Object.entries(results))
      report(`start.${name}`, {
        "wall ms": median(measured.map(({ wallMs }) => wallMs)),
        "least wall ms": Math.min(...measured.map(({ wallMs }) => wallMs)),
        "cpu ms": median(measured.map(({ cpuMs: ms }) => ms)),
        "least cpu ms": Math.min(...measured.map(({ cpuMs: ms }) => ms)),
      });
    expect(results.empty).toHaveLength(rounds);
  },
  timeoutMs,
);

/** Resident memory by what it is mapped from, in MiB. */
function mappings(pid: number): Record<string, number> {
  const sums: Record<string, number> = {};
  let kind = "";
  for (const line of readFileSync(`/proc/${pid}/smaps`, "utf8").split("\n")) {
    const [, path] = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
    if (path !== undefined) kind = kindOf(path);
    const [, kilobytes] = /^Rss:\s+(\d+) kB/.exec(line) ?? [];
    if (kilobytes !== undefined) sums[kind] = (sums[kind] ?? 0) + Number(kilobytes) / 1024;
  }
  return sums;
}

const kindOf = (path: string): string => {
  if (path === "" || path.startsWith("[")) return "anonymous";
  if (/duckdb/.test(path)) return "DuckDB's library";
  if (/usearch/.test(path)) return "usearch's library";
  if (/\/bun[^/]*$/.test(path)) return "Bun's program";
  return "other files";
};

/** The JavaScript heap of each service that runs, in bytes, by its own word. */
async function heaps(product: Product, names: readonly string[]): Promise<number> {
  const each = names.map(async (name) => {
    const text = await (await fetch(`${product.addresses[name]}/metrics`)).text();
    return Number(/^lakehouse_heap_bytes (\d+)/m.exec(text)?.[1] ?? 0);
  });
  return (await Promise.all(each)).reduce((sum, bytes) => sum + bytes, 0) / MiB;
}

const threadsOf = (pid: number): number => readdirSync(`/proc/${pid}/task`).length;

/** Services are added one by one: what each adds is the difference to the process before it. */
test(
  "memory of the idle product, by what it belongs to",
  async () => {
    const bare = Bun.spawn([process.execPath, "-e", "setInterval(() => {}, 1000); console.log(1)"], {
      stdout: "pipe",
    });
    await bare.stdout.getReader().read();
    const table: Record<string, string | number>[] = [];
    const add = (what: string, pid: number, heap: number, before: number): number => {
      const parts = mappings(pid);
      const resident = Object.values(parts).reduce((sum, size) => sum + size, 0);
      const { anonymous = 0, "DuckDB's library": duckdb = 0, "usearch's library": usearch = 0 } = parts;
      table.push({
        "one process with": what,
        "resident MiB": Math.round(resident),
        "more MiB": Math.round(resident - before),
        "Bun's program": Math.round(parts["Bun's program"] ?? 0),
        "DuckDB's library": Math.round(duckdb),
        "usearch's library": Math.round(usearch),
        "other files": Math.round(parts["other files"] ?? 0),
        anonymous: Math.round(anonymous),
        "of it JS heaps": Math.round(heap),
        threads: threadsOf(pid),
      });
      return resident;
    };
    let before = add("nothing: bare Bun", bare.pid, 0, 0);
    bare.kill();
    const order = [...services];
    for (let count = 1; count <= order.length; count++) {
      const names = order.slice(0, count);
      const product = await startProduct({ flags: ["--only", names.join(",")] });
      before = add(`+ ${names.at(-1)}`, product.pid, await heaps(product, names), before);
      await product.end();
    }
    process.stdout.write(`${Bun.inspect.table(table)}\n`);
    expect(table).toHaveLength(services.length + 1);
  },
  timeoutMs,
);
