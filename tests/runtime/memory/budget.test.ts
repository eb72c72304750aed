/** What memory there is, and who may take it. */
import { describe, expect, test } from "bun:test";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { createMemoryBudget, machineMemory } from "../../../runtime/memory/memory.ts";

const GB = 1e9;
const files = (given: Record<string, string>) => (path: string) => given[path];

describe("machineMemory", () => {
  const rows: [what: string, files: Record<string, string>, bytes: number][] = [
    ["no control groups", {}, 16 * GB],
    [
      "version 2, its own",
      { "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": `${2 * GB}\n` },
      2 * GB,
    ],
    [
      "version 2, a group above is narrower",
      {
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/b/memory.max": "max\n",
        "/sys/fs/cgroup/a/memory.max": `${3 * GB}\n`,
      },
      3 * GB,
    ],
    [
      "a container, where its group is the root",
      { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": `${GB}\n` },
      GB,
    ],
    [
      "version 1",
      {
        "/proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/x\n0::/\n",
        "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": `${4 * GB}\n`,
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      },
      4 * GB,
    ],
    [
      "a limit above what there is",
      { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": `${99 * GB}\n` },
      16 * GB,
    ],
    [
      "a file that says nothing",
      { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "?\n" },
      16 * GB,
    ],
  ];
  test.each(rows)("%s", (_, given, bytes) => expect(machineMemory(files(given), 16 * GB)).toBe(bytes));

  test("of this machine", () => expect(machineMemory()).toBeGreaterThan(64 * 1024 * 1024));
});

describe("a budget", () => {
  const make = (limit: number) =>
    createMemoryBudget({ limit, share: 0.25, setting: "x.max_memory_bytes", advice: "drop something" });

  test("refuses what does not fit, with the figures, and takes nothing then", () => {
    const budget = make(20_000);
    budget.take(15_000, "a");
    let refusal: unknown;
    try {
      budget.take(5001, "to add 3 items it");
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(ServiceError);
    const { type, status, message, details } = refusal as ServiceError;
    expect([type, status]).toEqual(["memory_full", 507]);
    expect(message).toBe(
      "to add 3 items it needs 5001 bytes of memory, and 5000 bytes of the 20.0 kB of x.max_memory_bytes are free: drop something, or raise x.max_memory_bytes",
    );
    expect(details).toEqual({ needed_bytes: 5001, taken_bytes: 15_000, budget_bytes: 20_000 });
    expect(budget.taken()).toBe(15_000);
    budget.take(5000, "b");
  });

  test("what is given back is told and free; twice is once; what is there counts even above the limit", async () => {
    const budget = make(100);
    const freed: number[] = [];
    budget.whenFreed(() => freed.push(budget.limit - budget.taken()));
    const room = budget.take(80, "a");
    room.resize(150);
    expect(budget.taken()).toBe(150);
    room.resize(60);
    room.give();
    room.give();
    await expect(budget.during(10, "b", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect([budget.taken(), freed]).toEqual([0, [40, 100, 100]]);
  });

  test("without a limit it is a share of the machine", () => {
    expect(make(0).limit).toBe(Math.floor(machineMemory() / 4));
  });
});
