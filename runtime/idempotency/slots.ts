/** Where the newest line of each key stands, and until when it counts. */

import { LRUCache } from "lru-cache";
import type { Span } from "../line-log/line-log.ts";
import type { Clock } from "../scheduling/scheduling.ts";

/** What a line says of a key; its newest line counts. */
export interface Entry {
  key: string;
  /** Stands for the whole request. */
  fingerprint: string;
  /** The work's own name, in what it leaves behind. */
  operation: string;
  /** By the wall clock, milliseconds since the epoch: for the next start. */
  at: number;
  /** `reserved`: it was begun, and its outcome is not known. `free`: nothing was done. */
  state: "reserved" | "done" | "free";
  answer?: unknown;
  /** What its work may need to know of the time before it. */
  before?: unknown;
  /** What a start found of it, in what the service keeps. */
  found?: unknown;
  /** What it was about was erased since, and its answer with it. */
  erased?: true;
}

/** The draft standard for Idempotency-Key leaves the window to the server; ours is promised in the README. */
export const windowMs = 24 * 60 * 60 * 1000;
/** Keys kept; beyond, the oldest are forgotten first. A key takes about 400 bytes of memory. */
const keysMax = 100_000;

interface Slot {
  operation: string;
  isDone: boolean;
  /** By the monotonic clock: one that is set forward or back forgets no key while we run. */
  endsMs: number;
  path: string;
  at: Span;
}

export function createSlots(clock: Pick<Clock, "now" | "elapsed">) {
  /** Keys by their operations, of those whose outcome is not known. */
  const open = new Map<string, string>();
  // Counted as sizes: `max` takes the room of all at once. Looked up by `peek`: the oldest go first, not the least used.
  const slots = new LRUCache<string, Slot>({
    maxSize: keysMax,
    sizeCalculation: () => 1,
    dispose: ({ operation }) => open.delete(operation),
  });
  const set = ({ key, operation, state }: Entry, slot: Pick<Slot, "endsMs" | "path" | "at">) => {
    slots.delete(key);
    if (state === "free") return;
    slots.set(key, { operation, isDone: state === "done", ...slot });
    if (state === "reserved") open.set(operation, key);
  };
  // The clock may have been set back or forward while they were written. None is older than one that stands before it,
  // and one from the future is new: a key may be kept for too long by that, and never ends early.
  let latest = 0;
  return {
    keyOf: (operation: string) => open.get(operation),
    get: (key: string): Slot | undefined => {
      const slot = slots.peek(key);
      if (!slot || clock.elapsed() < slot.endsMs) return slot;
      slots.delete(key);
      return undefined;
    },
    put: (entry: Entry, path: string, at: Span) =>
      set(entry, { endsMs: clock.elapsed() + windowMs, path, at }),
    /** Takes the lines of a file as they are read. */
    reader: (path: string) => {
      let beganMs: number | undefined;
      const take = (entry: Entry, at: Span) => {
        latest = Math.max(latest, entry.at);
        const writtenMs = clock.elapsed() - Math.max(0, clock.now() - latest);
        beganMs ??= writtenMs;
        if (writtenMs + windowMs > clock.elapsed()) set(entry, { endsMs: writtenMs + windowMs, path, at });
        else slots.delete(entry.key);
      };
      return Object.assign(take, { beganMs: () => beganMs ?? clock.elapsed() });
    },
    openIn: (path: string): string[] =>
      [...slots].filter(([, slot]) => slot.path === path && !slot.isDone).map(([key]) => key),
    forget: (path: string) => {
      for (const [key, slot] of [...slots]) if (slot.path === path) slots.delete(key);
    },
  };
}
