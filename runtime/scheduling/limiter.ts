/** A limiter: so much work at once, the rest waits in order, work of one name goes on one after the other. */
import { Mutex } from "async-mutex";

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

// A mutex for each key: writers of one key follow each other; other keys, and readers, do not wait.

export interface KeyedMutex {
  /** Runs `work` after all earlier work on the same key has ended, whatever its outcome. */
  <T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all work that is under way now, on any key, has ended. */
  settled: () => Promise<void>;
}

/** How many may wait for one key, and what the others get. */
interface KeyLimit {
  waitingMax: number;
  refusal: (key: string) => Error;
}

/** Any number may wait where no limit is given. */
export function createKeyedMutex(limit?: KeyLimit): KeyedMutex {
  const keys = new Map<string, { mutex: Mutex; callers: number }>();
  const run = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const entry = keys.get(key) ?? { mutex: new Mutex(), callers: 0 };
    if (limit && entry.callers > limit.waitingMax) throw limit.refusal(key);
    keys.set(key, entry);
    entry.callers += 1;
    try {
      return await entry.mutex.runExclusive(work);
    } finally {
      entry.callers -= 1;
      if (entry.callers === 0) keys.delete(key);
    }
  };
  const settled = async () => {
    await Promise.all([...keys.values()].map(({ mutex }) => mutex.runExclusive(async () => {})));
  };
  return Object.assign(run, { settled });
}

// Divides something among those who work at the moment: each is given a share of the whole, smaller as they become more.

interface Shares {
  /**
   * `report` is called with the number of parts of which the holder may use one: now, when it is not `before`, and at each
   * change. The function returned gives the part back, and returns the last number.
   */
  take: (before: number | undefined, report: (parts: number) => void) => () => number;
}

/**
 * A part for one, two for two, five for sixteen: most need little, and one that needs much must not fail because of
 * many that need nothing. All together they may so use more than the whole, which others must watch. A change of a few
 * among many changes nothing for most.
 */
const partsFor = (holders: number): number => 1 + Math.ceil(Math.log2(Math.max(1, holders)));

export function createShares(): Shares {
  const holders = new Map<(parts: number) => void, number | undefined>();
  const reportAll = () => {
    const parts = partsFor(holders.size);
    for (const [report, reported] of holders) {
      if (reported === parts) continue;
      holders.set(report, parts);
      report(parts);
    }
  };
  return {
    take: (before, report) => {
      holders.set(report, before);
      reportAll();
      return () => {
        const last = holders.get(report) ?? 1;
        if (holders.delete(report)) reportAll();
        return last;
      };
    },
  };
}
