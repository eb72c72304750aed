/** storaged alone over a data directory that is being restored: objects go in by its door, to disk and S3 alike. */
import { resolve } from "node:path";
import { restoringVariable } from "../../runtime/restore-mark.ts";
import type { Words } from "./command-line.ts";
import type { KeptFile } from "./point-file.ts";
import { BackupError } from "./repository.ts";

const root = resolve(import.meta.dir, "../..");
const startTimeoutMs = 120_000;
const pageSize = 1000;
/** That of a restore that was killed just before is still ending. */
const triesMax = 20;
const againMs = 500;
/** It ends with this process, even by SIGKILL: its input ends then. */
const untilInputEnds =
  'exec 3<&0; "$@" 3<&- & child=$!; { cat <&3; kill "$child"; } > /dev/null 2>&1 & wait "$child"';

/** An object as storaged lists it. */
export interface Listed {
  key: string;
  bytes: number;
  etag: string;
}

export interface Storage {
  /** Kinds of the configured buckets by their names. */
  buckets: () => Promise<Map<string, string>>;
  list: (bucket: string) => AsyncIterable<Listed>;
  /** Resolves with the etag when the object is on stable storage. */
  put: (file: KeptFile, body: ReadableStream<Uint8Array>) => Promise<string>;
  end: () => Promise<void>;
}

/** Starts it on a free port of this machine with a token of its own. Throws a BackupError with the end of its log. */
export async function startStorage(
  { file, flags }: Pick<Words, "file" | "flags">,
  tries = triesMax,
): Promise<Storage> {
  const token = crypto.randomUUID();
  const child = Bun.spawn(
    [
      ...["sh", "-c", untilInputEnds, "sh"],
      process.execPath,
      resolve(root, "runtime/main.ts"),
      "--only=storaged",
      ...(file === undefined ? [] : [`--config=${file}`]),
      ...flags.map((flag) => `--${flag}`),
      "--storaged.bind=127.0.0.1:0",
      // What was stored may be stored again, however large.
      `--storaged.max_put_bytes=${2 ** 40}`,
      "--storaged.max_put_bytes_by_prefix={}",
    ],
    {
      env: { ...process.env, LH_AUTH_TOKEN: token, LH_AUTH_ALLOWED_IPS: "", [restoringVariable]: "1" },
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  const end = async () => {
    await child.stdin.end();
    await child.exited;
  };
  const timer = setTimeout(() => void child.stdin.end(), startTimeoutMs);
  const log = tailOf(child.stderr);
  const address = await greeting(child.stdout);
  clearTimeout(timer);
  if (address === undefined) {
    await end();
    const said = await log;
    if (tries > 1 && said.includes("in use")) {
      await Bun.sleep(againMs);
      return startStorage({ file, flags }, tries - 1);
    }
    throw new BackupError(`storaged did not start:\n${said}`);
  }
  void drain(child.stdout);
  return { ...doorsOf(address, token), end };
}

function doorsOf(address: string, token: string): Omit<Storage, "end"> {
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
    const response = await fetch(address + path, { ...init, headers, timeout: false } as RequestInit);
    if (response.ok) return response;
    throw new BackupError(`storaged answered ${response.status}: ${await response.text()}`);
  };
  return {
    buckets: async () => {
      const { buckets } = (await (await send("/storage/buckets")).json()) as {
        buckets: { name: string; kind: string }[];
      };
      return new Map(buckets.map(({ name, kind }) => [name, kind]));
    },
    list: async function* (bucket) {
      let token = "";
      do {
        const query = new URLSearchParams({
          bucket,
          page_size: String(pageSize),
          ...(token && { page_token: token }),
        });
        const page = (await (await send(`/storage/list?${query}`)).json()) as {
          objects: Listed[];
          corrupt?: string[];
          next_page_token?: string;
        };
        yield* page.objects;
        for (const key of page.corrupt ?? []) yield { key, bytes: -1, etag: "corrupt" };
        token = page.next_page_token ?? "";
      } while (token !== "");
    },
    put: async ({ bytes, object }, body) => {
      const { bucket = "", key = "", content_type } = object ?? {};
      const path = key.split("/").map(encodeURIComponent).join("/");
      const response = await send(`/storage/put/${path}?bucket=${bucket}`, {
        method: "PUT",
        body,
        headers: {
          "content-length": String(bytes),
          ...(content_type !== undefined && { "content-type": content_type }),
        },
      });
      return ((await response.json()) as { etag: string }).etag;
    },
  };
}

/** The address it tells when it runs; undefined when it ends before. */
async function greeting(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  try {
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += decoder.decode(value, { stream: true });
      const [, address] = /^ {2}storaged +(http:\S+)/m.exec(text) ?? [];
      if (address !== undefined) return address;
    }
  } finally {
    reader.releaseLock();
  }
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of stream);
}

async function tailOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) text = (text + decoder.decode(chunk, { stream: true })).slice(-2000);
  return text;
}
