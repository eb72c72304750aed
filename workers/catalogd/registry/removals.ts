/** Objects that are being removed: no version may come to name one meanwhile. */
import { fail } from "../../../runtime/errors/errors.ts";
import { canonicalKey, type DataObject } from "../versions/versions.ts";

export interface Removals {
  /** Runs `work` while versions that name one of the keys are refused. */
  during: <T>(keys: Iterable<string>, work: () => Promise<T>) => Promise<T>;
  /** Throws `unavailable` where one of the objects is being removed. */
  check: (objects: readonly DataObject[]) => void;
}

export function createRemovals(): Removals {
  const removed = new Set<string>();
  return {
    during: async (keys, work) => {
      const own = [...keys];
      for (const key of own) removed.add(key);
      try {
        return await work();
      } finally {
        for (const key of own) removed.delete(key);
      }
    },
    check: (objects) => {
      const found = objects.find(({ key }) => removed.has(canonicalKey(key)));
      if (found)
        throw fail(
          "unavailable",
          `object '${found.key}' is being removed, as no version names it: store it again, then register it`,
          { retryAfterSeconds: 1 },
        );
    },
  };
}
