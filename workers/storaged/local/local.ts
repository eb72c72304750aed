/** A bucket on this machine's disk. README.md has the design, sidecar.ts what makes it crash-safe. */

import { copyFile, link, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  errorCode,
  makeDirectory,
  noLinks,
  readOrNull,
  writeAtomic,
} from "../../../runtime/durable/durable.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { type Clock, createKeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import {
  type Bucket,
  createCorruptions,
  type Kept,
  noSuchObject,
  type OpenObject,
  type RangeRequest,
  resolveRange,
} from "../bucket/bucket.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { listPage } from "./list.ts";
import { orphans } from "./orphans.ts";
import { createLocalReader, infoOf, type LocalReader } from "./reader.ts";
import { emptyFolder, stagingIn } from "./staging.ts";
import { changedKeys, putAsideFormer, unpairedKeys } from "./start-check.ts";
import { createLocalWriter, type LocalWriter } from "./writer.ts";

export { openPlainBucket } from "./plain.ts";

const layoutFormat = 1;

interface LocalBucketOptions {
  name: string;
  /** Absolute path of the bucket's folder; created. */
  root: string;
  newId: () => string;
  clock: Pick<Clock, "sleep">;
}

/** Opens the bucket: refuses a newer format, and removes what unfinished writes have left. */
export async function openLocalBucket({ name, root, newId, clock }: LocalBucketOptions): Promise<Bucket> {
  const layout = layoutOf(root);
  await checkFormat(name, layout);
  for (const path of [layout.staging, layout.points]) await emptyFolder(path);

  const lock = createKeyedMutex();
  const ending = new AbortController();
  const corruptions = createCorruptions(name);
  const reader = createLocalReader({ layout, lock, corruptions });
  const writer = createLocalWriter({ layout, lock, reader, corruptions, newId });
  const scan = { layout, reader, writer, signal: ending.signal };
  let unknown: string | undefined;
  const untilStopped = (cause: unknown) => {
    if (!ending.signal.aborted) unknown = `bucket '${name}': not all of it could be looked at: ${cause}`;
  };
  const scanned = lookAtUnpaired(scan, true).catch(untilStopped);
  const compared = scanned
    .then(() => lookAt(scan, changedKeys(layout, clock, ending.signal)))
    .catch(untilStopped);

  const head = async (key: string) => {
    const generation = await reader.peek(key);
    if (!generation) throw noSuchObject(name, key);
    return infoOf(key, generation);
  };
  return {
    describe: () => ({ name, kind: "local", conditional_writes: "native" }),
    notReady: () => [...corruptions.reasons(), ...(unknown === undefined ? [] : [unknown])],
    head,
    open: (key, range) => openObject(name, reader, { key, range }),
    receive: writer.receive,
    remove: writer.remove,
    list: (query) => listPage({ root, head, corruptions }, query),
    locate: async (key, _, verify = true) => {
      if (!verify) return { kind: "local", path: layout.data(key), info: await head(key) };
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
    findMissing: async (signal) => {
      await scanned;
      await lookAtUnpaired({ ...scan, signal }, false);
      unknown = undefined;
    },
    orphans: () => orphans(layout, lock),
    stop: async () => {
      ending.abort();
      await compared;
    },
  };
}

interface Scan {
  layout: Layout;
  reader: LocalReader;
  writer: LocalWriter;
  signal: AbortSignal;
}

/** Looks at each key whose file and sidecar do not pair. `finishing`: ends what a crash has cut off. */
async function lookAtUnpaired(scan: Scan, finishing: boolean): Promise<void> {
  for await (const key of unpairedKeys(scan.layout, scan.signal)) {
    // On a read-only disk everything stays readable, completed or not.
    if (finishing) await scan.writer.finish(key).catch(() => undefined);
    await lookAt(scan, [key]);
  }
}

/** The reader remembers what is corrupt. */
async function lookAt({ reader }: Scan, keys: Iterable<string> | AsyncIterable<string>): Promise<void> {
  for await (const key of keys)
    await reader.peek(key).catch((cause: unknown) => {
      if (!(cause instanceof ServiceError && cause.type === "corrupt")) throw cause;
    });
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
    if (!range) return { info, sha256: info.etag, body: reader.body(key, opened) };
    const span = resolveRange(range, info.bytes);
    await reader.verify(key, opened);
    return { info, span, body: reader.body(key, opened, span) };
  } catch (error) {
    await opened.handle.close();
    throw error;
  }
}

/** Bytes are never written in place, so a hard link preserves them. */
async function keep(data: string, path: string): Promise<Kept> {
  await link(data, path).catch((cause) => {
    if (!noLinks.has(errorCode(cause) ?? "")) throw cause;
    return copyFile(data, path);
  });
  return { open: async () => Bun.file(path).stream(), drop: () => rm(path, { force: true }) };
}

async function checkFormat(name: string, layout: Layout): Promise<void> {
  const bytes = await readOrNull(layout.format);
  const found = bytes === null ? { format: layoutFormat } : parseFormat(new TextDecoder().decode(bytes));
  if (found?.format !== layoutFormat) {
    const is = found ? `${found.format}, written by a newer version` : "damaged";
    throw fail(
      "corrupt",
      `bucket '${name}': the format of ${layout.format} is ${is}; this version reads ${layoutFormat}. ${
        found
          ? "Run that version"
          : "Restore the file from a backup, or remove it when no newer version wrote here"
      }: the bucket opens by itself then`,
    );
  }
  if (found.deletes === "told") return;
  await makeDirectory(layout.staging);
  if (bytes !== null) await putAsideFormer(layout);
  await writeAtomic(layout.format, `${JSON.stringify({ ...found, deletes: "told" })}\n`);
}

/** `deletes: "told"` since sidecars tell what was deleted: see `putAsideFormer`. */
function parseFormat(text: string): { format: number; deletes?: unknown } | undefined {
  try {
    const found = JSON.parse(text);
    return Number.isInteger(found?.format) ? found : undefined;
  } catch {
    return undefined;
  }
}
