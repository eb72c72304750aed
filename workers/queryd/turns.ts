/** How many queries run at once; the others wait in order, and too many waiting are sent away. */
import { fail } from "../../runtime/errors.ts";

export interface Turns {
  /** Resolves when the turn has come; rejects with `too_many_requests`, or the signal's reason. */
  take: (signal: AbortSignal) => Promise<() => void>;
  running: () => number;
  waiting: () => number;
}

/** Seconds after which a caller that was sent away may try again. */
const retryAfterSeconds = 1;

export function createTurns(runningMax: number, waitingMax: number): Turns {
  let running = 0;
  const queue = new Set<() => void>();

  const giveBack = () => {
    running -= 1;
    const [next] = queue;
    if (next) next();
  };
  const begin = () => {
    running += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      giveBack();
    };
  };
  return {
    running: () => running,
    waiting: () => queue.size,
    take: async (signal) => {
      signal.throwIfAborted();
      if (running < runningMax && queue.size === 0) return begin();
      if (queue.size >= waitingMax) {
        throw fail(
          "too_many_requests",
          `${running} queries run and ${queue.size} wait already, as many as allowed; try again later`,
          { retryAfterSeconds },
        );
      }
      return new Promise((resolve, reject) => {
        const leave = () => {
          queue.delete(come);
          signal.removeEventListener("abort", onAbort);
        };
        const come = () => {
          leave();
          resolve(begin());
        };
        const onAbort = () => {
          leave();
          reject(signal.reason);
        };
        queue.add(come);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}
