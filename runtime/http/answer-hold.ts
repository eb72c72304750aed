/**
 * Holds the answers of a service's door for a moment. While the answers of all doors are held nobody outside can learn
 * what was done meanwhile, so that points of several services that are taken in that time are points of one moment.
 */

import { fail } from "../errors/errors.ts";
import type { Clock } from "../scheduling/scheduling.ts";

/** Whoever holds and is not heard of again must not stop a door: answers go on after this long, in milliseconds. */
export const holdMsMax = 10_000;

export interface AnswerHold {
  /** Answers wait from now on, until all holds are let go. */
  hold: (id: string) => void;
  /** Throws `not_found` when answers were not held from `hold` until now. */
  release: (id: string) => void;
  /** What an answer waits for; undefined while none is held. */
  held: () => Promise<void> | undefined;
  /** Lets all go: the service ends. */
  stop: () => void;
}

export function createAnswerHold(clock: Pick<Clock, "after">): AnswerHold {
  const holds = new Map<string, () => void>();
  let waiting: PromiseWithResolvers<void> | undefined;
  const end = (id: string) => {
    holds.get(id)?.();
    holds.delete(id);
    if (holds.size > 0) return;
    waiting?.resolve();
    waiting = undefined;
  };
  return {
    hold: (id) => {
      // Nobody prolongs one.
      if (holds.has(id)) return;
      waiting ??= Promise.withResolvers();
      holds.set(
        id,
        clock.after(holdMsMax, () => end(id)),
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
