/** Where the product writes and listens: disk and ports. */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { isLoopback } from "../../runtime/auth.ts";
import { parseBind } from "../../runtime/config.ts";
import type { Config, ServiceSection } from "../../runtime/settings.ts";
import { broken, type Check, messageOf, ok } from "./check.ts";
import { listening } from "./configuration.ts";

const GiB = 1024 ** 3;
/** Below this an ingest of the default size may fill the disk. */
const freeBytesMin = GiB;
const portTimeoutMs = 2000;

/** The folder itself, or the nearest one above it that exists. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

/** Writes one block, makes it durable and takes it away again; in milliseconds. */
function timeFsync(directory: string): number {
  const file = join(directory, `.doctor-${crypto.randomUUID()}`);
  try {
    const descriptor = openSync(file, "wx");
    try {
      const startedAt = performance.now();
      writeSync(descriptor, new Uint8Array(4096));
      fsyncSync(descriptor);
      return performance.now() - startedAt;
    } finally {
      closeSync(descriptor);
    }
  } finally {
    rmSync(file, { force: true });
  }
}

export function dataDirectory({ data_dir }: Config): Check {
  const at = existing(data_dir);
  try {
    const { bavail, bsize } = statfsSync(at);
    const free = bavail * bsize;
    const found = `${data_dir}: ${(free / GiB).toFixed(1)} GiB free, fsync ${timeFsync(at).toFixed(1)} ms`;
    if (free >= freeBytesMin) return ok("data directory", true, found);
    return broken("data directory", true, found, `free at least 1 GiB, or set data_dir to a larger disk`);
  } catch (cause) {
    const fix = `make ${at} writable for this user, or set data_dir (LH_DATA_DIR) elsewhere`;
    return broken("data directory", true, `${data_dir}: ${messageOf(cause)}`, fix);
  }
}

const isOpen = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: portTimeoutMs });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.on("connect", () => end(true));
    socket.on("error", () => end(false));
    socket.on("timeout", () => end(false));
  });

/** Which service answers there, if it is one of Lakehouse's. */
async function serviceAt(origin: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${origin}/health`, { signal: AbortSignal.timeout(portTimeoutMs) });
    const { service } = (await response.json()) as { service?: unknown };
    return typeof service === "string" ? service : undefined;
  } catch {
    return undefined; // something else answers, or nothing
  }
}

/** Free, held by the service it belongs to, or taken by another program. */
async function portOf(
  config: Config,
  name: ServiceSection,
): Promise<{ state: "free" | "ours" | "taken"; bind: string }> {
  const { bind } = config[name];
  const { host, port } = parseBind(bind);
  const reached = isLoopback(host) ? host : "127.0.0.1";
  if (port === 0 || !(await isOpen(reached, port))) return { state: "free", bind };
  const service = await serviceAt(`http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`);
  return { state: service === name ? "ours" : "taken", bind };
}

export async function ports(config: Config): Promise<Check> {
  const names = listening(config);
  const found = await Promise.all(names.map((name) => portOf(config, name)));
  const taken = names.filter((_, at) => found[at]?.state === "taken");
  const running = found.filter(({ state }) => state === "ours").length;
  const told =
    running === 0
      ? `${names.length} free`
      : `${running} of ${names.length} held by this Lakehouse, the others free`;
  if (taken.length === 0) return ok("ports", true, told);
  const list = taken.map((name) => `${name} (${config[name].bind})`).join(", ");
  const fix = `stop what listens there (ss -ltnp), or set LH_${taken[0]?.toUpperCase()}_BIND to another address`;
  return broken("ports", true, `taken by another program: ${list}`, fix);
}
