/** Puts a point back: all of it is checked first, then written, then compared. */
import { open, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Static } from "@sinclair/typebox";
import pMap from "p-map";
import {
  errorCode,
  makeDirectory,
  readOrNull,
  renameDurably,
  sha256Of,
  storageError,
  syncDirectory,
  writeAtomic,
} from "../../runtime/durable/durable.ts";
import { markRestored } from "../../runtime/marks/marks.ts";
import { lockDirectory, restoreMark, stampFile } from "../../runtime/store/store.ts";
import { type FormerEtag, formerEtagsFile } from "../../workers/storaged/contract.ts";
import type { ProgressBar } from "../command-line/command-line.ts";
import type { KeptFile, PointRecord } from "./point-file.ts";
import { BackupError, type Repository } from "./repository.ts";
import type { Listed, Storage } from "./storaged-alone.ts";

const putsAtOnce = 8;

export interface Target {
  /** Of the configuration, absolute. */
  dataDir: string;
  /** The services whose files are put back. */
  services: readonly string[];
}

interface Entered {
  /** Whether no object was written yet, not by an earlier try either. */
  isNew: boolean;
  /** To be called when the buckets were found empty, before the first object. */
  begin: () => Promise<void>;
  release: () => void;
}

/**
 * Takes the directory for the point, or throws a BackupError: it holds something else, another restore, or it is in
 * use. What a restore of the same point that was killed has left is gone on with.
 */
export async function enterTarget({ dataDir, services }: Target, point: string): Promise<Entered> {
  const mark = await readOrNull(join(dataDir, restoreMark));
  const { point: earlier, begun = false }: Mark = mark ? JSON.parse(new TextDecoder().decode(mark)) : {};
  if (earlier !== undefined && earlier !== point)
    throw new BackupError(
      `${dataDir} holds an unfinished restore of point ${earlier}: go on with --at ${earlier}, or remove the directory`,
    );
  const names = await namesIn(dataDir);
  const locks: (() => void)[] = [];
  // storaged's own is for the one that is started here.
  const own = services.filter((name) => name !== "storaged");
  try {
    for (const name of earlier === undefined ? own.filter((name) => names.includes(name)) : own) {
      await makeDirectory(join(dataDir, name));
      locks.push(lockDirectory(join(dataDir, name)));
    }
  } catch (cause) {
    for (const unlock of locks) unlock();
    throw new BackupError(`${(cause as Error).message} Stop it first, or restore into another directory`, {
      cause,
    });
  }
  const unlock = () => {
    for (const each of locks) each();
  };
  if (earlier === undefined && names.length > 0) {
    unlock();
    throw new BackupError(
      `${dataDir} is not empty (${names.slice(0, 5).join(", ")}): a restore writes into a new directory. Move the old one ` +
        "away, or name another with --data_dir=DIR",
    );
  }
  try {
    await makeDirectory(dataDir);
    if (earlier === undefined) await writeMark(dataDir, { point, begun });
  } catch (cause) {
    unlock();
    const code = errorCode(cause);
    throw new BackupError(`${dataDir} cannot be written to (${code ?? (cause as Error).message})`, { cause });
  }
  return { release: unlock, isNew: !begun, begin: () => writeMark(dataDir, { point, begun: true }) };
}

interface Mark {
  point?: string;
  /** The buckets were found empty, and objects may have been written since. */
  begun?: boolean;
}

const writeMark = (dataDir: string, mark: Mark): Promise<void> =>
  writeAtomic(join(dataDir, restoreMark), `${JSON.stringify(mark)}\n`);

/** Everything is where it belongs and was compared: from now on the product may start on it. */
export async function leaveTarget({ dataDir }: Target): Promise<void> {
  await rm(join(dataDir, restoreMark));
  await syncDirectory(dataDir);
}

/**
 * Puts the objects back by storaged. Those that are there already, from a restore that was killed, are left. Returns
 * those whose etags are others now.
 */
export async function restoreObjects(
  repository: Repository,
  files: readonly KeptFile[],
  storage: Storage,
  { bar, isNew, begin }: { bar: ProgressBar } & Pick<Entered, "isNew" | "begin">,
): Promise<Static<typeof FormerEtag>[]> {
  const kinds = await storage.buckets();
  const wanted = new Map<string, Map<string, KeptFile>>([...kinds.keys()].map((name) => [name, new Map()]));
  for (const file of files) {
    const { bucket = "", key = "" } = file.object ?? {};
    const there = wanted.get(bucket);
    if (!there)
      throw new BackupError(
        `the point has objects of bucket '${bucket}', which is not configured; configured are ${[...kinds.keys()].join(", ")}`,
      );
    there.set(key, file);
  }
  const found = await alreadyThere(wanted, { storage, kinds, isNew });
  if (isNew) await begin();
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  await pMap(
    files,
    async (file) => {
      if (!found.has(file.path)) await put(repository, file, { storage, kinds });
      done += file.bytes;
      bar.step(done, total, file.path);
    },
    { concurrency: putsAtOnce },
  );
  return compareObjects(wanted, storage, kinds);
}

interface Places {
  storage: Storage;
  /** What each bucket is: `local`, whose etags are hashes of the bytes, `plain` or `s3`. */
  kinds: Map<string, string>;
}
type Wanted = Map<string, Map<string, KeptFile>>;

const isSame = ({ bytes, etag }: Listed, file: KeptFile | undefined, kind: string | undefined): boolean =>
  file !== undefined && bytes === file.bytes && (kind !== "local" || etag === file.sha256);

/** Objects of an earlier try that are right; a bucket that holds anything else is refused. */
async function alreadyThere(
  wanted: Wanted,
  { storage, kinds, isNew }: Places & { isNew: boolean },
): Promise<Set<string>> {
  const right = new Set<string>();
  for (const [bucket, files] of wanted) {
    for await (const object of storage.list(bucket)) {
      const file = files.get(object.key);
      if (isNew || !file)
        throw new BackupError(
          `bucket '${bucket}' is not empty: it holds '${object.key}'. A restore writes into empty buckets: empty it, or ` +
            `name another one in [buckets.${bucket}]`,
        );
      // An S3 server does not tell what the bytes are: they are sent again.
      if (kinds.get(bucket) === "local" && isSame(object, file, "local")) right.add(file.path);
    }
  }
  return right;
}

async function put(repository: Repository, file: KeptFile, { storage, kinds }: Places): Promise<void> {
  const etag = await storage.put(file, checked(repository, file));
  const isLocal = kinds.get(file.object?.bucket ?? "") === "local";
  if (isLocal && etag !== file.sha256)
    throw new BackupError(`${file.path} arrived as other bytes: expected ${file.sha256}, got ${etag}`);
}

/** Every bucket holds exactly the point's objects. */
async function compareObjects(
  wanted: Wanted,
  storage: Storage,
  kinds: Map<string, string>,
): Promise<Static<typeof FormerEtag>[]> {
  const renamed: Static<typeof FormerEtag>[] = [];
  for (const [bucket, files] of wanted) {
    let count = 0;
    for await (const { key, bytes, etag } of storage.list(bucket)) {
      count += 1;
      const file = files.get(key);
      if (!isSame({ key, bytes, etag }, file, kinds.get(bucket)))
        throw new BackupError(`after the restore '${key}' of bucket '${bucket}' is not what the point has`);
      const before = file?.object?.etag;
      // In a bucket that others write to nobody names an object by its etag.
      if (kinds.get(bucket) !== "plain" && before !== undefined && before !== etag)
        renamed.push({ bucket, key, now: etag, before });
    }
    if (count !== files.size)
      throw new BackupError(
        `after the restore bucket '${bucket}' has ${count} objects, the point ${files.size}`,
      );
  }
  return renamed;
}

/** Writes the files of services into their directories, durably, and reads them again. */
export async function restoreFiles(
  repository: Repository,
  { files }: PointRecord,
  { dataDir, services }: Target,
  renamed: readonly Static<typeof FormerEtag>[],
): Promise<number> {
  if (services.includes("storaged")) await emptyFolder(join(dataDir, "storaged"));
  const own = files.filter(({ object, service }) => !object && services.includes(service));
  for (const file of own) {
    const path = join(dataDir, file.service, file.path);
    try {
      await makeDirectory(dirname(path));
      await writeDurably(path, checked(repository, file));
    } catch (cause) {
      throw storageError(cause, `write ${path}`);
    }
    if ((await sha256Of(path)) !== file.sha256)
      throw new BackupError(`${path} was written, and reads as something else: check the disk`);
  }
  for (const service of services) {
    const paths = own.filter((file) => file.service === service).map(({ path }) => path);
    await markRestored(dataDir, service, paths);
  }
  if (renamed.length > 0) {
    const path = join(dataDir, "storaged", formerEtagsFile);
    await makeDirectory(dirname(path));
    await writeAtomic(path, renamed.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }
  return own.length;
}

/** Removes what storaged wrote for itself while it took the objects; its folder stays the one that was begun. */
async function emptyFolder(path: string): Promise<void> {
  for (const name of await namesIn(path))
    if (name !== stampFile) await rm(join(path, name), { recursive: true, force: true });
}

async function writeDurably(path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(`${path}.part`, "w");
  try {
    for await (const chunk of body) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameDurably(`${path}.part`, path);
}

/** The blob's bytes, hashed on the way: the stream fails before its end when they are not what they should be. */
function checked(repository: Repository, file: KeptFile): ReadableStream<Uint8Array> {
  const hasher = new Bun.CryptoHasher("sha256");
  const path = repository.blobPath(file.sha256);
  let held: Uint8Array | undefined;
  return Bun.file(path)
    .stream()
    .pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          if (held) controller.enqueue(held);
          hasher.update(chunk);
          held = chunk;
        },
        flush: (controller) => {
          if (hasher.digest("hex") !== file.sha256) throw new BackupError(`${path}: its bytes have changed`);
          if (held) controller.enqueue(held);
        },
      }),
    );
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw new BackupError(`${path} cannot be read: ${errorCode(cause)}`, { cause });
  }
}
