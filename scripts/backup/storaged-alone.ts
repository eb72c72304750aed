/** storaged alone, started on a data directory that is being restored: objects are put through its API, to disk and S3 alike. */
import { restoringVariable } from "../../runtime/store/store.ts";
import type { ConfigArguments } from "../command-line/command-line.ts";
import { NotStarted, startChild } from "../subprocess/subprocess.ts";
import type { KeptFile } from "./point-file.ts";
import { BackupError } from "./repository.ts";

const startTimeoutMs = 120_000;
const pageSize = 1000;
/** Attempts to start: the storaged of a restore that was killed just before may still be ending. */
const triesMax = 20;
const againMs = 500;
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
export async function startStorage({ file, flags }: ConfigArguments, tries = triesMax): Promise<Storage> {
  const token = crypto.randomUUID();
  const words = [
    "--only=storaged",
    ...(file === undefined ? [] : [`--config=${file}`]),
    ...flags.map((flag) => `--${flag}`),
    "--storaged.bind=127.0.0.1:0",
    // What was stored may be stored again, however large.
    `--storaged.max_put_bytes=${2 ** 40}`,
    "--storaged.max_put_bytes_by_prefix={}",
  ];
  const env = { LH_AUTH_TOKEN: token, LH_AUTH_ALLOWED_IPS: "", [restoringVariable]: "1" };
  try {
    const { address, end } = await startChild({ words, service: "storaged", env, timeoutMs: startTimeoutMs });
    return { ...clientOf(address, token), end };
  } catch (cause) {
    if (!(cause instanceof NotStarted)) throw cause;
    if (tries <= 1 || !cause.log.includes("in use"))
      throw new BackupError(`storaged did not start: ${cause.message}`, { cause });
    await Bun.sleep(againMs);
    return startStorage({ file, flags }, tries - 1);
  }
}

function clientOf(address: string, token: string): Omit<Storage, "end"> {
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
    const response = await fetch(address + path, { ...init, headers, timeout: false } as RequestInit);
    if (response.ok) return response;
    const text = await response.text();
    const hint = text.includes("of another store")
      ? "\nA restore writes into empty buckets: empty it wholly, what is under .lakehouse/ too, or name another one"
      : "";
    throw new BackupError(`storaged answered ${response.status}: ${text}${hint}`);
  };
  return {
    buckets: async () => {
      const { buckets } = (await (await send("/storage/buckets")).json()) as {
        buckets: { name: string; kind: string; layout?: string }[];
      };
      return new Map(buckets.map(({ name, kind, layout }) => [name, layout ?? kind]));
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
