/**
 * A bucket on this machine's disk whose files others write and delete as well, as the engines of open tables do: plain
 * files without sidecars. What is there is what is listed; nobody is told of damage but by the formats of the files.
 */
import { constants } from "node:fs";
import { copyFile, link, lstat, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  discard,
  errorCode,
  noLinks,
  storageError,
  syncDirectory,
} from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { createKeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import {
  type Bucket,
  type Conditions,
  checkConditions,
  createCorruptions,
  noSuchObject,
  type ObjectInfo,
  resolveRange,
  type Sealed,
  type Upload,
} from "../bucket/bucket.ts";
import { fileStream } from "./file-stream.ts";
import { makeParents, moveTo, refuseFolder, syncNearest } from "./folders.ts";
import { checkFitsDisk, type Layout, layoutOf, linkAbove } from "./layout.ts";
import { listPage } from "./list.ts";
import { emptyFolder, stagingIn } from "./staging.ts";
import { seal, stage } from "./writer.ts";

interface PlainBucketOptions {
  name: string;
  /** Absolute path of the bucket's folder; created. */
  root: string;
  newId: () => string;
}

type Facts = { size: bigint; mtimeNs: bigint; ino: bigint; mtimeMs: bigint };

/** Another file, or one that was written to, has another etag; after a restore every file has. */
const infoOf = (key: string, { ino, size, mtimeNs, mtimeMs }: Facts): ObjectInfo => ({
  key,
  bytes: Number(size),
  etag: Bun.SHA256.hash(`${ino}.${size}.${mtimeNs}`, "hex").slice(0, 32),
  last_modified: new Date(Number(mtimeMs)).toISOString(),
});

/** Opens the bucket, and removes what unfinished writes have left. */
export async function openPlainBucket({ name, root, newId }: PlainBucketOptions): Promise<Bucket> {
  const layout = layoutOf(root);
  for (const path of [layout.staging, layout.points]) await emptyFolder(path);
  const reader = plainReader(name, layout);
  const { head } = reader;
  return {
    describe: () => ({ name, kind: "local", layout: "plain", conditional_writes: "native" }),
    notReady: () => [],
    head,
    open: reader.open,
    ...plainWriter({ layout, reader, newId }),
    list: (query) => listPage({ root, head, corruptions: createCorruptions(name) }, query),
    locate: async (key) => ({ kind: "local", path: layout.data(key), info: await head(key) }),
    keep: async (key) => {
      const path = join(layout.points, newId());
      await link(layout.data(key), path).catch((cause) => {
        if (!noLinks.has(errorCode(cause) ?? "")) throw cause;
        return copyFile(layout.data(key), path);
      });
      return { open: async () => Bun.file(path).stream(), drop: () => rm(path, { force: true }) };
    },
    stop: async () => {},
  };
}

interface PlainReader extends Pick<Bucket, "open"> {
  /** The file of this key; links are not followed, as they may lead out of the bucket. */
  look: (key: string) => Promise<ObjectInfo | undefined>;
  head: (key: string) => Promise<ObjectInfo>;
}

function plainReader(name: string, layout: Layout): PlainReader {
  const look: PlainReader["look"] = async (key) => {
    if ((await linkAbove(layout.root, key)) !== undefined) return undefined;
    const facts = await lstat(layout.data(key), { bigint: true }).catch((cause) => {
      if (absent.has(errorCode(cause) ?? "")) return undefined;
      throw storageError(cause, `look at '${key}'`);
    });
    return facts?.isFile() ? infoOf(key, facts) : undefined;
  };
  const head: PlainReader["head"] = async (key) => {
    const info = await look(key);
    if (!info) throw noSuchObject(name, key);
    return info;
  };
  const openObject: Bucket["open"] = async (key, range) => {
    await head(key);
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
    const handle = await open(layout.data(key), flags).catch((cause) => {
      throw absent.has(errorCode(cause) ?? "") ? noSuchObject(name, key) : storageError(cause, "read");
    });
    try {
      const info = infoOf(key, await handle.stat({ bigint: true }));
      const span = range && resolveRange(range, info.bytes);
      const [first, end] = span ? [span.first, span.last + 1] : [0, info.bytes];
      return { info, ...(span && { span }), body: fileStream(handle, first, end, () => undefined) };
    } catch (cause) {
      await handle.close();
      throw cause;
    }
  };
  return { look, head, open: openObject };
}

function plainWriter({
  layout,
  reader,
  newId,
}: {
  layout: Layout;
  reader: PlainReader;
  newId: () => string;
}) {
  const lock = createKeyedMutex();
  const { look, head } = reader;
  const commit = async (key: string, staged: string, conditions: Conditions) => {
    try {
      const before = await look(key);
      checkConditions(key, before?.etag, conditions);
      await refuseFolder(layout, key);
      await makeParents(layout, key);
      // Of two who create it, one of another program, the file system takes one.
      if (conditions.ifNoneMatch === "*") await createFrom(key, staged, layout.data(key));
      else await moveTo(layout, key, staged);
      await syncDirectory(dirname(layout.data(key)));
      return { info: await head(key), created: before === undefined };
    } catch (cause) {
      throw storageError(cause, `store '${key}'`);
    } finally {
      await discard(staged);
    }
  };
  const uploadOf = (key: string, staged: string, { bytes, sha256 }: Sealed): Upload => ({
    bytes,
    sha256,
    commit: (conditions) => lock(key, () => commit(key, staged, conditions)),
    discard: () => discard(staged),
  });
  const receive: Bucket["receive"] = async (key, body, options) => {
    checkFitsDisk(key);
    const staged = join(layout.staging, newId());
    try {
      return uploadOf(key, staged, await stage(staged, body, options));
    } catch (cause) {
      await discard(staged);
      throw storageError(cause, `store '${key}'`);
    }
  };
  const remove: Bucket["remove"] = (key, conditions) =>
    lock(key, async () => {
      const before = await look(key);
      checkConditions(key, before?.etag, conditions);
      if (!before) return false;
      await rm(layout.data(key), { force: true });
      await syncNearest(dirname(layout.data(key)));
      return true;
    });
  const staging = stagingIn(layout, {
    seal,
    adopt: async (key, path, sealed) => {
      checkFitsDisk(key);
      return uploadOf(key, path, sealed ?? (await seal(path)));
    },
  });
  return { receive, remove, staging };
}

const absent = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP"]);

async function createFrom(key: string, staged: string, target: string): Promise<void> {
  await link(staged, target).catch((cause) => {
    if (errorCode(cause) === "EEXIST")
      throw fail("precondition_failed", `If-None-Match: * was given, and there is an object '${key}'`, {
        details: { key },
      });
    if (!noLinks.has(errorCode(cause) ?? "")) throw cause;
    return copyFile(staged, target, constants.COPYFILE_EXCL);
  });
}
