/**
 * Holds the answers of a service for a moment. While the answers of all services are held no caller can learn
 * what was done meanwhile, so that snapshots of several services that are taken in that time are snapshots of one moment.
 */

import { fail } from "../errors/errors.ts";
import type { Clock } from "../scheduling/scheduling.ts";

/** A client that holds and goes away must not stop a service: answers go on after this long, in milliseconds. */
const holdMsMax = 10_000;

/**
 * Nor must repeated holds: so much of the last minute answers may have been held altogether, which is what three tries
 * of a backup take. A successful one takes a fifth of a second.
 */
const heldMsMax = 3 * holdMsMax;
const windowMs = 60_000;

export interface AnswerHold {
  /** Answers wait from now on, until all holds are released. Throws `too_many_requests` when they waited too long lately. */
  hold: (id: string) => void;
  /** Throws `not_found` when answers were not held from `hold` until now. */
  release: (id: string) => void;
  /** What an answer waits for; undefined while none is held. */
  held: () => Promise<void> | undefined;
  /** Lets all go: the service ends. */
  stop: () => void;
}

export function createAnswerHold(clock: Pick<Clock, "after" | "elapsed">): AnswerHold {
  const holds = new Map<string, () => void>();
  /** When answers were held in the last minute; the last of them may go on. */
  let stretches: { from: number; to?: number }[] = [];
  /** Milliseconds that answers may still be held. */
  const allowance = (now: number): number => {
    stretches = stretches.filter(({ to = now }) => to > now - windowMs);
    return stretches.reduce(
      (left, { from, to = now }) => left - (to - Math.max(from, now - windowMs)),
      heldMsMax,
    );
  };
  let waiting: PromiseWithResolvers<void> | undefined;
  const end = (id: string) => {
    holds.get(id)?.();
    holds.delete(id);
    if (holds.size > 0) return;
    waiting?.resolve();
    waiting = undefined;
    const last = stretches.at(-1);
    if (last) last.to ??= clock.elapsed();
  };
  return {
    hold: (id) => {
      // A hold cannot be prolonged.
      if (holds.has(id)) return;
      const now = clock.elapsed();
      const leftMs = allowance(now);
      if (leftMs <= 0)
        throw fail(
          "too_many_requests",
          `answers were held for ${heldMsMax / 1000} of the last ${windowMs / 1000} seconds, and are not held for longer: ask again later`,
          { retryAfterSeconds: Math.ceil(((stretches[0]?.from ?? now) + windowMs - now) / 1000) || 1 },
        );
      if (!waiting) stretches.push({ from: now });
      waiting ??= Promise.withResolvers();
      holds.set(
        id,
        clock.after(Math.min(holdMsMax, leftMs), () => end(id)),
      );
    },
    release: (id) => {
      if (!holds.has(id))
        throw fail(
          "not_found",
          `answers are not held any more: that ends after ${holdMsMax / 1000} seconds, and with the service`,
        );
      end(id);
    },
    held: () => waiting?.promise,
    stop: () => {
      for (const id of [...holds.keys()]) end(id);
    },
  };
}
