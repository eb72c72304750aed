/** A cache of files whose checksum was verified: each is hashed once, not at every use. */
import { dropOldest } from "../../../runtime/memory/memory.ts";
import type { FileFacts } from "./sidecar.ts";

/** Files remembered; the oldest are hashed again when they are asked for. */
const verifiedMax = 100_000;

export interface VerifiedFiles {
  add: (facts: FileFacts) => void;
  /** True when known; else runs `work`, once for all who ask meanwhile. */
  once: (facts: FileFacts, work: () => Promise<boolean>) => Promise<boolean>;
}

/** Files known to be whole, by everything that changes when a file is written to. */
export function createVerifiedFiles(): VerifiedFiles {
  const known = new Set<string>();
  const running = new Map<string, Promise<boolean>>();
  const idOf = ({ ino, mtimeNs, ctimeNs, size }: FileFacts) => `${ino}:${mtimeNs}:${ctimeNs}:${size}`;
  const add = (facts: FileFacts) => {
    known.add(idOf(facts));
    dropOldest(known, verifiedMax);
  };
  return {
    add,
    once: async (facts: FileFacts, work: () => Promise<boolean>): Promise<boolean> => {
      const id = idOf(facts);
      if (known.has(id)) return true;
      const run = running.get(id) ?? work().finally(() => running.delete(id));
      running.set(id, run);
      const whole = await run;
      if (whole) add(facts);
      return whole;
    },
  };
}
