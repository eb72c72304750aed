/** A cache of files whose checksum was verified: each is hashed once, not at every use. */
import { LRUCache } from "lru-cache";
import type { FileFacts } from "./sidecar.ts";

/** Files remembered; others are hashed again when they are asked for. Counted as sizes: `max` takes the room of all at once. */
const remembered = { maxSize: 100_000, sizeCalculation: () => 1 };

/** Files known to be whole, by everything that changes when a file is written to. */
export function createVerifiedFiles() {
  const known = new LRUCache<string, true>(remembered);
  const running = new Map<string, Promise<boolean>>();
  const idOf = ({ ino, mtimeNs, ctimeNs, size }: FileFacts) => `${ino}:${mtimeNs}:${ctimeNs}:${size}`;
  const add = (facts: FileFacts) => {
    known.set(idOf(facts), true);
  };
  return {
    add,
    /** True when known; else runs `work`, once for all who ask meanwhile. */
    once: async (facts: FileFacts, work: () => Promise<boolean>): Promise<boolean> => {
      const id = idOf(facts);
      if (known.get(id)) return true;
      const run = running.get(id) ?? work().finally(() => running.delete(id));
      running.set(id, run);
      const whole = await run;
      if (whole) add(facts);
      return whole;
    },
  };
}
