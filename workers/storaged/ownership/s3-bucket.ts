/** A bucket on S3 as part of the store: its stamp is an object there, and so is the lease of who writes. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { type Adopted, type Stamped, type Store, stampFile } from "../../../runtime/store/store.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { bucketClosed, reservedPrefix } from "../bucket/bucket.ts";
import {
  type ConditionalWrites,
  refusal,
  type S3Connection,
  type Supports,
  textOf,
} from "../s3-client/s3-client.ts";
import { createLease, type LeaseOptions } from "./lease.ts";
import { leaseObject } from "./lease-object.ts";

/** Ownership of a bucket on S3. */
export interface S3Ownership {
  /** Throws `unavailable`, saying why, unless the bucket is this store's, or nobody's. Changes nothing. */
  verify: (signal: AbortSignal) => Promise<void>;
  /** Makes it this store's, and takes its lease. Throws `unavailable` saying who has it. */
  take: (supports: Supports, signal: AbortSignal) => Promise<void>;
  /** Resolves when nobody else can be writing there at this moment. */
  ensure: (signal: AbortSignal) => Promise<void>;
  /** Why it cannot be used any more, once another one has it. */
  lost: () => string | undefined;
  stop: () => Promise<void>;
}

interface S3OwnershipOptions {
  name: string;
  store: Store;
  connection: S3Connection;
  adopted: Adopted;
  clock: Clock;
  log: Log;
  lease: Pick<LeaseOptions, "tokens" | "holder" | "leaseMs" | "newId" | "wasAnothers">;
}

export function createS3Ownership(options: S3OwnershipOptions): S3Ownership {
  const { name, store, connection, clock, log } = options;
  let writes: ConditionalWrites = { mode: "locked" };
  // An operator accepts the state before this start, not later changes of the bucket.
  let hasBegun = false;
  const adopted: Adopted = (place, reason) => !hasBegun && options.adopted(place, reason);
  const stamped = (signal: AbortSignal) => stampedBucket(name, connection, signal);

  const verify = async (signal: AbortSignal): Promise<void> => {
    const verdict = await store.look(stamped(signal));
    if (typeof verdict === "object" && !adopted(name, verdict.refusal))
      throw bucketClosed(name, verdict.refusal);
  };
  const lease = createLease({
    ...options.lease,
    bucket: name,
    storeId: store.id,
    object: leaseObject(connection, () => writes, clock),
    verify,
    clock,
    log,
  });
  return {
    verify,
    take: async (supports, signal) => {
      writes = supports.writes;
      await verify(signal);
      if (store.isVisitor) return options.lease.wasAnothers?.();
      // The lease first: a bucket that another Lakehouse is writing to must not be stamped.
      await lease.take(signal);
      const [verdict] = await store.admit([stamped(signal)], adopted);
      if (typeof verdict === "object") throw bucketClosed(name, verdict.refusal);
      hasBegun = true;
    },
    ensure: lease.ensure,
    lost: lease.lost,
    stop: lease.stop,
  };
}

function stampedBucket(name: string, { address, expect }: S3Connection, signal: AbortSignal): Stamped {
  const key = reservedPrefix + stampFile;
  const read = async () => {
    const answer = await expect({ method: "GET", key, signal }, 200, 404);
    if (answer.status === 200) return new TextEncoder().encode(answer.text);
    if (textOf(answer.text, "Code") === "NoSuchBucket") throw refusal(address, answer);
    return null;
  };
  const put = (target: string, text: string) =>
    expect({ method: "PUT", key: target, body: new TextEncoder().encode(text), signal }, 200);
  return {
    kind: "bucket",
    name,
    at: `${address.endpoint}/${address.bucket}`,
    read,
    write: async (text) => void (await put(key, text)),
    setAside: async (suffix) => {
      const there = await read();
      if (there !== null) await put(key + suffix, new TextDecoder().decode(there));
    },
  };
}
