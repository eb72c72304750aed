/** Orphans: objects that no manifest of an index needs, and their removal. */
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { type Manifest, manifestKey, objectsOf, segmentOf } from "../lhv1/lhv1.ts";
import type { ObjectStore } from "./store.ts";

/** Tells the objects that any of these manifests needs. */
export function neededBy(name: string, manifests: readonly Manifest[]): (key: string) => boolean {
  const named = new Set(manifests.flatMap(objectsOf));
  const ranges = manifests.flatMap((manifest) => [
    { ...manifest, last: Number.POSITIVE_INFINITY },
    ...manifest.snapshots,
  ]);
  return (key) => {
    if (key === manifestKey(name) || named.has(key)) return true;
    const segment = segmentOf(name, key);
    if (!segment) return false;
    return ranges.some(
      ({ incarnation, base, last }) =>
        incarnation === segment.incarnation && base < segment.sequence && segment.sequence <= last,
    );
  };
}

/** Erases the objects; gives those that are gone. What cannot be erased is logged and left for the next time. */
export async function eraseAll(store: ObjectStore, log: Log, keys: Iterable<string>): Promise<string[]> {
  const gone: string[] = [];
  for (const key of keys) {
    try {
      await store.erase(key);
      gone.push(key);
    } catch (error) {
      log.warn("an object that is not needed could not be erased; it is tried again later", {
        key,
        ...describe(error),
      });
    }
  }
  return gone;
}
