/** A bucket on an S3 server: Amazon's, Ceph's, MinIO's or any other. */

import { fail } from "../../../runtime/errors/errors.ts";
import { type Clock, createKeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import {
  type Bucket,
  type Conditions,
  type Corruptions,
  createCorruptions,
  type ObjectInfo,
  type RangeRequest,
  type Written,
} from "../bucket/bucket.ts";
import { type Inventory, noInventory, removal } from "../inventory/inventory.ts";
import { lostReasons, onOurBucket, type S3Ownership } from "../ownership/ownership.ts";
import {
  bareEtag,
  createHealth,
  createS3Connection,
  probeServer,
  type S3Answer,
  type S3Connection,
  type S3Server,
  type Supports,
} from "../s3-client/s3-client.ts";
import { type Acknowledged, createAcknowledged } from "./acknowledged.ts";
import { withMissing } from "./acknowledged-list.ts";
import { eraseChecksums, orphanedChecksums } from "./checksums.ts";
import { listS3, wholeSeconds } from "./list.ts";
import { hashHeader, headOf, infoOf, inParts, lengthOf, look, markHeader, type S3Objects } from "./object.ts";
import { type Arrived, abortUpload, uploadBody } from "./upload.ts";
import type { UploadLedger } from "./upload-ledger.ts";
import { openVerified } from "./verified-read.ts";

export { openUploadLedger } from "./upload-ledger.ts";

interface S3BucketOptions {
  name: string;
  server: S3Server;
  clock: Clock;
  log: Log;
  newId: () => string;
  /** Where the uploads under way are noted; those of an earlier process are aborted. */
  ledger: UploadLedger;
  /** What was acknowledged of it; without, what is there counts. */
  inventory?: Inventory;
  /** Whether the bucket is ours to use; without it, it is. */
  owned?: (connection: S3Connection) => S3Ownership;
}

/** Opens the bucket. The server is asked in the background: `notReady` says when it does not answer. */
export function openS3Bucket(options: S3BucketOptions): Bucket {
  const { name, server, clock, log, newId, ledger, owned, inventory = noInventory } = options;
  const connection = createS3Connection({ name, server, clock, log });
  const ownership = owned?.(connection);
  const lock = createKeyedMutex();
  const probe = createProbe(options, connection, ownership);
  const health = createHealth<Supports>({ name, probe, clock, log });
  const { onOurs, change } = onOurBucket(name, health, ownership);
  /** Runs the work unless the server would take the key for another one. */
  const note = <R>(key: string, work: () => Promise<R>): Promise<R> =>
    onOurs(async () => {
      if (key.includes("\\") && !(await health.probed()).keepsBackslash) throw backslash(name, key);
      return work();
    });
  const corruptions = createCorruptions(name);
  const acknowledged = createAcknowledged({ name, connection, inventory, corruptions, lock });
  const now = clock.now;
  const s3: S3 = { name, connection, now, probed: health.probed, corruptions, log, inventory, acknowledged };
  const { head, open } = createReads(s3);

  return {
    describe: () => ({
      name,
      kind: "s3",
      endpoint: server.endpoint,
      region: server.region,
      ...describeSupport(health.found()),
    }),
    notReady: () => [...health.reasons(), ...lostReasons(ownership), ...corruptions.reasons()],
    head: (key, signal) => note(key, () => head(key, signal)),
    open: (key, range, signal) => note(key, () => open(key, range, signal)),
    receive: (key, body, options) =>
      note(key, async () => {
        const arrived = await uploadBody({ connection, ledger, newId, log }, key, body, options);
        return {
          bytes: arrived.bytes,
          sha256: arrived.sha256,
          commit: (conditions) =>
            health.note(() =>
              lock(key, () =>
                change(options.signal, () =>
                  commit(s3, { key, arrived, conditions, contentType: options.contentType }, options.signal),
                ),
              ),
            ),
          discard: arrived.abandon,
        };
      }),
    remove: (key, conditions, signal) =>
      note(key, () => lock(key, () => change(signal, () => remove(s3, { key, conditions }, signal)))),
    list: (query) => onOurs(async () => withMissing(s3, query, await listS3(connection, query))),
    locate: async (key, signal) => {
      const info = await note(key, async () => {
        // One that was found corrupt is read again; others are when they are used.
        if (corruptions.has(key)) await drained((await open(key, undefined, signal)).body);
        return head(key, signal);
      });
      return { kind: "s3", url: `s3://${server.bucket}/${key}`, info };
    },
    orphans: () => orphanedChecksums(s3, clock.now()),
    stop: async () => {
      await health.stop();
      await ownership?.stop();
      inventory.close();
    },
  };
}

/** Asks whether the bucket is ours and what its server supports, and ends what an earlier process has left there. */
function createProbe(
  { name, server, log, newId, ledger }: S3BucketOptions,
  connection: S3Connection,
  ownership: S3Ownership | undefined,
) {
  let last = "";
  /** Logs it once, and again when it has changed: a server is probed again whenever it was not well. */
  const report = (supports: Supports) => {
    const { conditional_writes, ...found } = describeSupport(supports);
    const line = { bucket: name, endpoint: server.endpoint, conditional_writes, ...found };
    if (JSON.stringify(line) !== last) log.info("what the S3 server supports", line);
    last = JSON.stringify(line);
  };
  return async (signal: AbortSignal) => {
    await ownership?.verify(signal);
    const supports = await probeServer(connection, newId, signal);
    report(supports);
    await ownership?.take(supports, signal);
    const left = ledger.left().filter(({ bucket }) => bucket === server.bucket);
    for (const upload of left) await abortUpload({ connection, ledger }, upload, signal);
    return supports;
  };
}

/** What operators are shown of a trial's outcome. */
const describeSupport = (supports: Supports | undefined) => ({
  conditional_writes: supports?.writes.mode ?? ("unknown" as const),
  ...(supports?.server !== undefined && { server: supports.server }),
  ...(supports && { lacks: supports.lacks }),
});

const backslash = (bucket: string, key: string) =>
  fail("invalid_key", `the server of bucket '${bucket}' takes '\\' in a key for '/': use another character`, {
    details: { bucket, key: key.slice(0, 200) },
  });

interface S3 extends S3Objects {
  now: () => number;
  probed: () => Promise<Supports>;
  corruptions: Corruptions;
  log: Log;
  inventory: Inventory;
  acknowledged: Acknowledged;
}

async function drained(body: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** Reads, of what was acknowledged. */
function createReads(s3: S3) {
  const { name, connection, corruptions, acknowledged } = s3;
  const etagsAreMd5 = async () => (await s3.probed()).etagsAreMd5;
  const reader = { name, connection, corruptions, etagsAreMd5 };
  const headed = async (key: string, signal: AbortSignal) => {
    const answer = await headOf(s3, key, signal);
    return { info: infoOf(key, answer, lengthOf(answer)) };
  };
  return {
    head: async (key: string, signal: AbortSignal) =>
      (await acknowledged.seen(key, signal, { look: () => headed(key, signal) })).info,
    open: (key: string, range: RangeRequest | undefined, signal: AbortSignal) =>
      acknowledged.seen(key, signal, {
        look: () => openVerified(reader, { key, range }, signal),
        drop: ({ body }) => body.cancel(),
      }),
  };
}

/** Erases the checksums that went with an object which is gone. */
async function forget({ connection, log }: S3, gone: S3Answer | undefined): Promise<void> {
  const mark = gone?.headers.get(markHeader);
  if (mark && gone?.headers.get(hashHeader) === inParts) await eraseChecksums(connection, mark, log);
}

interface Commit {
  key: string;
  arrived: Arrived;
  conditions: Conditions;
  contentType: string | undefined;
}

/**
 * Looks first, so that the answer can say whether the object is new; the server checks the conditions once more
 * where it can. Parts put together are checked here alone: several servers ignore conditions on them.
 */
async function commit(
  s3: S3,
  { key, arrived, conditions, contentType }: Commit,
  signal: AbortSignal,
): Promise<Written> {
  try {
    const { before, undo } = await s3.acknowledged.begin({ key, intent: arrived.mark, conditions }, signal);
    const headers = await conditionHeaders(s3, conditions, before);
    const done = await arrived.finish(headers, signal);
    const after = await look(s3, key, signal);
    const isOurs = after?.headers.get(markHeader) === arrived.mark;
    if (!done && !isOurs) {
      undo();
      throw fail(
        "precondition_failed",
        `'${key}' changed while it was written: the condition does not hold any more`,
      );
    }
    const etag = after && isOurs ? infoOf(key, after, 0).etag : (done?.etag ?? "");
    s3.inventory.settle(key, { etag, mark: arrived.mark });
    s3.corruptions.cleared(key);
    if (before?.headers.get(markHeader) !== arrived.mark) await forget(s3, before);
    if (after && isOurs) return { info: infoOf(key, after, lengthOf(after)), created: before === undefined };
    if (arrived.isInParts) await eraseChecksums(s3.connection, arrived.mark, s3.log);
    // Somebody else has replaced it already. What was written is described from what is known of it.
    return {
      info: describeLost(s3, { key, arrived, contentType }, etag),
      created: before === undefined,
    };
  } catch (error) {
    await arrived.abandon();
    throw error;
  }
}

function describeLost(
  s3: S3,
  { key, arrived, contentType }: Omit<Commit, "conditions">,
  etag: string,
): ObjectInfo {
  const last_modified = wholeSeconds(new Date(s3.now()).toISOString());
  const { bytes } = arrived;
  return { key, bytes, etag, last_modified, ...(contentType !== undefined && { content_type: contentType }) };
}

async function conditionHeaders(
  { probed }: S3,
  { ifMatch, ifNoneMatch }: Conditions,
  before: S3Answer | undefined,
): Promise<Record<string, string>> {
  if (ifMatch === undefined && ifNoneMatch === undefined) return {};
  const { writes } = await probed();
  if (writes.mode === "locked") return {};
  if (ifNoneMatch !== undefined) return { "if-none-match": "*" };
  // "*" means any: the one that was looked at will do.
  return { "if-match": writes.header(bareEtag(before?.headers.get("etag"))) };
}

async function remove(
  s3: S3,
  { key, conditions }: { key: string; conditions: Conditions },
  signal: AbortSignal,
): Promise<boolean> {
  const { before, isClaimed } = await s3.acknowledged.begin({ key, intent: removal, conditions }, signal);
  if (before) await s3.connection.expect({ method: "DELETE", key, signal }, 204, 200, 404);
  s3.inventory.settle(key, null);
  s3.corruptions.cleared(key);
  if (before) await forget(s3, before);
  // One that was missing is gone for good now.
  return before !== undefined || isClaimed;
}
