/** The real product as a process of its own, on free ports and a directory of its own. */
import { join } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import { temporaryDirectory } from "../stacks/in-process.ts";
import { longTimeoutsEnv } from "./long-timeouts.ts";

export interface Product {
  /** The gateway, as http://127.0.0.1:PORT. */
  url: string;
  /** Every service's address. */
  addresses: Record<string, string>;
  pid: number;
  dataDir: string;
  /** What it logged so far. */
  log: () => string;
  /** Waits until it has logged this: a line may come after the answer that it is about. */
  said: (words: RegExp) => Promise<void>;
  /** Sends the signal and waits for the end; the exit code, or the signal's name. */
  end: (signal?: NodeJS.Signals) => Promise<number | string>;
  exited: Promise<number>;
}

export interface ProductOptions {
  /** Kept by the caller; without it a directory that goes with `end`. */
  dataDir?: string;
  env?: Record<string, string>;
  flags?: readonly string[];
  /** Of another version of the product, which need not know today's settings. */
  tree?: string;
  /** What the program is started by, such as `ip netns exec NAME`. */
  by?: readonly string[];
}

const ours = join(import.meta.dir, "../../..");
const anyPort = Object.fromEntries(
  Object.keys(topology).map((name) => [`LH_${name.toUpperCase()}_BIND`, "127.0.0.1:0"]),
);

/** Environment of this process without what would configure the product. */
const plainEnv = (): Record<string, string> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_)/.test(name))) as Record<
    string,
    string
  >;

/** Starts it and waits until it greets; rejects with its log when it ends first. */
export async function startProduct({
  dataDir,
  env = {},
  flags = [],
  by = [],
  tree,
}: ProductOptions = {}): Promise<Product> {
  const own = dataDir === undefined ? temporaryDirectory("product") : undefined;
  const directory = dataDir ?? own?.path ?? "";
  const process_ = Bun.spawn([...by, process.execPath, join(tree ?? ours, "runtime/main.ts"), ...flags], {
    cwd: directory,
    env: {
      ...plainEnv(),
      ...anyPort,
      ...(tree === undefined && longTimeoutsEnv),
      LH_DATA_DIR: join(directory, "data"),
      ...env,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const chunks: string[] = [];
  const logged = collect(process_.stderr, (text) => chunks.push(text));
  const greeting = Promise.withResolvers<string>();
  let printed = "";
  const reading = collect(process_.stdout, (text) => {
    printed += text;
    // Written in one piece, smaller than what a pipe takes at once.
    if (printed.includes("Lakehouse is running")) greeting.resolve(printed);
  });
  const ended = process_.exited.then(async (code) => {
    await Promise.allSettled([logged, reading]);
    greeting.reject(new Error(`the product ended with ${code}: ${chunks.join("").slice(-4000)}`));
    return code;
  });
  const addresses = Object.fromEntries(
    [...(await greeting.promise).matchAll(/^ {2}(\w+) +(http:\S+)/gm)].map(([, name, url]) => [name, url]),
  ) as Record<string, string>;
  return {
    url: addresses.gateway ?? "",
    addresses,
    pid: process_.pid,
    dataDir: join(directory, "data"),
    log: () => chunks.join(""),
    said: async (words) => {
      while (!words.test(chunks.join(""))) await Bun.sleep(2);
    },
    exited: ended,
    end: async (signal = "SIGTERM") => {
      process_.kill(signal);
      const code = await ended;
      own?.remove();
      return process_.signalCode ?? code;
    },
  };
}

async function collect(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

/** Runs one statement through the gateway and gives its rows. */
export async function sql<Row = Record<string, unknown>>(url: string, statement: string): Promise<Row[]> {
  const response = await fetch(`${url}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql: statement }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return JSON.parse(text);
}

/** Uploads a file as multipart, as `curl -F file=@…` does. */
export async function ingest(
  url: string,
  query: string,
  content: Blob | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const form = new FormData();
  form.set("file", typeof content === "string" ? new Blob([content]) : content, "file.csv");
  return fetch(`${url}/v1/ingest?${query}`, { method: "POST", body: form, headers });
}

/** Resident memory of a process in bytes: now, and its highest so far. */
export async function memoryOf(pid: number): Promise<{ resident: number; peak: number }> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  const read = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024;
  return { resident: read("VmRSS"), peak: read("VmHWM") };
}
