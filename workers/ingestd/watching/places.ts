/** What lies in a place that is watched, and each file of it as a request that brings it. */

import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { lstat, open, stat } from "node:fs/promises";
import { join } from "node:path";
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { errorCode } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { IngestDeps } from "../jobs/jobs.ts";
import { bucketFile } from "../receiving/receiving.ts";
import type { Watch } from "./settings.ts";

/** A file as it was seen. */
export interface Found {
  /** Below the place. */
  file: string;
  bytes: number;
  /** When it was last written, or the etag of an object. */
  modified: string;
  /** Objects appear whole; a file may still be written to. */
  isWhole: boolean;
  open: (signal: AbortSignal) => Promise<Opened>;
}

export interface Opened {
  request: HttpRequest;
  /** To be called when it has been read. Throws where it changed meanwhile. */
  end: () => Promise<void>;
}

/** What is looked at of one place; more is an error that says so. */
const filesMax = 100_000;
const pageSize = 1000;

/** In the order of their names. Names that begin with a dot are left alone, and so are links. */
export async function filesIn(
  { place, files }: Pick<Watch, "place" | "files">,
  { peers: { storaged } }: Pick<IngestDeps, "peers">,
  signal: AbortSignal,
): Promise<Found[]> {
  const pattern = new Bun.Glob(files);
  const all: Found[] = [];
  const found =
    "directory" in place ? inDirectory(place, pattern) : inBucket(place, pattern, storaged, signal);
  for await (const each of found) {
    signal.throwIfAborted();
    if (all.length === filesMax)
      throw fail("unprocessable", `more than ${filesMax} files: move those that were taken to another place`);
    all.push(each);
  }
  return all.sort((a, b) => (a.file < b.file ? -1 : 1));
}

async function* inDirectory({ directory }: { directory: string }, pattern: Bun.Glob): AsyncGenerator<Found> {
  const isThere = await stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isThere) throw fail("unprocessable", `there is no directory ${directory}, or it may not be read`);
  for await (const file of pattern.scan({
    cwd: directory,
    onlyFiles: true,
    followSymlinks: false,
    dot: false,
  })) {
    const path = join(directory, file);
    const facts = await lstat(path, { bigint: true }).catch((cause) => {
      // Gone since, or with a name that is no text.
      if (errorCode(cause) === "ENOENT") return undefined;
      throw cause;
    });
    if (!facts?.isFile()) continue;
    const seen = { file, bytes: Number(facts.size), modified: writtenAt(facts) };
    yield { ...seen, isWhole: false, open: () => openFile(path, seen) };
  }
}

/** To the nanosecond, as file systems have it. */
function writtenAt({ mtimeNs }: BigIntStats): string {
  const second = new Date(Number(mtimeNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${second}.${String(mtimeNs % 1_000_000_000n).padStart(9, "0")}Z`;
}

const changed = (file: string) =>
  fail("conflict", `${file} changed while it was read; it is taken when it stays as it is`);

const pieceBytes = 256 * 1024;

async function openFile(path: string, seen: Pick<Found, "file" | "bytes" | "modified">): Promise<Opened> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const check = async () => {
    const facts = await handle.stat({ bigint: true });
    if (Number(facts.size) !== seen.bytes || writtenAt(facts) !== seen.modified) throw changed(seen.file);
  };
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(pieceBytes));
      if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
      else controller.close();
    },
  });
  try {
    await check();
  } catch (cause) {
    await handle.close();
    throw cause;
  }
  return { request: requestOf(body), end: () => check().finally(() => handle.close()) };
}

const requestOf = (body: ReadableStream<Uint8Array>): HttpRequest =>
  new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit);

async function* inBucket(
  { bucket, prefix }: { bucket: string; prefix: string },
  pattern: Bun.Glob,
  storaged: IngestDeps["peers"]["storaged"],
  signal: AbortSignal,
): AsyncGenerator<Found> {
  for (let token: string | undefined; ; ) {
    const asked = { bucket, prefix, page_size: pageSize, ...(token !== undefined && { page_token: token }) };
    const page = await storaged.verbs.list(asked, { signal });
    for (const { key, bytes, etag } of page.objects) {
      const file = key.slice(prefix.length);
      if (/(^|\/)\./.test(file) || !pattern.match(file)) continue;
      yield {
        ...{ file, bytes, modified: etag, isWhole: true },
        open: async (reading) => {
          const opened = await bucketFile(`s3://${bucket}/${key}`, { storaged, signal: reading });
          if (opened.etag !== etag) throw changed(file);
          return { request: opened.request, end: async () => {} };
        },
      };
    }
    token = page.next_page_token;
    if (token === undefined) return;
  }
}
