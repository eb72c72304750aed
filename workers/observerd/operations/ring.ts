/** The latest operations in memory: a bounded number of them, and of bytes. */
import type { Operation } from "../contract.ts";

interface RingEntry {
  /** Grows with each operation; the next page continues below the last one given. */
  ordinal: number;
  operation: Operation;
}

export interface Ring {
  /** `bytes` is what the operation has as JSON. The latest one is always kept. */
  add: (entry: RingEntry, bytes: number) => void;
  /** Oldest first. */
  operations: () => Operation[];
  newestFirst: () => Iterable<RingEntry>;
  clear: () => void;
}

/** An empty ring. */
export function createRing(operationsMax: number, bytesMax: number): Ring {
  let entries: (RingEntry & { bytes: number })[] = [];
  /** Entries before this index are evicted; they are sliced off in batches, so that eviction is O(1) on average. */
  let first = 0;
  let held = 0;
  const isOver = () => {
    const count = entries.length - first;
    return count > operationsMax || (held > bytesMax && count > 1);
  };
  return {
    add: ({ ordinal, operation }, bytes) => {
      entries.push({ ordinal, operation, bytes });
      held += bytes;
      while (isOver()) {
        held -= entries[first]?.bytes ?? 0;
        first += 1;
      }
      if (first <= operationsMax && first * 2 <= entries.length) return;
      entries = entries.slice(first);
      first = 0;
    },
    operations: () => entries.slice(first).map(({ operation }) => operation),
    clear: () => {
      entries = [];
      first = 0;
      held = 0;
    },
    *newestFirst() {
      yield* entries.slice(first).reverse();
    },
  };
}
