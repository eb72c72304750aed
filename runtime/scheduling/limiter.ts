/** A limiter: so much work at once, the rest waits in order, work of one name goes on one after the other. */

export interface Limiter {
  /**
   * Resolves when the work may begin, with the function that ends it. Work with a name waits for earlier work of that
   * name first. Rejects with the refusal when too many wait already, and with the signal's reason when it aborts.
   */
  take: (signal: AbortSignal, name?: string) => Promise<() => void>;
  running: () => number;
  waiting: () => number;
}

interface Waiter {
  name: string | undefined;
  start: () => void;
}

/** How many may wait, and what the others get. */
interface WaitingLimit {
  waitingMax: number;
  refusal: (running: number, waiting: number) => Error;
}

/** At most `runningMax` run at once; any number waits where no limit is given. */
export function createLimiter(runningMax: number, limit?: WaitingLimit): Limiter {
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

  const take = (signal: AbortSignal, name?: string) =>
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
      if (!atOnce && limit && waiters.length >= limit.waitingMax)
        return reject(limit.refusal(running, waiters.length));
      signal.addEventListener("abort", leave, { once: true });
      waiters.push(waiter);
      next();
    });
  return { take, running: () => running, waiting: () => waiters.length };
}
