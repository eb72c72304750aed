/**
 * Kills observerd with SIGKILL at random instants while operations are recorded, an overseer's file grows, clusters are
 * escalated and the log goes on in new files: `bun tests/campaigns/kills/observer.ts [--count 100] [--seed 1]`. After each
 * restart every acknowledged operation must be counted once, one whose answer was not seen once or not at all, and each
 * line of the overseer once. Prints one JSON line; exits 1 when something was wrong.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { campaignRules, killDuring, runCampaign } from "../../support/campaigns/campaign.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(100);
const { random } = rules;
const home = temporaryDirectory("campaign-observer");
const corrections = join(home.path, "overseer_corrections.jsonl");
const windowMs = 1000;
/** Small, so that new files and the end of old ones are always near. */
const flags = [
  "--only",
  "observerd",
  "--observerd.segment_bytes=8192",
  "--observerd.retained_bytes=65536",
  `--observerd.overseer_corrections_path=${corrections}`,
  "--observerd.overseer_corrections_interval_ms=10",
  "--observerd.escalation_interval_ms=10",
  "--observerd.escalation_threshold=5",
  `--observerd.escalation_window_ms=${windowMs}`,
];

interface Counted {
  total: number;
  failures: number;
}
interface Writer {
  source: string;
  /** Sent so far; the number of the last one is in its run_id. */
  sent: number;
  known: Counted;
  /** Sent, and not answered yet. */
  open: { run_id: string; success: boolean } | undefined;
  last: string;
}
interface Stats {
  total: number;
  successes: number;
  failures: number;
  by_source: Record<string, number>;
}

const outcomes = {
  acknowledged: 0,
  unanswered: 0,
  kept: 0,
  lines: 0,
  files: 0,
  escalations: 0,
  wrong: [] as string[],
};

async function get<T>(address: string, path: string): Promise<T> {
  const response = await fetch(`${address}${path}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

async function write(address: string, writer: Writer): Promise<void> {
  for (;;) {
    const success = random() < 0.7;
    const run_id = `${writer.source}-${++writer.sent}`;
    writer.open = { run_id, success };
    const error = success ? {} : { error: `TypeError: row ${writer.sent} of '${writer.source}'` };
    const body = { endpoint: `/v1/${writer.source}`, source: writer.source, run_id, success, duration_ms: 1 };
    const response = await fetch(`${address}/observer/event`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...body, ...error }),
    });
    const text = await response.text();
    if (!response.ok) {
      if (response.status < 429) outcomes.wrong.push(`event: ${response.status} ${text.slice(0, 300)}`);
      return;
    }
    outcomes.acknowledged += 1;
    writer.known = {
      total: writer.known.total + 1,
      failures: writer.known.failures + (success ? 0 : 1),
    };
    writer.last = run_id;
    writer.open = undefined;
  }
}

/** Lines in two parts, so that a half one is often what is found. */
async function correct(signal: { stopped: boolean }): Promise<void> {
  while (!signal.stopped) {
    const line = `${JSON.stringify({ endpoint: "/v1/corrected", run_id: `c-${outcomes.lines}` })}\n`;
    appendFileSync(corrections, line.slice(0, 20));
    await Bun.sleep(random() * 5);
    appendFileSync(corrections, line.slice(20));
    outcomes.lines += 1;
  }
}

/** Every line of the overseer is taken by and by, and none twice. */
async function corrected(address: string): Promise<Stats> {
  for (;;) {
    const stats = await get<Stats>(address, "/observer/stats");
    const taken = stats.by_source.overseer_correction ?? 0;
    if (taken > outcomes.lines) outcomes.wrong.push(`${taken} corrections of ${outcomes.lines} lines`);
    if (taken >= outcomes.lines) return stats;
    await Bun.sleep(5);
  }
}

async function verifyWriter(address: string, writer: Writer, stats: Stats, cycle: number): Promise<void> {
  const { source, known, open } = writer;
  const total = stats.by_source[source] ?? 0;
  const isKept = open !== undefined && total === known.total + 1;
  if (open) outcomes.unanswered += 1;
  if (isKept) {
    outcomes.kept += 1;
    writer.known = { total, failures: known.failures + (open.success ? 0 : 1) };
    writer.last = open.run_id;
  } else if (total !== known.total) {
    outcomes.wrong.push(`cycle ${cycle}: ${source} has ${total}, ${known.total} were acknowledged`);
  }
  writer.open = undefined;
  const { events } = await get<{ events: { run_id: string }[] }>(
    address,
    `/observer/events?source=${source}&page_size=1`,
  );
  if (writer.known.total > 0 && events[0]?.run_id !== writer.last)
    outcomes.wrong.push(
      `cycle ${cycle}: the latest of ${source} is ${events[0]?.run_id}, not ${writer.last}`,
    );
}

async function verify(address: string, all: Writer[], cycle: number): Promise<void> {
  const stats = await corrected(address);
  for (const writer of all) await verifyWriter(address, writer, stats, cycle);
  const sum = all.reduce((total, { known }) => total + known.total, outcomes.lines);
  const failures = all.reduce((total, { known }) => total + known.failures, 0);
  if (stats.total !== sum || stats.failures !== failures || stats.successes !== sum - failures)
    outcomes.wrong.push(
      `cycle ${cycle}: ${JSON.stringify(stats)} where ${sum} with ${failures} failures are known`,
    );
  const { clusters } = await get<{ clusters: { count: number; endpoint: string }[] }>(
    address,
    "/observer/failures",
  );
  const inClusters = clusters.reduce((total, cluster) => total + cluster.count, 0);
  if (inClusters !== failures)
    outcomes.wrong.push(`cycle ${cycle}: ${inClusters} of ${failures} failures in clusters`);
  await escalations(join(product.dataDir, "observerd"));
  const ready = await fetch(`${address}/readyz`);
  if (!ready.ok) outcomes.wrong.push(`cycle ${cycle}: ${await ready.text()}`);
}

const escalated = new Set<string>();

/** A cluster is escalated at most once a window, as the log has it. */
async function escalations(directory: string): Promise<void> {
  const last = new Map<string, number>();
  const names = [...new Bun.Glob("operations-*.log").scanSync(directory)].sort();
  for (const name of names) {
    // Retention may let go of the oldest meanwhile.
    const text = await Bun.file(join(directory, name))
      .text()
      .catch(() => "");
    for (const line of text.split("\n")) {
      if (!line.includes('"record":{"escalated"')) continue;
      const { signature, at } = JSON.parse(line).record.escalated;
      const gap = Date.parse(at) - (last.get(signature) ?? Number.NEGATIVE_INFINITY);
      last.set(signature, Date.parse(at));
      escalated.add(`${signature} ${at}`);
      if (gap < windowMs) outcomes.wrong.push(`${signature} was escalated twice within ${gap} ms`);
    }
  }
}

const all: Writer[] = Array.from({ length: 4 }, (_, number) => ({
  source: `writer${number}`,
  sent: 0,
  known: { total: 0, failures: 0 },
  open: undefined,
  last: "",
}));
let product: Product = await startProduct({ dataDir: home.path, flags });
const address = () => product.addresses.observerd ?? "";
await runCampaign({
  name: "observer",
  rules,
  outcomes,
  cycle: async (cycle) => {
    const signal = { stopped: false };
    const correcting = correct(signal);
    const loads = all.map((writer) => write(address(), writer));
    await killDuring(product, loads, {
      acknowledged: () => outcomes.acknowledged,
      moreMs: random() * 300,
    });
    signal.stopped = true;
    await correcting.catch(() => undefined);
    product = await startProduct({ dataDir: home.path, flags });
    await verify(address(), all, cycle);
    return `${outcomes.acknowledged} acknowledged`;
  },
  end: async () => {
    const names = [...new Bun.Glob("operations-*.log").scanSync(join(product.dataDir, "observerd"))];
    outcomes.escalations = escalated.size;
    outcomes.files = Math.max(...names.map((name) => Number(/\d+/.exec(name)?.[0])));
    await product.end();
    home.remove();
  },
});
