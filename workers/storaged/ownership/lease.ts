/**
 * Who may write to an S3 bucket: one Lakehouse at a time. The holder renews an object there; another one takes it when
 * that object was given back, or stayed the same for as long as it says that it holds. Time is measured where one is,
 * never compared with another machine's clock (ADR 0139).
 */
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { bucketClosed } from "../bucket/bucket.ts";
import { createHolder, type HolderOptions, tokenOf } from "./holder.ts";
import type { Read } from "./lease-object.ts";

export interface Lease {
  /** Takes the lease if it is free. Throws `unavailable` saying who holds it. */
  take: (signal: AbortSignal) => Promise<void>;
  /** Resolves when nobody else can hold it at this moment; where that is not certain the server is asked. */
  ensure: (signal: AbortSignal) => Promise<void>;
  /** Why the lease was lost, once another holder has it. */
  lost: () => string | undefined;
  /** Stops renewing and releases the lease. */
  stop: () => Promise<void>;
}

export interface LeaseOptions extends HolderOptions {
  bucket: string;
  /** Throws where the bucket is not what it was: asked when the lease in it is not what it was. */
  verify: (signal: AbortSignal) => Promise<void>;
  /** Called when another holder had the bucket since this directory did: what is known of it may be old. */
  wasAnothers?: (() => Promise<void>) | undefined;
  log: Log;
}

const renewalsPerLease = 3;
/** Longest time for releasing it; after that it is left to expire. */
const releaseMs = 5000;

export function createLease(options: LeaseOptions): Lease {
  const { bucket, object, verify, leaseMs, clock, log } = options;
  const holder = createHolder(options);
  const isOver = createObserver(options);
  const stopping = new AbortController();
  let lost: string | undefined;
  let renewing: Promise<void> | undefined;
  let loop: Promise<void> | undefined;

  const take = async (signal: AbortSignal): Promise<void> => {
    if (lost !== undefined) throw bucketClosed(bucket, lost);
    const found = await object.read(signal);
    if (found && !holder.isOurs(found)) {
      if (!isOver(found)) throw bucketClosed(bucket, heldBy(bucket, found));
      log.info("a bucket's lease is taken over", {
        bucket,
        from: nameOf(found),
        released: isReleased(found),
      });
    }
    const token = found && tokenOf(found);
    // Before it is ours: from then on nothing tells that it was another's.
    if (token !== undefined && !options.tokens.isLast(token)) await options.wasAnothers?.();
    if (!(await holder.write(found, signal)))
      throw bucketClosed(bucket, `bucket '${bucket}' was just taken by another Lakehouse`);
    loop ??= keepRenewing();
  };

  const renew = async (signal: AbortSignal): Promise<void> => {
    if (await holder.renew(signal)) return;
    await verify(signal);
    const found = await object.read(signal);
    const isFree = found === undefined || holder.isOurs(found);
    if (isFree && (await holder.write(found, signal))) return;
    lost =
      `bucket '${bucket}' was taken by another Lakehouse (${nameOf(found)}) while this one did not renew its lease: ` +
      "what this one knows of it may be old. Stop one of them, then restart this one";
    log.error("a bucket's lease is lost", { bucket, reason: lost });
    throw bucketClosed(bucket, lost);
  };
  const renewOnce = (): Promise<void> => {
    renewing ??= renew(stopping.signal).finally(() => {
      renewing = undefined;
    });
    return renewing;
  };
  const keepRenewing = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(leaseMs / renewalsPerLease, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted || lost !== undefined) return;
      await renewOnce().catch((error) => {
        if (!stopping.signal.aborted && lost === undefined)
          log.warn("a bucket's lease could not be renewed", { bucket, ...describe(error) });
      });
    }
  };

  return {
    take,
    ensure: async () => {
      if (lost === undefined && !holder.isCertain()) await renewOnce();
      if (lost !== undefined) throw bucketClosed(bucket, lost);
      if (!holder.isCertain())
        throw bucketClosed(bucket, `bucket '${bucket}' may be another's by now: ${lateRenewal}`);
    },
    lost: () => lost,
    stop: async () => {
      stopping.abort();
      await loop;
      await renewing?.catch(() => undefined);
      await holder.release(AbortSignal.timeout(releaseMs)).catch((error) => {
        log.warn("a bucket's lease could not be given back: it expires", { bucket, ...describe(error) });
      });
    },
  };
}

const lateRenewal = "its lease could not be renewed in time, and is tried again";

/** Decides whether another holder's lease is over: given back, or the same for as long as it says that it holds. */
function createObserver({ leaseMs, clock }: Pick<LeaseOptions, "leaseMs" | "clock">) {
  let seen: { as: string; at: number } | undefined;
  return (lease: Read): boolean => {
    if (isReleased(lease)) return true;
    const as = tokenOf(lease) ?? lease.etag;
    if (seen?.as !== as) seen = { as, at: clock.elapsed() };
    const holdsMs = lease.record === "damaged" ? leaseMs : lease.record.lease_ms;
    return clock.elapsed() - seen.at >= holdsMs;
  };
}

const isReleased = ({ record }: Read): boolean => record !== "damaged" && record.released === true;

const nameOf = (found: Read | undefined): string =>
  found === undefined || found.record === "damaged" ? "unknown" : found.record.holder;

const heldBy = (bucket: string, found: Read): string =>
  found.record === "damaged"
    ? `the lease of bucket '${bucket}' is damaged, and another Lakehouse may hold it: it is taken once it has stayed as it is for as long as a lease holds`
    : `bucket '${bucket}' is held by another Lakehouse (${nameOf(found)}): stop that one, or give this one a bucket of its ` +
      "own. It is free as soon as the other has stopped, or has not renewed its lease for a while";
