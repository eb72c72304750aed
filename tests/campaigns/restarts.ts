/**
 * Stops and restarts queryd and ingestd while queries and uploads are in flight, in one process that must never
 * abort nor keep threads or memory: `bun tests/campaigns/restarts.ts [--count 100] [--seed 1]`. Prints one JSON line.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemClock } from "../../runtime/clock.ts";
import { createLog } from "../../runtime/log.ts";
import type { ServiceSection } from "../../runtime/settings.ts";
import { type Supervisor, startSupervisor } from "../../runtime/supervisor.ts";
import { topology } from "../../runtime/topology.ts";
import { workersPieces } from "../../scripts/make-workers.ts";
import { configWith, temporaryDirectory } from "../support/in-process.ts";

const { values } = parseArgs({
  options: { count: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
});
const count = Number(values.count);
let state = Number(values.seed) >>> 0;
/** Park–Miller's minimal standard generator: the same seed gives the same kills. */
const random = () => {
  state = (state * 48_271 + 11) % 2_147_483_647;
  return state / 2_147_483_647;
};

const directory = temporaryDirectory("restarts");
const bind = { bind: "127.0.0.1:0" };
const config = configWith({
  data_dir: directory.path,
  gateway: bind,
  storaged: bind,
  catalogd: bind,
  ingestd: { ...bind, memory_limit: "512MB" },
  queryd: { ...bind, memory_limit: "512MB" },
  supervisor: { restart_limit: 1000, backoff_ms: 1, backoff_max_ms: 1 },
});
const aborted: string[] = [];
const supervisor: Supervisor = await startSupervisor({
  config,
  topology,
  only: Object.keys(topology) as ServiceSection[],
  clock: systemClock,
  log: createLog("supervisor", "error", () => {}),
  restartProcess: (reason) => aborted.push(reason),
});
const url = supervisor.status().find(({ name }) => name === "gateway")?.address ?? "";

const csv = Buffer.concat([...workersPieces({ rows: 20_000, seed: 3 })]);
const outcomes = { answered: 0, refused: 0, cut: 0, wrong: [] as string[] };
let over = false;

const upload = (name: string) =>
  fetch(`${url}/v1/ingest?name=${name}&format=csv`, { method: "POST", body: csv });
const query = (sql: string, accept: string) =>
  fetch(`${url}/v1/sql`, {
    method: "POST",
    body: JSON.stringify({ sql }),
    headers: { "content-type": "application/json", accept },
  });

/** Repeats a request until the end; whatever ends with 200 must be whole. */
async function load(request: () => Promise<Response>, isWhole: (text: string) => boolean): Promise<void> {
  while (!over) {
    try {
      const response = await request();
      const text = await response.text();
      if (response.ok && !isWhole(text)) outcomes.wrong.push(text.slice(0, 300));
      else if (!response.ok && response.status < 500 && response.status !== 499)
        outcomes.wrong.push(text.slice(0, 300));
      else outcomes[response.ok ? "answered" : "refused"] += 1;
    } catch {
      outcomes.cut += 1;
    }
    await Bun.sleep(1);
  }
}

const figures = () => {
  Bun.gc(true);
  const status = readFileSync("/proc/self/status", "utf8");
  const read = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return { threads: read("Threads"), resident_mb: Math.round(read("VmRSS") / 1024) };
};

/** A restarted service is ready under a new start time. */
async function restarted(name: ServiceSection, before: number): Promise<void> {
  const now = () => supervisor.status().find((service) => service.name === name);
  while (now()?.state !== "ready" || (now()?.restarts ?? 0) <= before) {
    if (aborted.length > 0) throw new Error(`the process had to be replaced: ${aborted[0]}`);
    await Bun.sleep(2);
  }
}

const seeded = await upload("base");
if (!seeded.ok) throw new Error(await seeded.text());
const lines = "SELECT worker_id, notes FROM base CROSS JOIN range(20)";
const loads = [
  load(
    () => query("SELECT count(*) AS n FROM base", "application/json"),
    (text) => text === '[{"n":20000}]',
  ),
  load(
    () => query("SELECT count(*) AS n FROM base a, base b WHERE a.zip < b.zip", "application/json"),
    (text) => text.startsWith('[{"n":'),
  ),
  load(
    () => query(lines, "application/x-ndjson"),
    (text) => text.split("\n").length - 1 === 400_000,
  ),
  load(
    () => query(lines, "text/csv"),
    (text) => text.length > 400_000,
  ),
  load(
    () => upload("changing"),
    (text) => JSON.parse(text).rows_loaded === 20_000,
  ),
];

const warmUp = Math.min(10, Math.ceil(count / 4));
let before = figures();
const started = performance.now();
for (let cycle = 0; cycle < count; cycle++) {
  if (cycle === warmUp) before = figures();
  await Bun.sleep(random() * 120);
  const names: ServiceSection[] =
    random() < 0.34 ? ["queryd"] : random() < 0.5 ? ["ingestd"] : ["queryd", "ingestd"];
  const restarts = names.map(
    (name) => supervisor.status().find((service) => service.name === name)?.restarts ?? 0,
  );
  for (const name of names) supervisor.kill(name);
  await Promise.all(names.map((name, at) => restarted(name, restarts[at] ?? 0)));
}
over = true;
await Promise.all(loads);
const after = figures();
const elapsed_s = Math.round((performance.now() - started) / 100) / 10;
const check = await (await query("SELECT count(*) AS n FROM base", "application/json")).text();
if (check !== '[{"n":20000}]') outcomes.wrong.push(check);
await supervisor.stop();
directory.remove();
process.stdout.write(
  `${JSON.stringify({ cycles: count, seed: Number(values.seed), elapsed_s, ...outcomes, before, after })}\n`,
);
process.exit(outcomes.wrong.length === 0 && aborted.length === 0 ? 0 : 1);
