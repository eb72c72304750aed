/** A mutex for each key: writers of one key follow each other; other keys, and readers, do not wait. */
import { Mutex } from "async-mutex";

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
