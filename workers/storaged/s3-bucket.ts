/** A bucket on an S3 server: Amazon's, Ceph's, MinIO's or any other. */
import type { Clock } from "../../runtime/clock.ts";
import { fail } from "../../runtime/errors.ts";
import { createKeyLock } from "../../runtime/key-lock.ts";
import type { Log } from "../../runtime/log.ts";
import {
  type Bucket,
  type Conditions,
  checkConditions,
  noSuchObject,
  type ObjectInfo,
  type OpenObject,
  type Written,
} from "./bucket.ts";
import { type RangeRequest, resolveRange } from "./range.ts";
import { createS3Connection, type S3Answer, type S3Connection, type S3Server } from "./s3-connection.ts";
import { refusal } from "./s3-error.ts";
import { createHealth } from "./s3-health.ts";
import { listS3, wholeSeconds } from "./s3-list.ts";
import { probeServer, type Supports } from "./s3-probe.ts";
import { type Arrived, abortUpload, markHeader, uploadBody } from "./s3-upload.ts";
import { textOf } from "./s3-xml.ts";
import type { UploadLedger } from "./upload-ledger.ts";

/** An object replaced between its HEAD and its GET is looked at anew this often. */
const openTries = 3;

export interface S3BucketOptions {
  name: string;
  server: S3Server;
  clock: Clock;
  log: Log;
  newId: () => string;
  /** Where the uploads under way are noted; those of an earlier process are aborted. */
  ledger: UploadLedger;
}

/** Opens the bucket. The server is asked in the background: `notReady` tells when it does not answer. */
export function openS3Bucket({ name, server, clock, log, newId, ledger }: S3BucketOptions): Bucket {
  const connection = createS3Connection({ name, server, clock, log });
  let last = "";
  /** Once, and again only when it has changed: a server is asked anew whenever it was not well. */
  const tell = (supports: Supports) => {
    const { conditional_writes, ...found } = told(supports);
    const line = { bucket: name, endpoint: server.endpoint, conditional_writes, ...found };
    if (JSON.stringify(line) !== last) log.info("what the S3 server supports", line);
    last = JSON.stringify(line);
  };
  const lock = createKeyLock();
  const probe = async (signal: AbortSignal) => {
    const supports = await probeServer(connection, newId, signal);
    tell(supports);
    const left = ledger.left().filter(({ bucket }) => bucket === server.bucket);
    for (const upload of left) await abortUpload({ connection, ledger }, upload, signal);
    return supports;
  };
  const health = createHealth<Supports>({ name, probe, clock, log });
  /** Runs the work unless the server would take the key for another one. */
  const note = <R>(key: string, work: () => Promise<R>): Promise<R> =>
    health.note(async () => {
      if (key.includes("\\") && !(await health.probed()).keepsBackslash) throw backslash(name, key);
      return work();
    });
  const s3: S3 = { name, connection, now: clock.now, probed: health.probed };

  return {
    describe: () => ({
      name,
      kind: "s3",
      endpoint: server.endpoint,
      region: server.region,
      ...told(health.found()),
    }),
    notReady: health.reasons,
    head: (key, signal) => note(key, () => headObject(s3, key, signal)),
    open: (key, range, signal) => note(key, () => openObject(s3, { key, range }, signal)),
    receive: (key, body, options) =>
      note(key, async () => {
        const arrived = await uploadBody({ connection, ledger, newId, log }, key, body, options);
        return {
          bytes: arrived.bytes,
          sha256: arrived.sha256,
          commit: (conditions) =>
            health.note(() =>
              lock(key, () =>
                commit(s3, { key, arrived, conditions, contentType: options.contentType }, options.signal),
              ),
            ),
          discard: arrived.abandon,
        };
      }),
    remove: (key, conditions, signal) =>
      note(key, () => lock(key, () => remove(s3, { key, conditions }, signal))),
    list: (query) => health.note(() => listS3(connection, query)),
    locate: async (key, signal) => {
      const info = await note(key, () => headObject(s3, key, signal));
      return { kind: "s3", url: `s3://${server.bucket}/${key}`, info };
    },
    stop: health.stop,
  };
}

/** What operators are shown of a trial's outcome. */
const told = (supports: Supports | undefined) => ({
  conditional_writes: supports?.writes.mode ?? ("unknown" as const),
  ...(supports?.server !== undefined && { server: supports.server }),
  ...(supports && { lacks: supports.lacks }),
});

const backslash = (bucket: string, key: string) =>
  fail("invalid_key", `the server of bucket '${bucket}' takes '\\' in a key for '/': use another character`, {
    details: { bucket, key: key.slice(0, 200) },
  });

interface S3 {
  name: string;
  connection: S3Connection;
  now: () => number;
  probed: () => Promise<Supports>;
}

/** What servers call bytes whose type nobody gave. */
const untyped = new Set(["application/octet-stream", "binary/octet-stream", ""]);

function infoOf(key: string, { headers }: S3Answer, bytes: number): ObjectInfo {
  const content_type = headers.get("content-type") ?? "";
  return {
    key,
    bytes,
    etag: (headers.get("etag") ?? "").replaceAll('"', ""),
    last_modified: wholeSeconds(headers.get("last-modified") ?? headers.get("date") ?? ""),
    ...(!untyped.has(content_type) && { content_type }),
  };
}

const lengthOf = ({ headers }: S3Answer): number => Number(headers.get("content-length") ?? Number.NaN);

/** The object's headers, or undefined when the server says 404, which may also mean the bucket. */
async function look({ connection }: S3, key: string, signal: AbortSignal): Promise<S3Answer | undefined> {
  const answer = await connection.expect({ method: "HEAD", key, signal }, 200, 404);
  return answer.status === 404 ? undefined : answer;
}

async function headObject(s3: S3, key: string, signal: AbortSignal): Promise<ObjectInfo> {
  const answer = await look(s3, key, signal);
  if (answer) return infoOf(key, answer, lengthOf(answer));
  await checkBucket(s3, signal);
  throw noSuchObject(s3.name, key);
}

/** A HEAD has no body to tell a missing object from a missing bucket: this tells. */
async function checkBucket({ connection }: S3, signal: AbortSignal): Promise<void> {
  const query = { "list-type": "2", "max-keys": "1", prefix: ".lakehouse/" };
  await connection.expect({ method: "GET", query, signal }, 200);
}

async function openObject(
  s3: S3,
  { key, range }: { key: string; range: RangeRequest | undefined },
  signal: AbortSignal,
): Promise<OpenObject> {
  if (!range) {
    const answer = await getObject(s3, { key, headers: {} }, signal);
    return { info: infoOf(key, answer, lengthOf(answer)), body: answer.body };
  }
  for (let tried = 1; ; tried++) {
    const info = await headObject(s3, key, signal);
    const span = resolveRange(range, info.bytes);
    const headers = { range: `bytes=${span.first}-${span.last}` };
    const answer = await getObject(s3, { key, headers }, signal);
    const whole = `bytes ${span.first}-${span.last}/${info.bytes}`;
    const same = infoOf(key, answer, info.bytes).etag === info.etag;
    if (same && answer.headers.get("content-range") === whole) return { info, span, body: answer.body };
    await answer.body.cancel();
    if (tried === openTries) {
      throw fail(
        "bad_gateway",
        `bucket '${s3.name}': the server did not give the range of '${key}' asked for`,
      );
    }
  }
}

async function getObject(
  { name, connection }: S3,
  { key, headers }: { key: string; headers: Record<string, string> },
  signal: AbortSignal,
): Promise<S3Answer> {
  const answer = await connection.expect(
    { method: "GET", key, headers, streamed: true, signal },
    200,
    206,
    404,
    416,
  );
  if (answer.status === 200 || answer.status === 206) return answer;
  if (textOf(answer.text, "Code") === "NoSuchKey") throw noSuchObject(name, key);
  throw refusal(connection.place, answer);
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
    const before = await look(s3, key, signal);
    checkConditions(key, before && infoOf(key, before, 0).etag, conditions);
    const headers = await conditionHeaders(s3, conditions, before);
    const done = await arrived.finish(headers, signal);
    const after = await look(s3, key, signal);
    const isOurs = after?.headers.get(markHeader) === arrived.mark;
    if (!done && !isOurs) {
      throw fail(
        "precondition_failed",
        `'${key}' changed while it was written: the condition does not hold any more`,
      );
    }
    if (after && isOurs) return { info: infoOf(key, after, lengthOf(after)), created: before === undefined };
    // Somebody else has replaced it already. What was written is described from what is known of it.
    return {
      info: describeLost(s3, { key, arrived, contentType }, done?.etag ?? ""),
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
  return { "if-match": writes.header((before?.headers.get("etag") ?? "").replaceAll('"', "")) };
}

async function remove(
  s3: S3,
  { key, conditions }: { key: string; conditions: Conditions },
  signal: AbortSignal,
): Promise<boolean> {
  const before = await look(s3, key, signal);
  checkConditions(key, before && infoOf(key, before, 0).etag, conditions);
  if (!before) await checkBucket(s3, signal);
  if (!before) return false;
  await s3.connection.expect({ method: "DELETE", key, signal }, 204, 200, 404);
  return true;
}
