/** storaged: its verbs and streams over the configured buckets. */
import type { CallContext, RawOf, Running, VerbsOf } from "../../runtime/contract/contract.ts";
import { fail } from "../../runtime/errors/errors.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { storagedDurable } from "./backup/backup.ts";
import {
  type Bucket,
  type Conditions,
  checkPrefix,
  collect,
  parseAddress,
  type Upload,
} from "./bucket/bucket.ts";
import type { Storaged } from "./contract.ts";
import { eraseSubject } from "./erasure/erasure.ts";
import { createOperations, type Operation, openErrorJournal } from "./errors/errors.ts";
import {
  createWriteBarrier,
  openBucketRegistry,
  placeOf,
  withFormerEtags,
  withWriteBarrier,
} from "./registry/registry.ts";
import { createStages, getObject, putObject, removeObject } from "./transfer/transfer.ts";

const pageSizeDefault = 1000;
const journalPageSizeDefault = 100;
/** Largest object `read` gives in one piece. */
const readBytesMax = 64 * 1024 * 1024;

interface Where {
  bucket?: string | undefined;
  key: string;
}

/** Opens the buckets and the journal in `deps.directory`, and serves them. */
export async function createStoraged(deps: Deps): Promise<Running<Storaged>> {
  const { config, clock, log, metrics } = deps;
  const barrier = createWriteBarrier();
  const registry = withWriteBarrier(await withFormerEtags(await openBucketRegistry(deps), deps), barrier);
  const journal = await openErrorJournal(deps.directory, config.storaged.error_journal_max_bytes);
  const operations = createOperations({ metrics, journal, clock, log });

  /** Runs the work on the object, counted and, when it fails, journalled. */
  const on: On = (operation, { where, requestId, expected = [] }, work) => {
    const about = { operation, bucket: where.bucket ?? "primary", key: where.key, requestId, expected };
    return operations.run(about, () => {
      const { bucket, key } = parseAddress(where.key, where.bucket);
      about.bucket = bucket;
      about.key = key;
      return work(registry.get(bucket), key, about);
    });
  };

  const parts = { deps, registry, operations, on };
  const objects = objectVerbs(parts);
  return {
    raw: rawEndpoints(parts),
    verbs: {
      ...objects,
      ...stageVerbs(parts),
      list: ({ bucket = "primary", prefix = "", delimiter, page_size, page_token }, { requestId, signal }) =>
        operations.run({ operation: "list", bucket, key: prefix, requestId }, async () => {
          const page = await registry.get(bucket).list({
            prefix: checkPrefix(prefix),
            delimiter,
            pageSize: page_size ?? pageSizeDefault,
            pageToken: page_token,
            signal,
          });
          const { objects, prefixes, corrupt, nextPageToken } = page;
          return {
            objects,
            prefixes,
            ...(corrupt.length > 0 && { corrupt }),
            ...(nextPageToken !== undefined && { next_page_token: nextPageToken }),
          };
        }),
      buckets: async () => ({ buckets: registry.all().map((bucket) => bucket.describe()) }),
      place: async ({ bucket = "primary" }) => placeOf(deps, bucket),
      errors: ({ bucket, page_size, page_token }) =>
        journal.read({ bucket, pageSize: page_size ?? journalPageSizeDefault, pageToken: page_token }),
    },
    erase: (erasing) => eraseSubject(erasing, { buckets: registry.all(), journal }),
    notReady: () => registry.all().flatMap((bucket) => bucket.notReady()),
    durable: await storagedDurable(deps, { buckets: registry.all(), barrier }),
    stop: async () => {
      await registry.stop();
      await journal.close();
    },
  };
}

type On = <T>(
  operation: string,
  about: { where: Where; requestId: string; expected?: readonly string[] },
  work: (bucket: Bucket, key: string, about: Operation) => Promise<T>,
) => Promise<T>;

interface Parts {
  deps: Deps;
  registry: Awaited<ReturnType<typeof openBucketRegistry>>;
  operations: ReturnType<typeof createOperations>;
  on: On;
}

function rawEndpoints({ deps, operations, on }: Parts): RawOf<Storaged> {
  const { idempotency, metrics } = deps;
  const limits = deps.config.storaged;
  let putsOpen = 0;
  metrics.gauge("storaged_puts_open", "PUTs under way.", () => putsOpen);

  const limited = async (work: () => Promise<Response>): Promise<Response> => {
    if (putsOpen >= limits.max_concurrent_puts) {
      const text = `${putsOpen} PUTs are under way, as many as max_concurrent_puts allows; try again`;
      throw fail("overloaded", text, { retryAfterSeconds: 1 });
    }
    putsOpen += 1;
    try {
      return await work();
    } finally {
      putsOpen -= 1;
    }
  };

  return {
    put: (where, context) =>
      on("put", { where, requestId: context.requestId }, (bucket, key) =>
        limited(() =>
          putObject({ clock: deps.clock, limits, idempotency, operations }, bucket, key, context),
        ),
      ),
    get: (where, context) =>
      on("get", { where, requestId: context.requestId }, (bucket, key, operation) =>
        getObject({ operations, operation }, bucket, key, context),
      ),
    remove: (where, context) =>
      on("delete", { where, requestId: context.requestId }, (bucket, key) =>
        removeObject(deps, bucket, key, context),
      ),
  };
}

/** Outcomes that services check for before they act: not journalled as failures. */
const lookedFor = ["not_found", "precondition_failed"];
const conditionsOf = ({
  if_match,
  if_none_match,
}: {
  if_match?: string | undefined;
  if_none_match?: "*" | undefined;
}): Conditions => ({
  ifMatch: if_match,
  ifNoneMatch: if_none_match,
});

type ObjectVerbs = Pick<VerbsOf<Storaged>, "read" | "write" | "erase" | "head" | "locate">;
type StageVerbs = Pick<VerbsOf<Storaged>, "stage" | "seal" | "commit" | "discard">;

function objectVerbs({ on }: Parts): ObjectVerbs {
  const about = (where: Where, { requestId }: CallContext) => ({ where, requestId, expected: lookedFor });
  return {
    read: (where, context) =>
      on("read", about(where, context), async (bucket, key) => {
        const { info, body } = await bucket.open(key, undefined, context.signal);
        if (info.bytes <= readBytesMax) return { info, bytes: await collect(body) };
        await body.cancel();
        throw fail(
          "too_large",
          `'${key}' has ${info.bytes} bytes; read gives at most ${readBytesMax}, GET streams it`,
        );
      }),
    write: (input, context) =>
      on("write", about(input, context), async (bucket, key) => {
        const { bytes } = input;
        const options = { bytesMax: bytes.length, bytes: bytes.length, signal: context.signal };
        const upload = await bucket.receive(key, once(bytes), options);
        return (await upload.commit(conditionsOf(input))).info;
      }),
    erase: (where, context) =>
      on("erase", about(where, context), async (bucket, key) => ({
        deleted: await bucket.remove(key, {}, context.signal),
      })),
    head: (where, context) =>
      on("head", about(where, context), (bucket, key) => bucket.head(key, context.signal)),
    locate: (where, context) =>
      on("locate", about(where, context), (bucket, key) => bucket.locate(key, context.signal, where.verify)),
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function stageVerbs({ deps, registry, operations, on }: Parts): StageVerbs {
  const stages = createStages(deps.clock);
  return {
    stage: ({ bucket = "primary" }, { requestId }) =>
      operations.run({ operation: "stage", bucket, key: "", requestId }, async () => {
        const { staging } = registry.get(bucket);
        const token = deps.newId();
        if (!staging) return { token };
        await stages.makeRoom();
        const path = await staging.reserve(token);
        stages.add(token, { bucket, path, staging });
        return { token, path };
      }),
    seal: async ({ token }, { requestId }) => {
      const stage = stages.look(token);
      return operations.run({ operation: "seal", bucket: stage.bucket, key: "", requestId }, async () => {
        const sealed = await stage.staging.seal(stage.path);
        stage.sealed = sealed;
        return { sha256: sealed.sha256, bytes: sealed.bytes };
      });
    },
    commit: (input, { requestId }) =>
      on("commit", { where: input, requestId, expected: ["precondition_failed"] }, async (bucket, key) => {
        const { token } = input;
        const { name } = bucket.describe();
        const stage = stages.take(token);
        try {
          if (stage.bucket !== name) {
            throw fail(
              "bad_request",
              `the file was staged for bucket '${stage.bucket}', not for '${name}'; stage again`,
            );
          }
          const upload: Upload = await stage.staging.adopt(key, stage.path, stage.sealed);
          return (await upload.commit(conditionsOf(input))).info;
        } finally {
          await stage.staging.release(token);
        }
      }),
    discard: async ({ token }) => {
      await stages.drop(token)?.staging.release(token);
      return {};
    },
  };
}
