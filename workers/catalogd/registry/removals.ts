/**
 * Objects that are being removed, which no version may come to name meanwhile; and objects that a version is about to name,
 * which are not removed until then.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { canonicalKey } from "../versions/versions.ts";

export interface Removals {
  /** Runs `work` on the keys that nobody holds while holds on them, and versions that name them, are refused. */
  during: <T>(keys: Iterable<string>, work: (taken: ReadonlySet<string>) => Promise<T>) => Promise<T>;
  /** Keeps the objects from being removed for so long. Throws `unavailable` where one is being removed. */
  hold: (keys: readonly string[], ms: number) => void;
  /** Gives up one hold on each, as a version names it now. */
  release: (objects: readonly { key: string }[]) => void;
  /** Whether somebody holds the object. */
  isHeld: (key: string) => boolean;
  /** Throws `unavailable` where one of the objects is being removed. */
  check: (objects: readonly { key: string }[]) => void;
}

export function createRemovals(clock: Pick<Clock, "elapsed">): Removals {
  const removed = new Set<string>();
  /** Until when each is held, once for each who holds it; the earliest first. */
  const held = new Map<string, number[]>();
  const isHeld = (key: string) => (held.get(canonicalKey(key))?.at(-1) ?? 0) > clock.elapsed();
  const check: Removals["check"] = (objects) => {
    const found = objects.find(({ key }) => removed.has(canonicalKey(key)));
    if (found)
      throw fail(
        "unavailable",
        `object '${found.key}' is being removed, as no version names it: store it again, then register it`,
        { retryAfterSeconds: 1 },
      );
  };
  return {
    during: async (keys, work) => {
      const taken = new Set([...keys].filter((key) => !isHeld(key)));
      for (const key of taken) removed.add(key);
      try {
        return await work(taken);
      } finally {
        for (const key of taken) removed.delete(key);
      }
    },
    hold: (keys, ms) => {
      check(keys.map((key) => ({ key })));
      for (const key of held.keys()) if (!isHeld(key)) held.delete(key);
      for (const key of keys.map(canonicalKey)) {
        const all = [...(held.get(key) ?? []), clock.elapsed() + ms];
        held.set(
          key,
          all.sort((a, b) => a - b),
        );
      }
    },
    release: (objects) => {
      for (const key of objects.map(({ key }) => canonicalKey(key))) {
        const left = held.get(key)?.slice(1) ?? [];
        if (left.length > 0) held.set(key, left);
        else held.delete(key);
      }
    },
    isHeld,
    check,
  };
}
