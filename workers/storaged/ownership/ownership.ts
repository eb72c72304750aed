/**
 * Which buckets belong to this store. One that was begun and is gone, or is another store's, stays closed by name while
 * everything else is served, and opens by itself when it is back. A bucket on S3 has one writer at a time besides.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { openStore } from "../../../runtime/store/store.ts";
import { type Bucket, bucketClosed } from "../bucket/bucket.ts";
import type { Health, S3Connection, Supports } from "../s3-client/s3-client.ts";
import { openLeaseTokens } from "./lease-tokens.ts";
import { ownedLocalBucket } from "./local-bucket.ts";
import { createS3Ownership, type S3Ownership } from "./s3-bucket.ts";

export type { S3Ownership } from "./s3-bucket.ts";

export interface Ownership {
  /** The bucket that `open` gives, for as long as the folder is this store's. */
  local: (
    name: string,
    root: string,
    bucket: { open: () => Promise<Bucket>; isPlain: boolean },
  ) => Promise<Bucket>;
  /** `wasAnothers` is called before it is used when somebody else had it since. */
  s3: (
    name: string,
    bucket: string,
    wasAnothers?: () => Promise<void>,
  ) => Promise<(connection: S3Connection) => S3Ownership>;
}

export async function openOwnership(deps: Deps): Promise<Ownership> {
  const { config, clock, log, adopted, newId, directory } = deps;
  const now = () => timestamp(clock);
  const store = await openStore({ dataDir: config.data_dir, now, log });
  const common = { store, clock, log, adopted };
  return {
    local: (name, root, bucket) => ownedLocalBucket({ ...common, name, root, ...bucket }),
    s3: async (name, bucket, wasAnothers) => {
      // Named by the bucket at the server, too: a lease on one bucket says nothing of another.
      const tokens = await openLeaseTokens(join(directory, "leases"), `${name}-${bucket}`);
      const holder = `process ${process.pid} on ${hostname()}`;
      const leaseMs = config.storaged.s3_lease_ms;
      const lease = { tokens, holder, leaseMs, newId, wasAnothers };
      return (connection) => createS3Ownership({ ...common, name, connection, lease });
    },
  };
}

/** Runs work on the bucket while it is ours; without an ownership it always is. */
export function onOurBucket(name: string, health: Health<Supports>, ownership: S3Ownership | undefined) {
  return {
    onOurs: <R>(work: () => Promise<R>): Promise<R> =>
      health.note(async () => {
        if (ownership) await health.probed();
        const lost = ownership?.lost();
        if (lost !== undefined) throw bucketClosed(name, lost);
        return work();
      }),
    /** The last ownership check before a change. */
    change: async <R>(signal: AbortSignal, work: () => Promise<R>): Promise<R> => {
      await ownership?.ensure(signal);
      return work();
    },
  };
}

/** For readiness: why the bucket is not ours any more. */
export const lostReasons = (ownership: S3Ownership | undefined): string[] =>
  [ownership?.lost()].filter((reason) => reason !== undefined);
