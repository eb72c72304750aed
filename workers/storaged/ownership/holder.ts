/** This process's side of a bucket's lease: its last write, and how long it is certain to hold. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { LeaseObject, LeaseRecord, Read } from "./lease-object.ts";
import type { LeaseTokens } from "./lease-tokens.ts";

export interface HolderOptions {
  storeId: string;
  object: LeaseObject;
  tokens: LeaseTokens;
  leaseMs: number;
  /** Host and process, for people. */
  holder: string;
  clock: Clock;
  newId: () => string;
}

interface Holder {
  /** Writes the lease over this one; false when it was replaced meanwhile. */
  write: (over: Read | undefined, signal: AbortSignal) => Promise<boolean>;
  renew: (signal: AbortSignal) => Promise<boolean>;
  /** Whether the lease is one that this data directory wrote, or may have written. */
  isOurs: (lease: Read) => boolean;
  /** Whether it certainly still holds. */
  isCertain: () => boolean;
  /** Releases it, if it is held. */
  release: (signal: AbortSignal) => Promise<void>;
}

/** The holder stops writing after two thirds of what others wait for: clocks may run that much apart. */
const certainPart = 2 / 3;

interface Held {
  token: string;
  etag: string;
  /** When its writing was sent, by both clocks: the monotonic one stands still while a machine sleeps. */
  sentAt: { elapsed: number; now: number };
}

export function createHolder(options: HolderOptions): Holder {
  const { storeId, object, tokens, leaseMs, holder, clock, newId } = options;
  let held: Held | undefined;
  let pending: string | undefined;
  const recordOf = (token: string): LeaseRecord => ({
    format: 1,
    store_id: storeId,
    token,
    lease_ms: leaseMs,
    holder,
  });

  const put = async (
    before: { token: string | undefined; etag: string } | undefined,
    signal: AbortSignal,
  ): Promise<boolean> => {
    // The same token until a write is confirmed: an attempt whose answer was lost is recognised by it.
    pending ??= newId();
    const token = pending;
    await tokens.remember(before?.token === undefined ? [token] : [token, before.token]);
    const sentAt = { elapsed: clock.elapsed(), now: clock.now() };
    const etag = await object.write(recordOf(token), before?.etag, signal);
    if (etag === undefined) return false;
    held = { token, etag, sentAt };
    pending = undefined;
    return true;
  };
  return {
    write: (over, signal) => put(over && { token: tokenOf(over), etag: over.etag }, signal),
    renew: (signal) => put(held, signal),
    isOurs: (lease) => {
      const token = tokenOf(lease);
      return token !== undefined && [...tokens.known(), held?.token, pending].includes(token);
    },
    isCertain: () => {
      if (!held) return false;
      const { elapsed, now } = held.sentAt;
      return Math.max(clock.elapsed() - elapsed, clock.now() - now) < leaseMs * certainPart;
    },
    release: async (signal) => {
      if (!held) return;
      const token = newId();
      await tokens.remember([token, held.token]);
      await object.write({ ...recordOf(token), released: true }, held.etag, signal);
    },
  };
}

/** Undefined for one that cannot be read. */
export const tokenOf = ({ record }: Read): string | undefined =>
  record === "damaged" ? undefined : record.token;
