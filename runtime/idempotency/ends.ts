/** How operations ended: on their way to the disk, on it, or found in what the work left behind. */
import { LRUCache } from "lru-cache";
import { describe, type Log } from "../telemetry/telemetry.ts";
import type { KeyLog } from "./key-log.ts";
import type { Entry } from "./slots.ts";

/** Answers that could not be written down, and are remembered until the next start. */
const unwrittenMax = 1000;

type Known = Omit<Entry, "key" | "at">;

export function createEnds(keys: KeyLog, log: Pick<Log, "warn"> | undefined) {
  const unwritten = new LRUCache<string, Known>({ max: unwrittenMax });
  const underWay = new Set<Promise<void>>();
  /** What was found of open operations, by their ids. */
  const atStart = new Map<string, unknown>();

  const tracked = (work: Promise<void>): Promise<void> => {
    const kept = work.finally(() => underWay.delete(kept));
    underWay.add(kept);
    return kept;
  };
  const write = (entry: Omit<Entry, "at">): Promise<void> => {
    if (entry.state === "done") atStart.delete(entry.operation);
    const failed = (cause: unknown) => {
      log?.warn("how a request with an Idempotency-Key ended could not be written down", describe(cause));
      if (entry.state !== "done") return;
      unwritten.set(entry.key, entry);
    };
    return tracked(keys.write(entry).catch(failed));
  };
  const note = async (key: string, found: unknown): Promise<void> => {
    const earlier = await keys.find(key).catch(() => undefined);
    if (earlier?.state === "reserved" && !("found" in earlier)) await write({ ...earlier, found });
  };
  return {
    /** Resolves when it is written, whatever comes of that. */
    write,
    /** What is known of a key. */
    find: async (key: string): Promise<Known | undefined> => unwritten.get(key) ?? (await keys.find(key)),
    /** Keeps what a start has read of an operation, when its end is not known; the first counts. */
    found: (operation: string | undefined, what: () => unknown): void => {
      const key = operation === undefined ? undefined : keys.keyOf(operation);
      if (operation === undefined || key === undefined || atStart.has(operation)) return;
      const found = what();
      atStart.set(operation, found);
      void tracked(note(key, found));
    },
    foundOf: (earlier: Known | undefined): { found?: unknown } => {
      const found = earlier && (atStart.get(earlier.operation) ?? earlier.found);
      return found === undefined ? {} : { found };
    },
    /** Drops what memory holds beside the log. */
    redact: (is: (value: unknown) => boolean): void => {
      for (const [key, entry] of [...unwritten])
        if (is(key) || is(entry.answer)) unwritten.set(key, { ...entry, answer: null, erased: true });
      for (const [operation, found] of [...atStart]) if (is(found)) atStart.delete(operation);
    },
    /** Resolves when nothing is on its way. */
    settled: async (): Promise<void> => {
      // What has just ended says so in a moment.
      await new Promise((resolve) => setImmediate(resolve));
      await Promise.all(underWay);
    },
  };
}
