/**
 * Memory that a service may fill with the state that it holds. Room is reserved before it is used, so that concurrent
 * requests cannot pass the limit together; what does not fit is refused with the figures, or left closed at a start.
 */
import { fail } from "../errors/errors.ts";
import type { Metrics } from "../telemetry/telemetry.ts";
import { machineMemory } from "./machine.ts";

export interface MemoryBudget {
  /** In bytes. */
  limit: number;
  taken: () => number;
  /** Reserves bytes for `what`; throws `memory_full` when they are not free. */
  take: (bytes: number, what: string) => Room;
  /** Reserves them while the work goes on. */
  during: <T>(bytes: number, what: string, work: () => Promise<T>) => Promise<T>;
  /** Called whenever bytes became free. */
  whenFreed: (work: () => void) => void;
}

/** Bytes that are reserved until they are given back. */
export interface Room {
  bytes: () => number;
  /** What is really there, once that is known; it may be more than was free. */
  resize: (bytes: number) => void;
  /** May be called twice. */
  give: () => void;
}

/** `setting` is its name, for whoever must raise it; a limit of 0 is that share of the memory there is. */
export function createMemoryBudget({
  limit: given,
  share,
  setting,
  advice,
  metrics,
}: {
  limit: number;
  share: number;
  setting: string;
  /** What frees memory, for callers: `delete items and compact, or drop an index`. */
  advice: string;
  metrics?: Pick<Metrics, "gauge">;
}): MemoryBudget {
  const limit = given || Math.floor(machineMemory() * share);
  let taken = 0;
  let freed = () => {};
  const [section = ""] = setting.split(".");
  metrics?.gauge(`${section}_memory_budget_bytes`, "Memory that may be taken.", () => limit);
  metrics?.gauge(
    `${section}_memory_taken_bytes`,
    "Memory that is taken or reserved, by estimate.",
    () => taken,
  );
  const take: MemoryBudget["take"] = (wanted, what) => {
    if (taken + wanted > limit)
      throw fail(
        "memory_full",
        `${what} needs ${amount(wanted)} of memory, and ${amount(Math.max(0, limit - taken))} of the ${amount(limit)} of ${setting} are free: ${advice}, or raise ${setting}`,
        { details: { needed_bytes: wanted, taken_bytes: taken, budget_bytes: limit } },
      );
    let bytes = wanted;
    taken += bytes;
    const resize = (to: number) => {
      const isLess = to < bytes;
      taken += to - bytes;
      bytes = to;
      if (isLess) freed();
    };
    return { bytes: () => bytes, resize, give: () => resize(0) };
  };
  return {
    limit,
    taken: () => taken,
    take,
    during: async (bytes, what, work) => {
      const room = take(bytes, what);
      try {
        return await work();
      } finally {
        room.give();
      }
    },
    whenFreed: (work) => {
      freed = work;
    },
  };
}

const amount = (bytes: number): string => {
  if (bytes < 10_000) return `${Math.ceil(bytes)} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toPrecision(3)} ${units[power - 1]}`;
};
