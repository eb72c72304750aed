/**
 * `bun run status [--gateway URL] [--every SECONDS] [--once] [--json] [--config FILE]`: a live table of the services:
 * state, restarts, load, latency, what waits, memory and disk. The token, where one is set, comes from the configuration
 * or AUTH_TOKEN. Ends with 0 when every service is ready, 1 when not, 2 when the gateway does not answer or the command
 * is wrong.
 */

import { parseBind, urlOf } from "../../runtime/addresses/addresses.ts";
import { tokensOf } from "../../runtime/auth/auth.ts";
import {
  type ConfigArguments,
  configOf,
  gatewayOf,
  parseArguments,
  UsageError,
} from "../command-line/command-line.ts";
import { type Page, readPage, rowOf } from "./pages.ts";
import { type Look, type Maintenance, type Process, render } from "./table.ts";
import { createUsage, type Usage } from "./usage.ts";

interface Listed {
  name: string;
  state: string;
  address: string;
  uptime_seconds?: number;
  restarts?: number;
  last_error?: string;
}

const timeoutMs = 3000;
const usage = `usage: bun run status [--gateway URL] [--every SECONDS] [--once] [--json] [--config FILE] [--SECTION.KEY=VALUE …]
  --gateway   of another Lakehouse than the configured one; the token comes from the configuration or AUTH_TOKEN
  --every     seconds between two looks, 2 unless told
  --once      one look and no more, as where the output is no terminal
  --json      the same as one line of JSON`;

/** The gateway and its token; those of the configuration unless given. */
interface Place {
  gateway: string;
  token: string | undefined;
  dataDir: string | undefined;
}

/**
 * Where the configuration says. Without one that can be read the defaults are looked at, unless the command names it:
 * `bun run doctor` says what is wrong with it.
 */
function configured(words: ConfigArguments): Place {
  try {
    const config = configOf(words);
    const { bind, url } = config.gateway;
    const gateway = url === "" ? urlOf(bind, parseBind(bind).port) : url;
    return { gateway, token: tokensOf(config.auth)[0], dataDir: config.data_dir };
  } catch (cause) {
    if (words.file !== undefined || words.flags.length > 0) throw cause;
    return {
      gateway: "http://127.0.0.1:3110",
      token: process.env.AUTH_TOKEN || undefined,
      dataDir: undefined,
    };
  }
}

async function ask(url: string, token: string | undefined): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
  if (response.ok) return response;
  const hint = response.status === 401 ? "; set AUTH_TOKEN to the token of auth.token" : "";
  throw new Error(`${url} answered ${response.status}${hint}`);
}

/** The metrics of a service; undefined when it does not answer, which its state tells already. */
const pageOf = (address: string, token: string | undefined): Promise<Page | undefined> =>
  ask(`${address}/metrics`, token).then(
    async (response) => readPage(await response.text(), performance.now()),
    () => undefined,
  );

const hostOf = (address: string): string => (URL.canParse(address) ? new URL(address).hostname : "");

/** One sample: a row for each service. Rates and latencies are since the previous sample, or since the start. */
async function sample({ gateway, token }: Place, before: Map<string, Page>, used: Usage): Promise<Look> {
  const { services, maintenance } = (await (await ask(`${gateway}/v1/system`, token)).json()) as {
    services: Listed[];
    maintenance?: Maintenance;
  };
  // Processes of two machines may have the same number.
  const processes = new Map<string, Process>();
  const rows = await Promise.all(
    services.map(async (service) => {
      const page = await pageOf(service.name === "gateway" ? gateway : service.address, token);
      const row = rowOf(service, page, before.get(service.name));
      const bytes = await used.of(service.name);
      if (page) before.set(service.name, page);
      return {
        page,
        host: hostOf(service.address),
        row: { ...row, ...(bytes !== undefined && { disk_bytes: bytes }) },
      };
    }),
  );
  for (const { page, host, row } of rows) {
    if (page?.pid === undefined) continue;
    const key = `${host} ${page.pid}`;
    const { services: names = [] } = processes.get(key) ?? {};
    processes.set(key, {
      pid: page.pid,
      resident_bytes: page.residentBytes ?? 0,
      services: [...names, row.name],
    });
  }
  const disk = used.disk();
  return {
    services: rows.map(({ row }) => row),
    processes: [...processes.values()],
    ...(disk && { disk }),
    ...(maintenance && { maintenance }),
  };
}

async function main(): Promise<number> {
  const given = process.argv.slice(2);
  if (given.includes("--help")) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const words = parseArguments(given, { options: ["gateway", "every"], switches: ["once", "json"], usage });
  const [strange] = words.plain;
  if (strange !== undefined) throw new UsageError(`unexpected word '${strange}'\n${usage}`);
  const everyMs = Number(words.options.every ?? 2) * 1000;
  if (!(everyMs >= 100))
    throw new UsageError(`--every: expected seconds, 0.1 or more, got '${words.options.every}'`);
  const own = configured(words);
  const place = { ...own, gateway: gatewayOf(words) ?? own.gateway };
  const json = words.switches.has("json");
  const live = process.stdout.isTTY && !words.switches.has("once") && !json;
  const before = new Map<string, Page>();
  const used = createUsage(own.dataDir);
  for (;;) {
    const found = await sample(place, before, used).catch((cause: Error) => cause);
    if (found instanceof Error && !live) throw found;
    const text =
      found instanceof Error
        ? unreachable(found)
        : json
          ? JSON.stringify(found)
          : render(found, process.stdout.columns);
    process.stdout.write(`${live ? "\u001b[2J\u001b[H" : ""}${text}\n`);
    if (!live)
      return found instanceof Error || !found.services.every(({ state }) => state === "ready") ? 1 : 0;
    await Bun.sleep(everyMs);
  }
}

const unreachable = (cause: Error): string => `the gateway does not answer: ${cause.message}`;

try {
  process.exitCode = await main();
} catch (cause) {
  process.stderr.write(`${cause instanceof UsageError ? cause.message : unreachable(cause as Error)}\n`);
  process.exitCode = 2;
}
