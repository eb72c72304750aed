/**
 * `bun run fsck [SERVICE…] [--gateway URL] [--json] [--config FILE]`: every service reads again all that it keeps, and
 * tells what is damaged and what to do. Ends with 0 when all is whole, 1 when something is damaged, 2 when something
 * could not be checked.
 */

import { parseBind, urlOf } from "../../runtime/addresses/addresses.ts";
import type { Config } from "../../runtime/config/config.ts";
import { configOf, type Gateway, UsageError } from "../command-line/command-line.ts";
import { type FsckArguments, parseFsckArguments, servicesOf, usage } from "./arguments.ts";
import { inspectService, isRunning, Unreachable } from "./inspection.ts";
import { startOwn } from "./own-product.ts";
import { createReport, terminal } from "./report.ts";

/** The gateway of the configuration, as a program on this machine reaches it. */
function configuredGateway({ gateway }: Config): string {
  if (gateway.url !== "") return gateway.url.replace(/\/$/, "");
  return urlOf(gateway.bind, parseBind(gateway.bind).port);
}

interface Found {
  gateway: Gateway;
  end: () => Promise<void>;
}

/** The Lakehouse that runs, or one that is started for the check. */
async function find(words: FsckArguments, config: Config): Promise<Found> {
  const { token } = config.auth;
  const end = async (): Promise<void> => {};
  if (words.gateway !== undefined) {
    const gateway = { url: words.gateway, token: process.env.AUTH_TOKEN || token };
    if (await isRunning(gateway)) return { gateway, end };
    throw new Unreachable(
      `no Lakehouse answers at ${words.gateway}: start it, or name another with --gateway URL`,
    );
  }
  const configured = configuredGateway(config);
  const gateway = { url: configured, token };
  if (await isRunning(gateway)) return { gateway, end };
  process.stderr.write(`none runs at ${configured}: one is started on ${config.data_dir} for the check\n`);
  const own = await startOwn(words, { dataDir: config.data_dir, configured });
  return { gateway: { url: own.address, token }, end: own.end };
}

async function main(): Promise<number> {
  const given = process.argv.slice(2);
  if (given.includes("--help")) {
    terminal.print(usage);
    return 0;
  }
  const words = parseFsckArguments(given);
  const config = configOf(words);
  const services = servicesOf(words, config);
  const { gateway, end } = await find(words, config);
  try {
    const report = createReport(words);
    for (const service of services) {
      const at = report.begin(service);
      at.end(await inspectService(gateway, service, at));
    }
    return report.end(gateway.url);
  } finally {
    await end();
  }
}

try {
  process.exitCode = await main();
} catch (cause) {
  const isTold = cause instanceof UsageError || cause instanceof Unreachable;
  const problem = isTold ? cause.message : `unexpected: ${(cause as Error).stack}`;
  process.stderr.write(`fsck: ${problem}\n`);
  if (process.argv.includes("--json")) terminal.print(JSON.stringify({ ok: false, problem }));
  process.exitCode = 2;
}
