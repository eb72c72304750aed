/** One writer at a time for each key; readers never wait. */

export interface KeyLock {
  /** Runs `work` after all earlier work on the same key has ended, whatever its outcome. */
  <T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all work that is under way now, on any key, has ended. */
  settled: () => Promise<void>;
}

export function createKeyLock(): KeyLock {
  const tails = new Map<string, Promise<unknown>>();
  const lock = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const run = (tails.get(key) ?? Promise.resolve()).then(work);
    const tail = run.catch(() => undefined);
    tails.set(key, tail);
    try {
      return await run;
    } finally {
      if (tails.get(key) === tail) tails.delete(key);
    }
  };
  const settled = async () => {
    await Promise.all(tails.values());
  };
  return Object.assign(lock, { settled });
}
