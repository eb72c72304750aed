/** A ring buffer of the latest finished calls, read in order; it counts the calls that a reader missed. */
import type { Static } from "@sinclair/typebox";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Call } from "../contract.ts";

export type CallRecord = Static<typeof Call>;

export interface Calls {
  add: (call: Omit<CallRecord, "sequence">) => void;
  /** Calls after a sequence number, oldest first; waits for one up to `waitMs`. */
  after: (
    sequence: number,
    wait: { waitMs: number; signal: AbortSignal },
  ) => Promise<{ calls: CallRecord[]; life: string; missed: number }>;
  /** Forgets what was said in calls that are told so, or only counts them; gives how many. */
  forget: (isMeant: (call: CallRecord) => boolean, dryRun: boolean) => number;
  /** Ends all waiting, now and later. */
  drain: () => void;
}

/** Calls of one answer. */
const pageMax = 500;

export function createCalls({
  kept,
  life,
  clock,
}: {
  kept: number;
  life: string;
  clock: Pick<Clock, "after">;
}): Calls {
  let ring: CallRecord[] = [];
  let last = 0;
  let isDraining = false;
  const waiters = new Set<() => void>();
  const wakeAll = () => {
    for (const wake of [...waiters]) wake();
  };
  const read = (sequence: number) => {
    const first = ring[0]?.sequence ?? last + 1;
    const from = Math.max(0, sequence + 1 - first);
    // A sequence beyond the last call is of an earlier start of the service: read from the beginning.
    const isOther = sequence > last;
    const calls = isOther ? ring.slice(0, pageMax) : ring.slice(from, from + pageMax);
    return { calls, life, missed: Math.max(0, first - 1 - (isOther ? 0 : sequence)) };
  };
  const next = (waitMs: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const wake = () => {
        stop();
        waiters.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const stop = clock.after(waitMs, wake);
      waiters.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });

  return {
    add: (call) => {
      last += 1;
      ring.push({ sequence: last, ...call });
      // Cut when twice as long: moving the rest at each call would cost more.
      if (ring.length >= 2 * kept) ring = ring.slice(-kept);
      wakeAll();
    },
    after: async (sequence, { waitMs, signal }) => {
      const now = read(sequence);
      if (now.calls.length > 0 || waitMs === 0 || isDraining || signal.aborted) return now;
      await next(waitMs, signal);
      return read(sequence);
    },
    forget: (isMeant, dryRun) => {
      const meant = ring.filter(isMeant);
      // The numbers of those that stay have no gap: their place is kept, without what was said.
      if (!dryRun) ring = ring.map((call) => (isMeant(call) ? withoutContent(call) : call));
      return meant.length;
    },
    drain: () => {
      isDraining = true;
      wakeAll();
    },
  };
}

function withoutContent({ input: _, output: __, error: ___, ...call }: CallRecord): CallRecord {
  return call;
}
