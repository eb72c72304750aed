/** A Lakehouse to look at: one that is started here on free ports over a directory of its own, or one that runs elsewhere. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { defaults, type ServiceSection } from "../../runtime/config/config.ts";
import { listening } from "../command-line/command-line.ts";

const root = resolve(import.meta.dir, "../..");
/** Bounds for what hangs; a busy machine may take a hundred times what an idle one does. */
const startTimeoutMs = 10 * 60_000;
const requestTimeoutMs = 10 * 60_000;

/** An answer with its body read: JSON where it is JSON, else text. */
export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

export interface Lake {
  /** As `http://127.0.0.1:3110`. */
  gateway: string;
  /** Sends to the gateway (a path such as `/v1/sql`) or to a whole URL, with the token. */
  open: (target: string, init?: RequestInit) => Promise<Response>;
  /** The same, with the answer's body read. */
  send: (target: string, init?: RequestInit) => Promise<Answer>;
}

export interface StartOptions {
  /** As on the command line: `--storaged.max_put_bytes=1000`. */
  flags?: readonly string[];
  env?: Record<string, string>;
  /** The data directory; a new one unless told. It is not removed when told. */
  directory?: string;
}

export interface Product extends Lake {
  /** Whether the process has not ended yet. */
  runs: () => boolean;
  /** The lines it logged as errors since this was last asked. */
  errors: () => string[];
  /** Has every process read its configuration again (SIGHUP); rejects when one refuses what it finds. */
  reload: () => Promise<void>;
  /** Ends the process and waits for it; everything but SIGKILL drains first. */
  end: (signal: "SIGTERM" | "SIGKILL") => Promise<void>;
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("application/json") ?? false;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** The lake behind a gateway's address. Requests are bounded in time. */
export function lakeAt(gateway: string, token?: string): Lake {
  const open: Lake["open"] = (target, init = {}) => {
    const headers = new Headers(init.headers);
    if (token) headers.set("authorization", `Bearer ${token}`);
    const url = target.startsWith("/") ? gateway + target : target;
    return fetch(url, { signal: AbortSignal.timeout(requestTimeoutMs), ...init, headers });
  };
  return { gateway, open, send: async (target, init) => read(await open(target, init)) };
}

/** The services of each process: all in one, each in its own, or some together. They reach each other over HTTP then. */
const groups = {
  one: (names: readonly ServiceSection[]) => [names],
  apart: (names: readonly ServiceSection[]) => names.map((name) => [name]),
  mixed: (names: readonly ServiceSection[]) => {
    const data = ["storaged", "catalogd", "vectord"];
    return [names.filter((name) => data.includes(name)), names.filter((name) => !data.includes(name))];
  },
};
export type Mode = keyof typeof groups;
export const modes = Object.keys(groups) as Mode[];

/** One process of the product. */
interface Part {
  child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  /** What it logs; read all the while, so that the pipe never fills. */
  lines: string[];
  /** Resolves with the addresses of its services when all are ready; rejects when it ends before. */
  ready: Promise<Map<string, string>>;
}

function startPart(
  only: readonly string[],
  data: string,
  words: readonly string[],
  env: Record<string, string>,
): Part {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_)/.test(name));
  const child = Bun.spawn(
    [process.execPath, join(root, "runtime/main.ts"), "--only", only.join(","), ...words],
    { cwd: data, env: { ...Object.fromEntries(inherited), ...env }, stdio: ["ignore", "ignore", "pipe"] },
  );
  const { promise: ready, resolve: found, reject } = Promise.withResolvers<Map<string, string>>();
  ready.catch(() => undefined);
  const lines: string[] = [];
  const follow = async (): Promise<void> => {
    const decoder = new TextDecoder();
    const addresses = new Map<string, string>();
    let rest = "";
    for await (const bytes of child.stderr) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        const [, name, address] = /"service ready".*"name":"(\w+)","address":"([^"]+)"/.exec(line) ?? [];
        if (name !== undefined && address !== undefined) addresses.set(name, address);
        if (addresses.size === only.length) found(addresses);
      }
    }
    reject(new Error(`the product ended before it was ready:\n${[...lines, rest].slice(-10).join("\n")}`));
  };
  follow().catch(reject);
  return { child, lines, ready };
}

async function reloadPart({ child, lines }: Part): Promise<void> {
  const said = () => lines.filter((line) => line.includes('"msg":"configuration '));
  const before = said().length;
  const deadline = performance.now() + requestTimeoutMs;
  child.kill("SIGHUP");
  while (said().length === before) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error("SIGHUP: the configuration was not read again");
    await Bun.sleep(10);
  }
  const [last = ""] = said().slice(-1);
  if (last.includes('"level":"error"')) throw new Error(last);
}

/** Below those that the system gives to outgoing connections, which could take one before its service does. */
const ports = { first: 20_000, count: 12_000 };

/** As many addresses that nobody listens on now. */
function freeAddresses(count: number): string[] {
  const servers: ReturnType<typeof Bun.serve>[] = [];
  while (servers.length < count) {
    const port = ports.first + Math.floor(Math.random() * ports.count);
    try {
      servers.push(Bun.serve({ hostname: "127.0.0.1", port, fetch: () => new Response() }));
    } catch {
      // Taken: another one.
    }
  }
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  for (const server of servers) void server.stop(true);
  return addresses;
}

/** Starts the product and waits until its gateway answers. Throws with the end of its log when it does not start. */
export async function startProduct(
  { flags = [], env = {}, directory }: StartOptions = {},
  mode: Mode = "one",
): Promise<Product> {
  const data = directory ?? newDirectory();
  const names = listening(defaults());
  const addresses = mode === "one" ? names.map(() => "127.0.0.1:0") : freeAddresses(names.length);
  const binds = names.map((name, at) => `--${name}.bind=${addresses[at]}`);
  const words = [`--data_dir=${data}`, "--secrets_path=/nonexistent", ...binds, ...flags];
  const parts = groups[mode](names).map((only) => startPart(only, data, words, env));
  const kill = async () => {
    for (const { child } of parts) child.kill("SIGKILL");
    await Promise.all(parts.map(({ child }) => child.exited));
  };
  const remove = (): void => {
    if (directory === undefined) rmSync(data, { recursive: true, force: true });
  };
  const timer = setTimeout(() => void kill(), startTimeoutMs);
  try {
    const ready = await Promise.all(parts.map((part) => part.ready));
    const gateway = ready.map((some) => some.get("gateway")).find((each) => each !== undefined) ?? "";
    return {
      ...lakeAt(gateway, env.AUTH_TOKEN),
      runs: () => parts.every(({ child }) => child.exitCode === null && child.signalCode === null),
      errors: () =>
        parts.flatMap(({ lines }) => lines.splice(0).filter((line) => line.includes('"level":"error"'))),
      reload: async () => {
        await Promise.all(parts.map(reloadPart));
      },
      end: async (signal) => {
        // Callers before those they call, as the supervisor of one process does it.
        for (const { child } of parts.toReversed()) {
          child.kill(signal);
          await child.exited;
        }
        remove();
        const bad = parts.find(({ child }) => signal !== "SIGKILL" && child.exitCode !== 0);
        if (bad)
          throw new Error(
            `the product stopped with ${bad.child.exitCode}:\n${bad.lines.slice(-10).join("\n")}`,
          );
      },
    };
  } catch (cause) {
    await kill();
    remove();
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

export const newDirectory = (): string => mkdtempSync(join(tmpdir(), "lakehouse-smoke-"));
