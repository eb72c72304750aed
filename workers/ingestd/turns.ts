/** Turns: so many ingests at once, ingests of one name one after the other, and a bound on those that wait. */
import { fail } from "../../runtime/errors.ts";

export interface Turns {
  /**
   * Resolves when the work may begin, with the function that ends the turn. Work with a name waits for earlier work
   * of that name first. Rejects with `overloaded` when too many wait already, and when the signal aborts.
   */
  take: (name: string | undefined, signal: AbortSignal) => Promise<() => void>;
  running: () => number;
  waiting: () => number;
}

interface Waiter {
  name: string | undefined;
  start: () => void;
}

/** Seconds after which a refused client may try again: about the time of one large ingest. */
const retryAfterSeconds = 2;

/** At most `runningMax` turns at once and `waitingMax` callers that wait. */
export function createTurns(runningMax: number, waitingMax: number): Turns {
  let running = 0;
  const names = new Set<string>();
  const waiters: Waiter[] = [];

  const free = ({ name }: Waiter) => name === undefined || !names.has(name);
  const next = () => {
    while (running < runningMax) {
      const at = waiters.findIndex(free);
      const [waiter] = at < 0 ? [] : waiters.splice(at, 1);
      if (!waiter) return;
      running += 1;
      if (waiter.name !== undefined) names.add(waiter.name);
      waiter.start();
    }
  };
  const end = (name: string | undefined) => {
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      running -= 1;
      if (name !== undefined) names.delete(name);
      next();
    };
  };

  const take = (name: string | undefined, signal: AbortSignal) =>
    new Promise<() => void>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = () => {
        const at = waiters.indexOf(waiter);
        if (at >= 0) waiters.splice(at, 1);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        name,
        start: () => {
          signal.removeEventListener("abort", leave);
          resolve(end(name));
        },
      };
      const atOnce = running < runningMax && free(waiter);
      if (!atOnce && waiters.length >= waitingMax) {
        const message = `${running} ingests run and ${waiters.length} wait: try again later`;
        return reject(fail("overloaded", message, { retryAfterSeconds }));
      }
      signal.addEventListener("abort", leave, { once: true });
      waiters.push(waiter);
      next();
    });
  return { take, running: () => running, waiting: () => waiters.length };
}
