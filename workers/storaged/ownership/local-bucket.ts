/** A bucket on this machine's disk as part of the store: its stamp lies beside the bucket's own files. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { stampedDirectory } from "../../../runtime/service/service.ts";
import { type Adopted, type Store, stampFile } from "../../../runtime/store/store.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { type Bucket, bucketClosed, type ObjectInfo, type Staging, type Upload } from "../bucket/bucket.ts";

/** Pause between two checks of a missing bucket: its disk may be mounted at any time. */
const pauseMs = 5000;

interface OwnedLocalBucketOptions {
  name: string;
  root: string;
  open: () => Promise<Bucket>;
  /** Its etags are no hashes. */
  isPlain: boolean;
  store: Store;
  adopted: Adopted;
  clock: Clock;
  log: Log;
}

/** Nothing is created in a refused folder: it may be the empty mount point of the right one. */
export async function ownedLocalBucket(options: OwnedLocalBucketOptions): Promise<Bucket> {
  const presence = await createPresence(options);
  const { get, confirmed } = presence;
  /** `not_found` is believed only of a bucket that is present. */
  const asked = async <T>(work: (bucket: Bucket) => Promise<T>): Promise<T> => {
    try {
      return await work(get());
    } catch (error) {
      if (error instanceof ServiceError && error.type === "not_found") await confirmed();
      throw error;
    }
  };
  const upload = (arrived: Upload): Upload => ({
    ...arrived,
    commit: async (conditions) => {
      await confirmed();
      return arrived.commit(conditions);
    },
  });
  const staging = () => get().staging as Staging;
  return {
    describe: () => ({
      ...{ name: options.name, kind: "local", conditional_writes: "native" },
      ...(options.isPlain && { layout: "plain" }),
    }),
    notReady: () => presence.reasons(),
    head: (key, signal) => asked((bucket) => bucket.head(key, signal)),
    open: (key, range, signal) => asked((bucket) => bucket.open(key, range, signal)),
    locate: (key, signal, verify) => asked((bucket) => bucket.locate(key, signal, verify)),
    receive: async (...body) => upload(await (await confirmed()).receive(...body)),
    remove: async (...object) => (await confirmed()).remove(...object),
    list: async (query) => {
      const page = await get().list(query);
      await confirmed();
      return page;
    },
    staging: {
      reserve: async (token) => {
        await confirmed();
        return staging().reserve(token);
      },
      seal: async (path) => staging().seal(path),
      adopt: async (...file) => upload(await staging().adopt(...file)),
      release: async (token) => staging().release(token),
    },
    keep: async (key) => (get().keep as NonNullable<Bucket["keep"]>)(key),
    ...(!options.isPlain && { hashOf: ({ etag }: ObjectInfo) => etag }),
    findMissing: async (signal) => {
      await (await confirmed()).findMissing?.(signal);
    },
    orphans: async function* () {
      yield* get().orphans?.() ?? [];
    },
    stop: presence.stop,
  };
}

/** Whether the bucket is present: checked when it is opened, when it is used, and while it is missing. */
async function createPresence({ name, root, open, store, adopted, clock, log }: OwnedLocalBucketOptions) {
  const own = join(root, ".lakehouse");
  const files = stampedDirectory({ kind: "bucket", name, at: root }, own);
  const stamped = {
    ...files,
    write: async (text: string) => {
      await makeDirectory(own);
      await files.write(text);
    },
  };
  const stopping = new AbortController();
  let bucket: Bucket | undefined;
  let refusal: string | undefined;
  let asking: Promise<void> | undefined;

  const lookAgain = async () => {
    if ((await store.look(stamped)) !== "ours") return;
    bucket ??= await open();
    refusal = undefined;
    log.info("a bucket is back", { bucket: name });
  };
  const askUntilBack = async () => {
    while (refusal !== undefined) {
      await clock.sleep(pauseMs, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted) return;
      await lookAgain().catch((error) => log.warn("a bucket cannot be opened", { name, ...describe(error) }));
    }
  };
  const refuse = (reason: string) => {
    if (refusal === undefined) log.error("a bucket is refused", { bucket: name, reason });
    refusal = reason;
    asking ??= askUntilBack().finally(() => {
      asking = undefined;
    });
  };
  /** A corrupt bucket is closed; the others start. */
  const openOrRefuse = async () => {
    try {
      bucket = await open();
    } catch (error) {
      if (!(error instanceof ServiceError && error.type === "corrupt")) throw error;
      refuse(error.message);
    }
  };
  const get = (): Bucket => {
    if (bucket && refusal === undefined) return bucket;
    throw bucketClosed(name, refusal ?? `bucket '${name}' is not open`);
  };

  const [verdict] = await store.admit([stamped], adopted);
  if (typeof verdict === "object") refuse(verdict.refusal);
  else await openOrRefuse();
  return {
    get,
    /** The bucket, after checking that it is present. */
    confirmed: async (): Promise<Bucket> => {
      const opened = get();
      if (await isFile(join(own, stampFile))) return opened;
      const now = await store.look(stamped);
      if (typeof now === "object") refuse(now.refusal);
      return get();
    },
    reasons: () => (refusal === undefined ? get().notReady() : [refusal]),
    stop: async () => {
      stopping.abort();
      await asking;
      await bucket?.stop();
    },
  };
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
