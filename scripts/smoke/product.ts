/** A Lakehouse to look at: one that is started here on free ports over a directory of its own, or one that runs elsewhere. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { defaults } from "../../runtime/config.ts";
import { listening } from "../doctor/configuration.ts";

const root = resolve(import.meta.dir, "../..");
const startTimeoutMs = 60_000;
const requestTimeoutMs = 60_000;

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

/** Reads the log until the gateway tells its address; the log goes on being read, so that the pipe never fills. */
function gatewayAddress(log: ReadableStream<Uint8Array>): { address: Promise<string>; lines: string[] } {
  const { promise, resolve: found, reject } = Promise.withResolvers<string>();
  const lines: string[] = [];
  const follow = async (): Promise<void> => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of log) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        const address = /"service ready".*"name":"gateway","address":"([^"]+)"/.exec(line)?.[1];
        if (address !== undefined) found(address);
      }
    }
    reject(new Error(`the product ended before it was ready:\n${[...lines, rest].slice(-10).join("\n")}`));
  };
  follow().catch(reject);
  return { address: promise, lines };
}

/** Starts the product and waits until its gateway answers. Throws with the end of its log when it does not start. */
export async function startProduct({ flags = [], env = {}, directory }: StartOptions = {}): Promise<Product> {
  const data = directory ?? newDirectory();
  const binds = listening(defaults()).map((name) => `--${name}.bind=127.0.0.1:0`);
  const given = [`--data_dir=${data}`, "--secrets_path=/nonexistent", ...binds, ...flags];
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_)/.test(name));
  const child = Bun.spawn([process.execPath, join(root, "runtime/main.ts"), ...given], {
    cwd: data,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const remove = (): void => {
    if (directory === undefined) rmSync(data, { recursive: true, force: true });
  };
  const { address, lines } = gatewayAddress(child.stderr);
  const timer = setTimeout(() => child.kill("SIGKILL"), startTimeoutMs);
  try {
    const lake = lakeAt(await address, env.AUTH_TOKEN);
    return {
      ...lake,
      runs: () => child.exitCode === null && child.signalCode === null,
      errors: () => lines.splice(0).filter((line) => line.includes('"level":"error"')),
      end: async (signal) => {
        child.kill(signal);
        await child.exited;
        remove();
        if (signal !== "SIGKILL" && child.exitCode !== 0) {
          throw new Error(`the product stopped with ${child.exitCode}:\n${lines.slice(-10).join("\n")}`);
        }
      },
    };
  } catch (cause) {
    child.kill("SIGKILL");
    await child.exited;
    remove();
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

export const newDirectory = (): string => mkdtempSync(join(tmpdir(), "lakehouse-smoke-"));
