/** A bucket on this machine's disk. README.md tells the design; object-record.ts what makes it safe. */
import { copyFile, link, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ServiceError } from "../../runtime/errors.ts";
import { errorCode, makeDirectory, readOrNull, writeAtomic } from "../../runtime/files.ts";
import { createKeyLock } from "../../runtime/key-lock.ts";
import type { Bucket, Kept, ListPage, ListQuery, ObjectInfo, OpenObject, Staging } from "./bucket.ts";
import { noSuchObject } from "./bucket.ts";
import { createCorruptions } from "./corruptions.ts";
import { type Layout, layoutOf } from "./local-layout.ts";
import { leftovers } from "./local-leftovers.ts";
import { walk } from "./local-list.ts";
import { createLocalReader, infoOf, type LocalReader } from "./local-reader.ts";
import { createLocalWriter, type LocalWriter } from "./local-writer.ts";
import { pageToken, readPageToken } from "./page-token.ts";
import { type RangeRequest, resolveRange } from "./range.ts";

const layoutFormat = 1;
/** Sidecars read at once while listing. */
const listConcurrency = 64;

export interface LocalBucketOptions {
  name: string;
  /** Absolute path of the bucket's folder; created. */
  root: string;
  newId: () => string;
}

/** Opens the bucket: refuses a newer format, and removes what unfinished writes have left. */
export async function openLocalBucket({ name, root, newId }: LocalBucketOptions): Promise<Bucket> {
  const layout = layoutOf(root);
  await checkFormat(name, layout);
  for (const path of [layout.staging, layout.points]) {
    await rm(path, { recursive: true, force: true });
    await makeDirectory(path);
  }

  const lock = createKeyLock();
  const corruptions = createCorruptions(name);
  const reader = createLocalReader({ layout, lock, corruptions });
  const writer = createLocalWriter({ layout, lock, reader, corruptions, newId });

  const head = async (key: string) => {
    const generation = await reader.peek(key);
    if (!generation) throw noSuchObject(name, key);
    return infoOf(key, generation);
  };
  return {
    describe: () => ({ name, kind: "local", conditional_writes: "native" }),
    notReady: corruptions.reasons,
    head,
    open: (key, range) => openObject(name, reader, { key, range }),
    receive: writer.receive,
    remove: writer.remove,
    list: (query) => listPage(root, head, query),
    locate: async (key) => {
      const opened = await reader.open(key);
      if (!opened) throw noSuchObject(name, key);
      try {
        await reader.verify(key, opened);
      } finally {
        await opened.handle.close();
      }
      return { kind: "local", path: layout.data(key), info: infoOf(key, opened.generation) };
    },
    staging: stagingIn(layout, writer),
    keep: (key) => keep(layout.data(key), join(layout.points, newId())),
    hashOf: ({ etag }) => etag,
    leftovers: () => leftovers(layout, lock),
    stop: async () => {},
  };
}

async function openObject(
  bucket: string,
  reader: LocalReader,
  { key, range }: { key: string; range: RangeRequest | undefined },
): Promise<OpenObject> {
  const opened = await reader.open(key);
  if (!opened) throw noSuchObject(bucket, key);
  const info = infoOf(key, opened.generation);
  try {
    if (!range) return { info, body: reader.body(key, opened) };
    const span = resolveRange(range, info.bytes);
    await reader.verify(key, opened);
    return { info, span, body: reader.body(key, opened, span) };
  } catch (error) {
    await opened.handle.close();
    throw error;
  }
}

/** File systems without second names of a file. */
const noLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK"]);

/** Bytes are never written in place: a second name keeps them. */
async function keep(data: string, path: string): Promise<Kept> {
  await link(data, path).catch((cause) => {
    if (!noLinks.has(errorCode(cause) ?? "")) throw cause;
    return copyFile(data, path);
  });
  return { open: async () => Bun.file(path).stream(), drop: () => rm(path, { force: true }) };
}

/** Each staged file has a folder of its own: DuckDB writes a temporary file beside its target. */
function stagingIn(layout: Layout, writer: LocalWriter): Staging {
  const folderOf = (token: string) => join(layout.staging, token);
  return {
    reserve: async (token) => {
      await mkdir(folderOf(token));
      const path = join(folderOf(token), "object");
      await writeFile(path, "", { flag: "wx" });
      return path;
    },
    seal: writer.seal,
    adopt: writer.adopt,
    release: (token) => rm(folderOf(token), { recursive: true, force: true }),
  };
}

type Head = (key: string) => Promise<ObjectInfo>;

async function listPage(root: string, head: Head, query: ListQuery): Promise<ListPage> {
  const { prefix, delimiter, pageSize, pageToken: token, signal } = query;
  const after = token === undefined ? undefined : readPageToken(token, positionOf);
  const keys: string[] = [];
  const page: ListPage = { objects: [], prefixes: [], corrupt: [] };
  let last = "";
  for await (const { name, isPrefix } of walk({ root, prefix, delimiter, after })) {
    signal.throwIfAborted();
    if (keys.length + page.prefixes.length === pageSize) {
      page.nextPageToken = pageToken({ after: last });
      break;
    }
    (isPrefix ? page.prefixes : keys).push(name);
    last = name;
  }
  for (let at = 0; at < keys.length; at += listConcurrency) {
    const some = keys.slice(at, at + listConcurrency);
    const found = await Promise.all(some.map((key) => describeOne(key, head)));
    page.corrupt.push(...some.filter((_, index) => found[index] === "corrupt"));
    page.objects.push(...found.filter((info) => typeof info === "object"));
  }
  return page;
}

const positionOf = (position: unknown): string | undefined => {
  const { after } = (position ?? {}) as { after?: unknown };
  return typeof after === "string" ? after : undefined;
};

/** One damaged object must not take the whole listing with it, and one deleted meanwhile is not an object any more. */
async function describeOne(key: string, head: Head): Promise<ObjectInfo | "corrupt" | "gone"> {
  try {
    return await head(key);
  } catch (error) {
    if (error instanceof ServiceError && error.type === "corrupt") return "corrupt";
    if (error instanceof ServiceError && error.type === "not_found") return "gone";
    throw error;
  }
}

async function checkFormat(name: string, layout: Layout): Promise<void> {
  const bytes = await readOrNull(layout.format);
  if (bytes === null) {
    await makeDirectory(layout.staging);
    return writeAtomic(layout.format, `${JSON.stringify({ format: layoutFormat })}\n`);
  }
  const text = new TextDecoder().decode(bytes);
  const [, digits] = /"format":\s*(\d+)/.exec(text) ?? [];
  if (Number(digits) === layoutFormat) return;
  const found = digits === undefined ? "damaged" : `${digits}, written by a newer version`;
  throw new Error(
    `bucket '${name}': the format of ${layout.format} is ${found}; this version reads ${layoutFormat}`,
  );
}
