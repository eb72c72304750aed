/**
 * `bun run status [--gateway URL] [--every SECONDS] [--once] [--json]`: a live table of the services: state, restarts,
 * load, latency, what waits, and the disk. The token, where one is set, comes from AUTH_TOKEN.
 */
import { statfsSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadConfig } from "../runtime/config.ts";
import { type Page, readPage, rowOf } from "./status/pages.ts";
import { type Disk, type Row, render } from "./status/table.ts";

interface Listed {
  name: string;
  state: string;
  address: string;
  uptime_seconds?: number;
  restarts?: number;
  last_error?: string;
}

const timeoutMs = 3000;

const headers = (): Record<string, string> => {
  const token = process.env.AUTH_TOKEN;
  return token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` };
};

async function ask(url: string): Promise<Response> {
  const response = await fetch(url, { headers: headers(), signal: AbortSignal.timeout(timeoutMs) });
  if (response.ok) return response;
  const hint = response.status === 401 ? "; set AUTH_TOKEN to the token of auth.token" : "";
  throw new Error(`${url} answered ${response.status}${hint}`);
}

/** The metrics of a service; undefined when it does not answer, which its state tells already. */
const pageOf = (address: string): Promise<Page | undefined> =>
  ask(`${address}/metrics`).then(
    async (response) => readPage(await response.text(), performance.now()),
    () => undefined,
  );

/** The disk of this machine's data directory; undefined where the product runs elsewhere. */
function disk(): Disk | undefined {
  try {
    const path = loadConfig({ flags: [], env: process.env }).config.data_dir;
    const { bavail, blocks, bsize } = statfsSync(path);
    return { path, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}

/** One look: a row a service. Rates and latencies are those since the look before, or since the start. */
async function look(gateway: string, before: Map<string, Page>): Promise<Row[]> {
  const { services } = (await (await ask(`${gateway}/v1/system`)).json()) as { services: Listed[] };
  return Promise.all(
    services.map(async (service) => {
      const page = await pageOf(service.name === "gateway" ? gateway : service.address);
      const row = rowOf(service, page, before.get(service.name));
      if (page) before.set(service.name, page);
      return row;
    }),
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      gateway: { type: "string", default: "http://127.0.0.1:3110" },
      every: { type: "string", default: "2" },
      once: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const everyMs = Number(values.every) * 1000;
  if (!(everyMs >= 100)) {
    process.stderr.write(`--every: expected seconds, 0.1 or more, got '${values.every}'\n`);
    return 2;
  }
  const gateway = values.gateway.replace(/\/$/, "");
  const live = process.stdout.isTTY && !values.once && !values.json;
  const before = new Map<string, Page>();
  for (;;) {
    const rows = await look(gateway, before);
    const free = disk();
    const text = values.json
      ? JSON.stringify({ services: rows, ...(free && { disk: free }) })
      : render(rows, free);
    process.stdout.write(`${live ? "\u001b[2J\u001b[H" : ""}${text}\n`);
    if (!live) return rows.every(({ state }) => state === "ready") ? 0 : 1;
    await Bun.sleep(everyMs);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`the gateway does not answer: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
