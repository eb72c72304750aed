/** The write barrier: every change of an object passes here, so that a snapshot can first keep what the change replaces. */
import { createKeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { type BucketRegistry, withUploads, wrapped } from "./configured.ts";

/** Called before an object changes. Its promise never rejects: a snapshot must not block writers. */
type Watcher = (bucket: string, key: string) => Promise<void> | undefined;

export interface WriteBarrier {
  /** Runs the change when every watcher has seen what was there. Changes of one object follow each other. */
  change: <T>(bucket: string, key: string, work: () => Promise<T>) => Promise<T>;
  /** Runs the work while the object stays as it is. */
  still: <T>(bucket: string, key: string, work: () => Promise<T>) => Promise<T>;
  /**
   * The watcher sees every change that begins from now on, of whatever object. Those under way belong to the time
   * before: `settled` resolves when they have ended.
   */
  watch: (watcher: Watcher) => { settled: Promise<unknown>; end: () => void };
}

export function createWriteBarrier(): WriteBarrier {
  const lock = createKeyedMutex();
  const watchers = new Set<Watcher>();
  const underWay = new Set<Promise<unknown>>();
  const still: WriteBarrier["still"] = (bucket, key, work) => lock(`${bucket}\n${key}`, work);

  const change = async <T>(bucket: string, key: string, work: () => Promise<T>): Promise<T> => {
    // Until no watcher has work left: there is no await between the last check and the start of the change.
    for (;;) {
      const looks = [...watchers].flatMap((watcher) => watcher(bucket, key) ?? []);
      if (looks.length === 0) break;
      await Promise.all(looks);
    }
    const run = work();
    underWay.add(run);
    try {
      return await run;
    } finally {
      underWay.delete(run);
    }
  };
  return {
    still,
    change: (bucket, key, work) => still(bucket, key, () => change(bucket, key, work)),
    watch: (watcher) => {
      watchers.add(watcher);
      return {
        settled: Promise.allSettled([...underWay]),
        end: () => watchers.delete(watcher),
      };
    },
  };
}

/** The same buckets; commits and removals pass the barrier. */
export const withWriteBarrier = (registry: BucketRegistry, barrier: WriteBarrier): BucketRegistry =>
  wrapped(registry, (bucket) => {
    const { name } = bucket.describe();
    const guarded = withUploads(bucket, (key, upload) => ({
      ...upload,
      commit: (conditions) => barrier.change(name, key, () => upload.commit(conditions)),
    }));
    return {
      ...guarded,
      remove: (key, conditions, signal) =>
        barrier.change(name, key, () => bucket.remove(key, conditions, signal)),
    };
  });
