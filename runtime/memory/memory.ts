/** Memory that a process may have, and what its services may fill of it. */

import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fail } from "../errors/errors.ts";
import type { Metrics } from "../telemetry/telemetry.ts";

// Memory that a service may fill with the state that it holds. Room is reserved before it is used, so that concurrent
// requests cannot pass the limit together; what does not fit is refused with the figures, or left closed at a start.

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

// How much memory this process may have: the machine's, or less where a control group bounds it.

/**
 * Bytes. Of control groups (Linux, `man 7 cgroups`) the least limit from the process's own group up to the root counts,
 * in version 2 (`memory.max`) and 1 (`memory.limit_in_bytes`); inside a container its own group is the root.
 */
export function machineMemory(read: Read = readText, total = totalmem()): number {
  const limits = (read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "") return limitsUp(read, "/sys/fs/cgroup", path, "memory.max");
    if (controllers.split(",").includes("memory"))
      return limitsUp(read, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
    return [];
  });
  return Math.min(total, ...limits.filter((limit) => limit > 0));
}

type Read = (path: string) => string | undefined;

function limitsUp(read: Read, root: string, group: string, file: string): number[] {
  const found: number[] = [];
  for (let at = group; ; at = dirname(at)) {
    const text = read(join(root, at, file))?.trim() ?? "";
    if (/^\d+$/.test(text)) found.push(Number(text));
    if (at === "/" || at === ".") return found;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // Not this kind of machine, or not that version.
  }
}

/**
 * What a value of JSON takes on the heap, in bytes: rather too much, with the collector's slack. Measured over 200,000
 * small objects, texts and lists in Bun 1.4.5: objects and lists hold a head and 8 bytes a slot, texts a head and their
 * characters, numbers stand in their slot.
 */
export function heapBytes(value: unknown): number {
  if (typeof value === "string") return textBytes + value.length;
  if (typeof value !== "object" || value === null) return 0;
  let bytes = objectBytes;
  for (const item of Array.isArray(value) ? value : Object.values(value))
    bytes += slotBytes + heapBytes(item);
  return bytes;
}

const objectBytes = 64;
const slotBytes = 12;
const textBytes = 32;

const units: Readonly<Record<string, number>> = {
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A size of `memory` in bytes: `2GB` or `1.5 GiB`. */
export function memoryBytes(size: string): number {
  const [, number, unit] = /^([\d.]+)\s?([KMGT]i?)B$/.exec(size) ?? [];
  return Number(number) * (units[unit ?? ""] ?? Number.NaN);
}
